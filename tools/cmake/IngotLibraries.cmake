# Libraries from the system's packages. scripts/setup.sh installs them; the names here are what modules list under LIBS.
find_package(Threads REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
if(INGOT_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()

# Debian ships no CMake files for these.
function(ingot_system_library name header)
  find_path(INGOT_${name}_INCLUDE ${header} REQUIRED)
  find_library(INGOT_${name}_LIBRARY ${name} REQUIRED)
  mark_as_advanced(INGOT_${name}_INCLUDE INGOT_${name}_LIBRARY)
  add_library(${name} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${INGOT_${name}_LIBRARY}
                        INTERFACE_INCLUDE_DIRECTORIES ${INGOT_${name}_INCLUDE})
endfunction()
ingot_system_library(xxhash xxhash.h)
ingot_system_library(zstd zstd.h)
ingot_system_library(sentencepiece sentencepiece_processor.h)
ingot_system_library(sentencepiece_train sentencepiece_trainer.h)

# Both sentencepiece and libtorch_cpu export google::protobuf symbols. The first library in link order wins, and only
# sentencepiece's copy serves both, so executables name it first.
add_library(ingot_sentencepiece_first INTERFACE)
target_link_options(ingot_sentencepiece_first INTERFACE
  "LINKER:--push-state,--no-as-needed,${INGOT_sentencepiece_LIBRARY},${INGOT_sentencepiece_train_LIBRARY},--pop-state")
