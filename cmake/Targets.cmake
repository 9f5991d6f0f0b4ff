# SPDX-License-Identifier: Apache-2.0
# One library, one test binary and any number of programs for each folder.
include(GoogleTest)

set_property(GLOBAL PROPERTY REELSIGHT_TSAN_TARGETS "")

# reelsight_library(<name> SOURCES <file>... [DEPS <target>...] [PCH])
# Library reelsight_<name> with the alias reelsight::<name>. PCH reuses the precompiled gRPC and protobuf headers.
function(reelsight_library name)
  cmake_parse_arguments(ARG "PCH" "" "SOURCES;DEPS" ${ARGN})
  add_library(reelsight_${name} STATIC ${ARG_SOURCES})
  add_library(reelsight::${name} ALIAS reelsight_${name})
  target_link_libraries(reelsight_${name} PUBLIC ${ARG_DEPS} PRIVATE reelsight_flags)
  if(ARG_PCH)
    reelsight_use_pch(reelsight_${name})
  endif()
endfunction()

# reelsight_program(<name> SOURCES <file>... [DEPS <target>...] [PCH]): a program in <build>/bin.
function(reelsight_program name)
  cmake_parse_arguments(ARG "PCH" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} reelsight_flags)
  if(ARG_PCH)
    reelsight_use_pch(${name})
  endif()
endfunction()

# reelsight_test(<name> SOURCES <file>_test.cc... [DEPS <target>...] [TSAN] [PCH])
# Test program <name>_test. TSAN: it also runs under ThreadSanitizer.
function(reelsight_test name)
  cmake_parse_arguments(ARG "PCH;TSAN" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${ARG_DEPS} reelsight::testing GTest::gmock GTest::gtest_main reelsight_flags)
  if(ARG_PCH)
    reelsight_use_pch(${name}_test)
  endif()
  # One label: gtest_discover_tests takes lists of properties apart.
  set(label unit)
  if(ARG_TSAN)
    set(label tsan)
    set_property(GLOBAL APPEND PROPERTY REELSIGHT_TSAN_TARGETS ${name}_test)
  endif()
  # Listed when tests run, not when they are built: a sanitizer build needs no run at build time.
  gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES LABELS ${label} TIMEOUT 300 ENVIRONMENT "REELSIGHT_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

# reelsight_fuzz_target(<name> SOURCES <file>... [DEPS <target>...]): a libFuzzer program, built with clang only.
function(reelsight_fuzz_target name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(REELSIGHT_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_DEPS} reelsight_flags)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_property(GLOBAL APPEND PROPERTY REELSIGHT_FUZZ_TARGETS ${name})
  endif()
endfunction()

function(reelsight_use_pch target)
  if(REELSIGHT_PCH)
    target_precompile_headers(${target} REUSE_FROM reelsight_pch)
    target_link_libraries(${target} PRIVATE reelsight_pch)
  endif()
endfunction()
