# ingot_version: commit, state of the working tree, compiler and LibTorch of this build, behind src/base/version.h. Looked up
# at every build; the file changes only when the answer does, so nothing relinks needlessly.
set(version_source ${PROJECT_BINARY_DIR}/gen/version.gen.cpp)
add_custom_target(ingot_version_gen
  COMMAND ${CMAKE_COMMAND} -D SOURCE_DIR=${PROJECT_SOURCE_DIR} -D OUTPUT=${version_source}
          -D "COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" -D BUILD_TYPE=${CMAKE_BUILD_TYPE}
          -D VERSION=${PROJECT_VERSION} -D TORCH=${torch_version}
          -P ${PROJECT_SOURCE_DIR}/tools/cmake/write_version.cmake
  BYPRODUCTS ${version_source}
  COMMENT "Looking up the version" VERBATIM)
add_library(ingot_version STATIC ${version_source})
add_dependencies(ingot_version ingot_version_gen)
target_include_directories(ingot_version PUBLIC ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(ingot_version PRIVATE ingot_warnings)
