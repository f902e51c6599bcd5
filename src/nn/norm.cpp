#include "nn/norm.h"

namespace ingot {

const std::vector<std::pair<std::string, Site>>& site_names() {
  static const std::vector<std::pair<std::string, Site>> kNames = {
      {"input", Site::kInput}, {"output", Site::kOutput}, {"stream", Site::kStream},
      {"q", Site::kQ},         {"k", Site::kK},           {"v", Site::kV},
      {"head", Site::kHead},   {"hidden", Site::kHidden}, {"embedding", Site::kEmbedding},
      {"final", Site::kFinal}};
  return kNames;
}

std::string site_name(Site site) {
  for (const auto& [name, value] : site_names()) {
    if (value == site) return name;
  }
  return "";
}

}  // namespace ingot
