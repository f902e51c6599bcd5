# The GPU plugin, libingot_cuda.so beside the program: all src/**/*.cu and src/*/cuda/*.cpp. It is loaded at run time
# where there is a driver; nothing else links it.

# Real architectures for data-center GPUs of today, PTX for what comes after them.
set(INGOT_CUDA_ARCHITECTURES 80-real 90 CACHE STRING "GPU architectures that kernels are compiled for")

function(ingot_find_cuda out)
  find_program(INGOT_NVCC nvcc HINTS /usr/local/cuda/bin ${PROJECT_SOURCE_DIR}/.deps/nvidia/cu13/bin)
  mark_as_advanced(INGOT_NVCC)
  set(${out} OFF PARENT_SCOPE)
  if(INGOT_CUDA STREQUAL "OFF" OR INGOT_SANITIZE)
    return()
  endif()
  set(why "")
  if(NOT INGOT_NVCC)
    set(why "no nvcc")
  elseif(NOT EXISTS ${INGOT_TORCH_LIB}/libtorch_cuda.so)
    set(why "this LibTorch has no CUDA half (libtorch_cuda.so)")
  else()
    execute_process(COMMAND ${INGOT_NVCC} --version OUTPUT_VARIABLE text)
    if(NOT text MATCHES "release 13\\.")
      set(why "${INGOT_NVCC} is not of CUDA 13")
    endif()
  endif()
  if(why STREQUAL "")
    set(${out} ON PARENT_SCOPE)
  elseif(INGOT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "INGOT_CUDA=ON: ${why}; scripts/setup.sh --cuda gets what is missing")
  else()
    message(STATUS "no GPU plugin: ${why}")
  endif()
endfunction()

ingot_find_cuda(INGOT_HAS_CUDA)
if(INGOT_HAS_CUDA)
  set(CMAKE_CUDA_COMPILER ${INGOT_NVCC})
  set(CMAKE_CUDA_ARCHITECTURES ${INGOT_CUDA_ARCHITECTURES})
  # LibTorch brings its own runtime.
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  enable_language(CUDA)
  # CMake 3.25 does not know that this nvcc has C++20, which targets take over from CMAKE_CXX_STANDARD.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)

  file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.cu
       ${PROJECT_SOURCE_DIR}/src/*/cuda/*.cpp)
  get_property(generated GLOBAL PROPERTY INGOT_CUDA_GENERATED)
  add_library(ingot_cuda SHARED ${cuda_sources} ${generated})
  target_include_directories(ingot_cuda PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_include_directories(ingot_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_compile_options(ingot_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -lineinfo -Xcompiler=-Wall>
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra>)
  # Without NCCL's header the plugin serves one GPU.
  find_path(INGOT_NCCL_INCLUDE nccl.h HINTS ${INGOT_TORCH_LIB}/../../nvidia/nccl/include)
  mark_as_advanced(INGOT_NCCL_INCLUDE)
  if(INGOT_NCCL_INCLUDE)
    target_include_directories(ingot_cuda SYSTEM PRIVATE ${INGOT_NCCL_INCLUDE})
  endif()
  foreach(part c10_cuda torch_cuda)
    add_library(torch_${part} SHARED IMPORTED)
    set_target_properties(torch_${part} PROPERTIES IMPORTED_LOCATION ${INGOT_TORCH_LIB}/lib${part}.so)
  endforeach()
  # torch_cuda is kept although no symbol of it may be used: loading the plugin loads it. Its own libraries (cuBLAS, cuDNN)
  # are found by its RPATH at run time and need not be here now.
  target_link_libraries(ingot_cuda PRIVATE torch::cpu -Wl,--no-as-needed torch_torch_cuda torch_c10_cuda
    -Wl,--as-needed -Wl,--allow-shlib-undefined)
  find_library(INGOT_CUDART cudart HINTS ${INGOT_TORCH_LIB}/../../nvidia/cu13/lib NAMES libcudart.so.13 cudart
               PATHS ${CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES})
  mark_as_advanced(INGOT_CUDART)
  target_link_libraries(ingot_cuda PRIVATE ${INGOT_CUDART})
  ingot_set_rpath(ingot_cuda ${PROJECT_BINARY_DIR})
  set_target_properties(ingot_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  if(TARGET ingot)
    add_dependencies(ingot ingot_cuda)
  endif()
endif()
