# SPDX-License-Identifier: Apache-2.0
# Language, warnings, sanitizers, linker and compiler cache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Precompiled headers are cached only with these sloppiness settings.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)

# Carried by every target of ours.
add_library(reelsight_flags INTERFACE)
target_compile_options(reelsight_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(reelsight_flags INTERFACE -Wthread-safety -Wno-unknown-warning-option)
else()
  # -Wrestrict: gcc 12 warns of std::string assignments that are right (its bug 105651).
  target_compile_options(reelsight_flags INTERFACE -fpch-preprocess -Wno-restrict)
endif()
target_include_directories(reelsight_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(reelsight_flags INTERFACE $<$<CONFIG:Debug>:REELSIGHT_DEBUG_CHECKS=1>)
if(MOLD_PROGRAM)
  target_link_options(reelsight_flags INTERFACE -fuse-ld=mold)
endif()
if(REELSIGHT_SANITIZE)
  # gcc finds uninitialized values in instrumented code that are none; its manual says so.
  set(REELSIGHT_SANITIZE_OPTIONS -fsanitize=${REELSIGHT_SANITIZE} -fno-omit-frame-pointer -g1 -O1
      -Wno-maybe-uninitialized)
  if(REELSIGHT_SANITIZE STREQUAL "thread")
    # protobuf's headers lay out map fields differently where this is defined, and its library is built without. What
    # the standard library makes of it is kept.
    list(APPEND REELSIGHT_SANITIZE_OPTIONS -U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
    # gcc 12's run-time library does not know the wait of a condition variable on the steady clock, and reports races
    # that are not there. See shared/base/mutex.h.
    list(APPEND REELSIGHT_SANITIZE_OPTIONS -DREELSIGHT_WAIT_ON_SYSTEM_CLOCK=1)
  endif()
  target_compile_options(reelsight_flags INTERFACE ${REELSIGHT_SANITIZE_OPTIONS})
  target_link_options(reelsight_flags INTERFACE -fsanitize=${REELSIGHT_SANITIZE})
endif()
if(REELSIGHT_FUZZ)
  target_compile_options(reelsight_flags INTERFACE -fsanitize=fuzzer-no-link,address)
  target_link_options(reelsight_flags INTERFACE -fsanitize=address)
endif()
