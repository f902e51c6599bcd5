# Adding a variant takes its three files and no other edit: run as `cmake -D SOURCE_DIR=... -D WORK=... -P` on a small
# project that uses tools/cmake/IngotVariants.cmake. Fails on the first expectation that is not met.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/CMakeLists.txt "
cmake_minimum_required(VERSION 3.25)
project(fixture LANGUAGES CXX)
option(INGOT_INCOMPLETE_VARIANTS \"\" OFF)
include(${SOURCE_DIR}/tools/cmake/IngotVariants.cmake)
file(WRITE \${PROJECT_BINARY_DIR}/empty.cpp \"\")
add_library(ingot_nn STATIC \${PROJECT_BINARY_DIR}/empty.cpp)
target_include_directories(ingot_nn PRIVATE src)
ingot_variants(nn norms TYPE NormEntry HEADER nn/norm.h)
ingot_variants(nn mixers TYPE MixerEntry HEADER nn/mixer.h)
")
file(WRITE ${WORK}/src/registry/family.h "#pragma once\nnamespace ingot { template <class T> struct Family { int n = 0; }; }\n")
file(WRITE ${WORK}/src/nn/norm.h "#pragma once\nnamespace ingot { struct NormEntry {}; }\n")

function(add_variant name)
  file(WRITE ${WORK}/src/nn/norms/${name}.cpp "#include \"nn/norm.h\"\n#include \"registry/family.h\"\n"
       "void ingot::register_${name}(Family<NormEntry>& family) { ++family.n; }\n")
  file(WRITE ${WORK}/tests/nn/norms/${name}_test.cpp "")
  file(WRITE ${WORK}/configs/variants/norms/${name}.yaml "")
endfunction()

function(configure)
  execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK} -B ${WORK}/build -G Ninja ${ARGN} RESULT_VARIABLE code
                  OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(code ${code} PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_failure_naming path)
  configure()
  if(code EQUAL 0)
    message(FATAL_ERROR "configure passed although ${path} is missing")
  endif()
  string(FIND "${output}" "${path}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "configure failed without naming ${path}:\n${output}")
  endif()
endfunction()

add_variant(zeta_norm)
add_variant(alpha_norm)
configure()
if(NOT code EQUAL 0)
  message(FATAL_ERROR "two complete variants do not configure:\n${output}")
endif()
file(READ ${WORK}/build/gen/norms_table.gen.cpp table)
if(NOT table MATCHES "register_alpha_norm\\(family\\);\n  register_zeta_norm\\(family\\);")
  message(FATAL_ERROR "the table does not call both in alphabetical order:\n${table}")
endif()

# No other edit: a build notices the new file by itself, and what is missing stops it.
file(WRITE ${WORK}/src/nn/norms/mid_norm.cpp "")
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build RESULT_VARIABLE code OUTPUT_VARIABLE output
                ERROR_VARIABLE output)
if(code EQUAL 0 OR NOT output MATCHES "tests/nn/norms/mid_norm_test.cpp" OR
   NOT output MATCHES "configs/variants/norms/mid_norm.yaml")
  message(FATAL_ERROR "a build with an incomplete new variant did not stop naming both files:\n${output}")
endif()

add_variant(mid_norm)
file(REMOVE ${WORK}/tests/nn/norms/mid_norm_test.cpp)
expect_failure_naming(tests/nn/norms/mid_norm_test.cpp)
add_variant(mid_norm)
file(REMOVE ${WORK}/configs/variants/norms/mid_norm.yaml)
expect_failure_naming(configs/variants/norms/mid_norm.yaml)
configure(-DINGOT_INCOMPLETE_VARIANTS=ON)
if(NOT code EQUAL 0 OR NOT output MATCHES "configs/variants/norms/mid_norm.yaml")
  message(FATAL_ERROR "INGOT_INCOMPLETE_VARIANTS does not turn the error into a warning:\n${output}")
endif()
configure(-DINGOT_INCOMPLETE_VARIANTS=OFF)

# Variants without the header of their entry type.
add_variant(mid_norm)
file(WRITE ${WORK}/src/nn/mixers/some.cpp "")
expect_failure_naming(src/nn/mixer.h)
file(REMOVE_RECURSE ${WORK}/src/nn/mixers)

configure()
execute_process(COMMAND ${CMAKE_COMMAND} --build ${WORK}/build RESULT_VARIABLE code OUTPUT_VARIABLE output
                ERROR_VARIABLE output)
file(READ ${WORK}/build/gen/norms_table.gen.cpp table)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "the completed variant does not build:\n${output}")
endif()
if(NOT table MATCHES "register_alpha_norm\\(family\\);\n  register_mid_norm\\(family\\);\n  register_zeta_norm\\(family\\);")
  message(FATAL_ERROR "the completed variant is not in the table:\n${table}")
endif()
