# torch::cpu, the CPU half of LibTorch out of a wheel. Not find_package(Torch): a CUDA wheel's TorchConfig demands a CUDA
# toolkit, and libtorch.so pulls in the CUDA libraries.
set(INGOT_TORCH_VERSION 2.11.0)

if(NOT INGOT_TORCH AND DEFINED ENV{INGOT_TORCH})
  set(INGOT_TORCH $ENV{INGOT_TORCH})
endif()
set(INGOT_TORCH "${INGOT_TORCH}" CACHE PATH "LibTorch folder (holds lib/, include/, version.py)")
set(torch_root "${INGOT_TORCH}")
if(NOT torch_root)
  set(torch_root ${PROJECT_SOURCE_DIR}/.deps/torch)
endif()

if(NOT EXISTS ${torch_root}/version.py)
  message(FATAL_ERROR "no LibTorch in ${torch_root} (version.py is missing): run scripts/setup.sh, or give "
                      "-DINGOT_TORCH=<folder of LibTorch ${INGOT_TORCH_VERSION}>")
endif()
file(STRINGS ${torch_root}/version.py torch_version REGEX "^__version__ = ")
string(REGEX REPLACE ".*'([0-9.]+).*" "\\1" torch_version "${torch_version}")
if(NOT torch_version STREQUAL INGOT_TORCH_VERSION)
  message(FATAL_ERROR "LibTorch in ${torch_root} is ${torch_version}, expected ${INGOT_TORCH_VERSION}")
endif()
foreach(part lib/libtorch_cpu.so lib/libc10.so include/ATen/core/Tensor.h)
  if(NOT EXISTS ${torch_root}/${part})
    message(FATAL_ERROR "LibTorch in ${torch_root} is incomplete: ${part} is missing")
  endif()
endforeach()
set(INGOT_TORCH_LIB ${torch_root}/lib)

add_library(torch_c10 SHARED IMPORTED)
set_target_properties(torch_c10 PROPERTIES IMPORTED_LOCATION ${torch_root}/lib/libc10.so)
add_library(torch_cpu SHARED IMPORTED)
set_target_properties(torch_cpu PROPERTIES IMPORTED_LOCATION ${torch_root}/lib/libtorch_cpu.so)

add_library(torch_headers INTERFACE)
target_include_directories(torch_headers SYSTEM INTERFACE
  ${torch_root}/include ${torch_root}/include/torch/csrc/api/include)
# The wheel was built with these; without them its c10d headers are empty. AT_PER_OPERATOR_HEADERS keeps the file with all
# two thousand operators out of every translation unit.
target_compile_definitions(torch_headers INTERFACE USE_DISTRIBUTED USE_C10D_GLOO AT_PER_OPERATOR_HEADERS)

add_library(torch_cpu_bundle INTERFACE)
target_link_libraries(torch_cpu_bundle INTERFACE torch_headers torch_cpu torch_c10)
# libtorch_cpu needs cudart and cupti, which its own RPATH finds at run time and the linker does not.
target_link_options(torch_cpu_bundle INTERFACE
  -Wl,-rpath-link,${torch_root}/lib:${torch_root}/../nvidia/cu13/lib)
add_library(torch::cpu ALIAS torch_cpu_bundle)

# Gives <target>, which will lie in folder <where>, an RPATH to LibTorch: relative if both are inside the checkout, so that
# a moved tree runs.
function(ingot_set_rpath target where)
  cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${INGOT_TORCH_LIB} NORMALIZE torch_inside)
  cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${where} NORMALIZE target_inside)
  set(rpath ${INGOT_TORCH_LIB})
  if(torch_inside AND target_inside)
    file(RELATIVE_PATH rpath ${where} ${INGOT_TORCH_LIB})
    set(rpath "$ORIGIN/${rpath}")
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${where} BUILD_WITH_INSTALL_RPATH ON
                        INSTALL_RPATH "${rpath}")
endfunction()
