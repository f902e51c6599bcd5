#pragma once
// Lists of hosts and of tasks per node as Slurm writes them. `scontrol show hostnames` does the same, but is often
// missing inside containers.

#include <string>
#include <string_view>
#include <vector>

namespace ingot {

/// "gpu[01-03,7],login" -> gpu01 gpu02 gpu03 gpu7 login. Several brackets in a name multiply. Throws ConfigError if the
/// brackets do not close or a range is not one.
std::vector<std::string> expand_node_list(std::string_view text);

/// "4(x2),3" -> 4 4 3. Throws ConfigError.
std::vector<int> expand_task_counts(std::string_view text);

}  // namespace ingot
