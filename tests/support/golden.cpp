#include "support/golden.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

namespace ingot::testing {

namespace {

at::ScalarType dtype_of(const std::string& name) {
  if (name == "F64") return at::kDouble;
  if (name == "F32") return at::kFloat;
  if (name == "BF16") return at::kBFloat16;
  if (name == "I64") return at::kLong;
  if (name == "I32") return at::kInt;
  if (name == "U8") return at::kByte;
  if (name == "BOOL") return at::kBool;
  throw std::runtime_error("golden dtype " + name);
}

}  // namespace

Golden::Golden(const std::string& name) {
  const std::string path = std::string(INGOT_SOURCE_DIR) + "/tests/golden/" + name + ".safetensors";
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::ostringstream content;
  content << file.rdbuf();
  const std::string bytes = content.str();
  std::uint64_t header_size = 0;
  if (bytes.size() < 8) throw std::runtime_error(path + " is truncated");
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > bytes.size() - 8) throw std::runtime_error(path + " is truncated");
  const auto header = nlohmann::json::parse(bytes.begin() + 8, bytes.begin() + 8 + static_cast<long>(header_size));
  const char* data = bytes.data() + 8 + header_size;
  const std::size_t data_size = bytes.size() - 8 - header_size;
  for (const auto& [key, entry] : header.items()) {
    if (key == "__metadata__") {
      metadata_ = entry.get<std::map<std::string, std::string>>();
      continue;
    }
    at::Tensor tensor =
        at::empty(entry.at("shape").get<std::vector<std::int64_t>>(), dtype_of(entry.at("dtype").get<std::string>()));
    const auto offsets = entry.at("data_offsets").get<std::vector<std::size_t>>();
    if (offsets.at(1) > data_size || offsets.at(1) - offsets.at(0) != tensor.nbytes()) {
      throw std::runtime_error(path + ": bad offsets of " + key);
    }
    std::memcpy(tensor.mutable_data_ptr(), data + offsets[0], tensor.nbytes());
    tensors_.emplace(key, tensor);
  }
}

const at::Tensor& Golden::at(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it != tensors_.end()) return it->second;
  std::string known;
  for (const auto& [key, tensor] : tensors_) known += " " + key;
  throw std::out_of_range("no golden tensor " + name + "; there are" + known);
}

std::map<std::string, at::Tensor> Golden::below(const std::string& prefix) const {
  std::map<std::string, at::Tensor> out;
  for (const auto& [key, tensor] : tensors_) {
    if (key.rfind(prefix, 0) == 0) out.emplace(key.substr(prefix.size()), tensor);
  }
  return out;
}

std::string Golden::metadata(const std::string& key) const {
  const auto it = metadata_.find(key);
  return it != metadata_.end() ? it->second : "";
}

}  // namespace ingot::testing
