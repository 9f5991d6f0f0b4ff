# SPDX-License-Identifier: Apache-2.0
# Everything comes from Debian packages but the google.rpc protos, which come in a PyPI wheel that scripts/setup unpacks.
# A missing package stops the configure step with the line that installs it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

macro(reelsight_require_package name)
  find_package(${name} QUIET ${ARGN})
  if(NOT ${name}_FOUND)
    message(FATAL_ERROR "${name} is missing. Run: scripts/setup")
  endif()
endmacro()

# reelsight_require_pkg_config(<alias> <module>...): an imported target reelsight::third_party::<alias>, headers SYSTEM.
function(reelsight_require_pkg_config alias)
  pkg_check_modules(${alias} QUIET IMPORTED_TARGET ${ARGN})
  if(NOT ${alias}_FOUND)
    message(FATAL_ERROR "${ARGN} is missing. Run: scripts/setup")
  endif()
  add_library(reelsight_third_party_${alias} INTERFACE)
  add_library(reelsight::third_party::${alias} ALIAS reelsight_third_party_${alias})
  target_link_libraries(reelsight_third_party_${alias} INTERFACE PkgConfig::${alias})
  target_include_directories(reelsight_third_party_${alias} SYSTEM INTERFACE ${${alias}_INCLUDE_DIRS})
endfunction()

reelsight_require_package(absl)
reelsight_require_package(Protobuf)
reelsight_require_package(gRPC)
reelsight_require_package(prometheus-cpp)
reelsight_require_package(GTest)
reelsight_require_package(benchmark)
reelsight_require_package(CURL)
reelsight_require_package(OpenSSL)
reelsight_require_pkg_config(ffmpeg libavformat libavcodec libavfilter libavutil libswscale)
reelsight_require_pkg_config(png libpng)
reelsight_require_pkg_config(turbojpeg libturbojpeg)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

find_path(LIBYUV_INCLUDE_DIR libyuv.h REQUIRED)
find_library(LIBYUV_LIBRARY yuv REQUIRED)
add_library(reelsight_third_party_yuv INTERFACE)
add_library(reelsight::third_party::yuv ALIAS reelsight_third_party_yuv)
target_include_directories(reelsight_third_party_yuv SYSTEM INTERFACE ${LIBYUV_INCLUDE_DIR})
target_link_libraries(reelsight_third_party_yuv INTERFACE ${LIBYUV_LIBRARY})

# OpenCV's CMake package asks for all modules; three are enough.
find_path(OPENCV_INCLUDE_DIR opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
add_library(reelsight_third_party_opencv INTERFACE)
add_library(reelsight::third_party::opencv ALIAS reelsight_third_party_opencv)
target_include_directories(reelsight_third_party_opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
foreach(module core imgproc video)
  find_library(OPENCV_${module} opencv_${module} REQUIRED)
  target_link_libraries(reelsight_third_party_opencv INTERFACE ${OPENCV_${module}})
endforeach()

find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)
add_library(reelsight_third_party_cli11 INTERFACE)
add_library(reelsight::third_party::cli11 ALIAS reelsight_third_party_cli11)
target_include_directories(reelsight_third_party_cli11 SYSTEM INTERFACE ${CLI11_INCLUDE_DIR})

# The PyPI wheel holds C++ headers, libraries, front ends and a CMake package.
set(OPENVINO_DIR ${CMAKE_SOURCE_DIR}/.deps/openvino CACHE PATH "Folder of OpenVINO's wheel, unpacked")
find_package(OpenVINO QUIET CONFIG COMPONENTS Runtime PATHS ${OPENVINO_DIR}/openvino/cmake NO_DEFAULT_PATH)
if(NOT OpenVINO_FOUND)
  message(FATAL_ERROR "OpenVINO is missing from ${OPENVINO_DIR}. Run: scripts/setup")
endif()
add_library(reelsight_third_party_openvino INTERFACE)
add_library(reelsight::third_party::openvino ALIAS reelsight_third_party_openvino)
target_link_libraries(reelsight_third_party_openvino INTERFACE openvino::runtime)
# One TBB for OpenCV and OpenVINO: the wheel's. Only the old kind of rpath serves the libraries of libraries too.
target_link_options(reelsight_third_party_openvino INTERFACE
                    -Wl,--disable-new-dtags -Wl,-rpath,${OPENVINO_DIR}/openvino/libs)

set(GOOGLEAPIS_DIR ${CMAKE_SOURCE_DIR}/.deps/googleapis CACHE PATH "Folder that holds google/rpc/*.proto")
if(NOT EXISTS ${GOOGLEAPIS_DIR}/google/rpc/error_details.proto)
  message(FATAL_ERROR "google/rpc protos are missing from ${GOOGLEAPIS_DIR}. Run: scripts/setup")
endif()

# LibTorch, for the plug-in that runs ONNX models on a GPU: parts of torch's wheel and of two of NVIDIA's, and the proto
# file of the onnx wheel that the converters use. Without them everything else is built.
set(REELSIGHT_LIBTORCH AUTO CACHE STRING "Build the LibTorch plug-in: ON, OFF or AUTO (if it is installed)")
set(LIBTORCH_DIR ${CMAKE_SOURCE_DIR}/.deps/libtorch CACHE PATH "Folder that holds torch/ and nvidia/, unpacked wheels")
file(GLOB site_packages ${CMAKE_SOURCE_DIR}/.deps/convert/lib/python3*/site-packages)
find_path(ONNX_PROTO_DIR onnx/onnx-ml.proto NO_DEFAULT_PATH PATHS ${site_packages})
set(REELSIGHT_HAS_LIBTORCH OFF)
# LibTorch is not built for sanitizers, which would take its allocations and threads for ours.
if(NOT REELSIGHT_LIBTORCH STREQUAL "OFF" AND NOT REELSIGHT_SANITIZE AND NOT REELSIGHT_FUZZ)
  if(EXISTS ${LIBTORCH_DIR}/torch/lib/libtorch_cpu.so AND ONNX_PROTO_DIR)
    set(REELSIGHT_HAS_LIBTORCH ON)
  elseif(REELSIGHT_LIBTORCH STREQUAL "ON")
    message(FATAL_ERROR "LibTorch is missing from ${LIBTORCH_DIR}. Run: scripts/setup")
  else()
    message(STATUS "No LibTorch in ${LIBTORCH_DIR}: its plug-in is left out. scripts/setup installs it")
  endif()
endif()
if(REELSIGHT_HAS_LIBTORCH)
  add_library(reelsight_third_party_libtorch INTERFACE)
  add_library(reelsight::third_party::libtorch ALIAS reelsight_third_party_libtorch)
  # After all others: the wheel's own folder holds old headers of protobuf.
  target_compile_options(reelsight_third_party_libtorch INTERFACE "SHELL:-idirafter ${LIBTORCH_DIR}/torch/include")
  target_link_libraries(reelsight_third_party_libtorch INTERFACE
                        ${LIBTORCH_DIR}/torch/lib/libtorch_cpu.so ${LIBTORCH_DIR}/torch/lib/libc10.so)
  target_link_options(reelsight_third_party_libtorch INTERFACE -Wl,-rpath,${LIBTORCH_DIR}/torch/lib)
endif()
