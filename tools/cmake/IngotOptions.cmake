# Compiler, linker and cache settings shared by every target.
option(INGOT_WERROR "Make warnings in our own code errors" OFF)
option(INGOT_UNITY "Compile each variant family, and its tests, as one translation unit" OFF)
option(INGOT_TESTS "Build the tests" ON)
set(INGOT_CUDA AUTO CACHE STRING "Build the GPU plugin: ON, OFF, or AUTO (where CUDA 13 is found)")
option(INGOT_INCOMPLETE_VARIANTS
       "Only warn about a variant that lacks its test or its sample YAML" OFF)
set(INGOT_FUZZ_RUNS 1000 CACHE STRING "Damaged inputs that each fuzz target reads as a test")
option(INGOT_LIBFUZZER "Link the fuzz targets with clang's libFuzzer instead of the own driver" OFF)
set(INGOT_SANITIZE "" CACHE STRING "Sanitizers for all targets: empty or a list of address, undefined")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Dev" FORCE)
endif()
# No -march here: kernels for newer CPUs are compiled separately and chosen at run time.
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEV "-O2 -g1")
set(CMAKE_EXE_LINKER_FLAGS_DEV "")
set(CMAKE_SHARED_LINKER_FLAGS_DEV "")

# Paths in debug information and __FILE__ relative to the checkout: the same object whoever builds it where.
add_compile_options(-ffile-prefix-map=${PROJECT_BINARY_DIR}=build
                    -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)

foreach(sanitizer ${INGOT_SANITIZE})
  if(NOT sanitizer MATCHES "^(address|undefined)$")
    message(FATAL_ERROR "INGOT_SANITIZE holds '${sanitizer}', expected address or undefined")
  endif()
  add_compile_options(-fsanitize=${sanitizer} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitizer})
endforeach()
if("undefined" IN_LIST INGOT_SANITIZE)
  # vptr needs type information of classes that live inside LibTorch.
  add_compile_options(-fno-sanitize=vptr -fno-sanitize-recover=all)
endif()

# Linking is most of an edit-test cycle; both alternatives are several times faster than ld.bfd.
find_program(INGOT_LLD ld.lld)
find_program(INGOT_GOLD ld.gold)
mark_as_advanced(INGOT_LLD INGOT_GOLD)
if(INGOT_LLD)
  add_link_options(-fuse-ld=lld)
elseif(INGOT_GOLD)
  add_link_options(-fuse-ld=gold)
endif()

find_program(INGOT_CCACHE ccache)
mark_as_advanced(INGOT_CCACHE)
if(INGOT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need the sloppiness and -fpch-preprocess. With paths relative to the build folder and that folder
  # left out of the hash, build folders at the same depth share results. The cache lies in the checkout unless CCACHE_DIR
  # says otherwise.
  set(ccache_dir ${PROJECT_SOURCE_DIR}/.cache/ccache)
  if(DEFINED ENV{CCACHE_DIR})
    set(ccache_dir $ENV{CCACHE_DIR})
  endif()
  set(CMAKE_CXX_COMPILER_LAUNCHER
      env CCACHE_DIR=${ccache_dir} CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=/ CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 ${INGOT_CCACHE})
  add_compile_options($<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>)
endif()

# Applied to our own targets only, never to imported ones.
add_library(ingot_warnings INTERFACE)
target_compile_options(ingot_warnings INTERFACE -Wall -Wextra -Wshadow
                       $<$<BOOL:${INGOT_WERROR}>:-Werror>)
