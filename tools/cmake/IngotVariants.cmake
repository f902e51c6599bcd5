# ingot_variants(<module> <family> TYPE <entry type> HEADER <header of the entry type>)
# Every src/<module>/<family>/<stem>.cpp is a variant that defines `void ingot::register_<stem>(Family<TYPE>&)`. Generates
# the family's table, `void ingot::register_all_<family>(Family<TYPE>&)`, which calls them in alphabetical order, and stops
# with the path of a variant's missing test or sample YAML. Call it after ingot_module(<module>).
function(ingot_variants module family)
  cmake_parse_arguments(arg "" "TYPE;HEADER" "" ${ARGN})
  set(folder ${PROJECT_SOURCE_DIR}/src/${module}/${family})
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
  file(GLOB header CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${arg_HEADER})
  if(NOT header)
    if(sources)
      message(FATAL_ERROR "src/${arg_HEADER} is missing: it declares ${arg_TYPE} of src/${module}/${family}")
    endif()
    return()
  endif()
  list(SORT sources)

  # Listed by glob so that adding or removing one configures again.
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${module}/${family}/*_test.cpp)
  file(GLOB samples CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/configs/variants/${family}/*.yaml)
  set(declarations "")
  set(calls "")
  set(missing "")
  foreach(source ${sources})
    cmake_path(GET source STEM stem)
    foreach(needed tests/${module}/${family}/${stem}_test.cpp configs/variants/${family}/${stem}.yaml)
      if(NOT ${PROJECT_SOURCE_DIR}/${needed} IN_LIST tests AND NOT ${PROJECT_SOURCE_DIR}/${needed} IN_LIST samples)
        string(APPEND missing "\n  ${needed}  (needed by src/${module}/${family}/${stem}.cpp)")
      endif()
    endforeach()
    string(APPEND declarations "void register_${stem}(Family<${arg_TYPE}>& family);\n")
    string(APPEND calls "  register_${stem}(family);\n")
  endforeach()
  if(missing AND INGOT_INCOMPLETE_VARIANTS)
    message(WARNING "missing files of variants:${missing}")
  elseif(missing)
    # Not fatal at once: every family reports before configure stops.
    message(SEND_ERROR "missing files of variants:${missing}")
  endif()

  set(table ${PROJECT_BINARY_DIR}/gen/${family}_table.gen.cpp)
  file(CONFIGURE OUTPUT ${table} CONTENT [==[
// Generated from src/@module@/@family@.
#include "@arg_HEADER@"
#include "registry/family.h"

namespace ingot {

@declarations@
void register_all_@family@([[maybe_unused]] Family<@arg_TYPE@>& family);

void register_all_@family@([[maybe_unused]] Family<@arg_TYPE@>& family) {
@calls@}

}  // namespace ingot
]==] @ONLY)
  target_sources(ingot_${module} PRIVATE ${table})
  if(sources)
    set_source_files_properties(${sources} PROPERTIES UNITY_GROUP ${family})
  endif()
endfunction()

# ingot_update_rules(<module> <family>): the loops of the elementwise rules in src/<module>/<family>/*.h (optim/update_rule.h).
# Of each header makes a kernel file for the CPU, which joins the module, and one for CUDA, listed in INGOT_CUDA_GENERATED.
function(ingot_update_rules module family)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/${family}/*.h)
  foreach(header ${headers})
    cmake_path(GET header STEM stem)
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(STRINGS ${header} space REGEX "^namespace ingot::[a-z0-9_]+ {")
    string(REGEX REPLACE "^namespace (ingot::[a-z0-9_]+) .*" "\\1" space "${space}")
    file(STRINGS ${header} rules REGEX "^struct [A-Za-z0-9]+ : UpdateRule<")
    set(loops "")
    set(kernels "")
    file(STRINGS ${header} names REGEX "kName = \"")
    foreach(line name IN ZIP_LISTS rules names)
      string(REGEX REPLACE "^struct ([A-Za-z0-9]+) .*" "\\1" rule "${line}")
      string(REGEX REPLACE ".*kName = \"([a-z0-9_]+)\".*" "\\1" name "${name}")
      string(APPEND loops "INGOT_UPDATE_LOOPS(${space}::${rule})\n")
      string(APPEND kernels "INGOT_CUDA_UPDATE(${space}::${rule}, ${name})\n")
    endforeach()
    set(include "// Generated from src/${module}/${family}/${stem}.h.\n#include \"${module}/${family}/${stem}.h\"\n")
    set(cpu ${PROJECT_BINARY_DIR}/gen/${stem}_update_kernels.cpp)
    file(CONFIGURE OUTPUT ${cpu} CONTENT "${include}#include \"${module}/update_loops.h\"\n\n${loops}" @ONLY)
    ingot_kernels(${cpu})
    target_sources(ingot_${module} PRIVATE ${cpu})
    set(cuda ${PROJECT_BINARY_DIR}/gen/${stem}_update.cu)
    file(CONFIGURE OUTPUT ${cuda} CONTENT "${include}#include \"${module}/cuda/update.cuh\"\n\n${kernels}" @ONLY)
    set_property(GLOBAL APPEND PROPERTY INGOT_CUDA_GENERATED ${cuda})
  endforeach()
endfunction()
