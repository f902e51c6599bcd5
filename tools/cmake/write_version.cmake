# In: SOURCE_DIR, OUTPUT, COMPILER, BUILD_TYPE, VERSION, TORCH. Writes the definition of ingot::build_version().
set(commit unknown)
set(dirty "")
find_program(git git)
if(git AND EXISTS ${SOURCE_DIR}/.git)
  execute_process(COMMAND ${git} rev-parse HEAD WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE head
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE code)
  if(code EQUAL 0)
    set(commit ${head})
    # What the program is made of; an edited README does not make another program.
    set(parts src tools/cmake CMakeLists.txt)
    execute_process(COMMAND ${git} diff HEAD -- ${parts} WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE changes
                    ERROR_QUIET)
    execute_process(COMMAND ${git} ls-files --others --exclude-standard -- ${parts}
                    WORKING_DIRECTORY ${SOURCE_DIR} OUTPUT_VARIABLE untracked ERROR_QUIET)
    string(REPLACE "\n" ";" untracked_files "${untracked}")
    foreach(file ${untracked_files})
      if(EXISTS ${SOURCE_DIR}/${file})
        file(SHA256 ${SOURCE_DIR}/${file} hash)
        string(APPEND changes "${file} ${hash}\n")
      endif()
    endforeach()
    if(changes)
      string(SHA256 dirty "${changes}")
      string(SUBSTRING ${dirty} 0 12 dirty)
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [==[
// Generated at build time.
#include "base/version.h"

namespace ingot {

const BuildVersion& build_version() {
  static constexpr BuildVersion kVersion{"@VERSION@", "@commit@", "@dirty@", "@COMPILER@", "@BUILD_TYPE@", "@TORCH@"};
  return kVersion;
}

}  // namespace ingot
]==] @ONLY)
