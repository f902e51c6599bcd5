#include "train/places.h"

#include <vector>

#include "base/text.h"

namespace ingot {

Location place_of(const RunConfig& config, const std::string& path) {
  const auto found = config.places.find(path);
  return found == config.places.end() ? Location{} : found->second;
}

std::string placed(const RunConfig& config, const std::string& path, const std::string& message) {
  const auto place = place_of(config, path).text();
  return cat(place, place.empty() ? "" : ": ", path, ": ", message);
}

std::string with_places(const RunConfig& config, const std::string& lines) {
  std::vector<std::string> out;
  for (const auto& line : split(lines, '\n')) {
    const auto end = line.find(": ");
    const bool has_path = end != std::string::npos;
    out.push_back(has_path ? placed(config, line.substr(0, end), line.substr(end + 2)) : line);
  }
  return join(out, "\n");
}

}  // namespace ingot
