#include "base/control_group.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <sstream>
#include <vector>

#include "base/reading.h"
#include "base/text.h"

namespace ingot {
namespace {

/// Version 1 says "no limit" by the largest multiple of a page.
constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;

/// A small file of the kernel, "" if there is none.
std::string text_of(const fs::path& path) {
  try {
    return read_file(path, ExitCode::kOther, ReadRule{1 << 20});
  } catch (const Error&) {
    return "";
  }
}

std::optional<std::int64_t> number_in(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The number after a word at the beginning of a line.
std::int64_t field_in(const std::string& text, std::string_view name) {
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ') {
      return number_in(std::string_view(line).substr(name.size() + 1)).value_or(0);
    }
  }
  return 0;
}

struct Hierarchy {
  bool is_unified = false;
  fs::path top;  // where it is mounted
  fs::path own;  // this process's group
};

/// proc/self/mountinfo: `… root mount-point options [tags] - type source super-options`.
std::optional<Hierarchy> hierarchy_of(const std::string& mount, const std::vector<std::string>& memberships,
                                      const std::string& controller) {
  const std::size_t dash = mount.find(" - ");
  if (dash == mount.npos) return std::nullopt;
  std::istringstream before(mount), after(mount.substr(dash + 3));
  std::string skipped, mount_root, point, type, source, options;
  before >> skipped >> skipped >> skipped >> mount_root >> point;
  after >> type >> source >> options;
  const auto names = split(options, ',');
  const bool is_unified = type == "cgroup2";
  if (!is_unified && (type != "cgroup" || std::find(names.begin(), names.end(), controller) == names.end())) {
    return std::nullopt;
  }
  for (const std::string& line : memberships) {  // number:controllers:path
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const auto controllers = split(parts[1], ',');
    const bool is_it = is_unified ? parts[0] == "0" && parts[1].empty()
                                  : std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
    if (!is_it) continue;
    // In a container the mount may show the host's tree from some group on, and the path be the host's.
    fs::path path = line.substr(parts[0].size() + parts[1].size() + 2);
    if (mount_root != "/") {
      const fs::path below = path.lexically_relative(mount_root);
      path = below.empty() || *below.begin() == ".." ? fs::path("/") : "/" / below;
    }
    return Hierarchy{is_unified, point, (fs::path(point) / path.relative_path()).lexically_normal()};
  }
  return std::nullopt;
}

/// Calls `look` with each group's folder, from this process's own up to the top of what is mounted.
void for_each_group(const fs::path& root, const std::string& controller,
                    const std::function<void(bool is_unified, const fs::path& group)>& look) {
  const auto memberships = split(text_of(root / "proc/self/cgroup"), '\n');
  for (const std::string& mount : split(text_of(root / "proc/self/mountinfo"), '\n')) {
    const auto found = hierarchy_of(mount, memberships, controller);
    if (!found) continue;
    for (fs::path group = found->own;; group = group.parent_path()) {
      look(found->is_unified, group);
      if (group == found->top || group == group.parent_path()) break;
    }
  }
}

}  // namespace

std::optional<MemoryLimit> group_memory_limit(const fs::path& root) {
  std::optional<MemoryLimit> least;
  for_each_group(root, "memory", [&](bool is_unified, const fs::path& group) {
    const fs::path folder = root / group.relative_path();
    const std::string used_file = is_unified ? "memory.current" : "memory.usage_in_bytes";
    const std::string cache = is_unified ? "inactive_file" : "total_inactive_file";
    const auto used = number_in(text_of(folder / used_file));
    if (!used) return;
    const std::int64_t kept = std::max<std::int64_t>(*used - field_in(text_of(folder / "memory.stat"), cache), 0);
    // From `high` on the kernel slows a group down until it stands still.
    const std::vector<std::string> files = is_unified ? std::vector<std::string>{"memory.max", "memory.high"}
                                                      : std::vector<std::string>{"memory.limit_in_bytes"};
    for (const std::string& file : files) {
      const auto bytes = number_in(text_of(folder / file));
      if (!bytes || *bytes >= kUnlimited) continue;
      const MemoryLimit limit{*bytes, std::max<std::int64_t>(*bytes - kept, 0), (group / file).string()};
      if (!least || limit.available < least->available) least = limit;
    }
  });
  return least;
}

std::optional<double> group_cpu_limit(const fs::path& root) {
  std::optional<double> least;
  for_each_group(root, "cpu", [&](bool is_unified, const fs::path& group) {
    const fs::path folder = root / group.relative_path();
    std::string quota, period;
    if (is_unified) {
      std::istringstream(text_of(folder / "cpu.max")) >> quota >> period;
    } else {
      quota = text_of(folder / "cpu.cfs_quota_us");
      period = text_of(folder / "cpu.cfs_period_us");
    }
    const auto granted = number_in(quota), of = number_in(period);
    if (!granted || !of || *granted <= 0 || *of <= 0) return;
    const double cpus = static_cast<double>(*granted) / static_cast<double>(*of);
    least = std::min(least.value_or(cpus), cpus);
  });
  return least;
}

}  // namespace ingot
