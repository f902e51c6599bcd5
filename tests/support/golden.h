#pragma once
// Golden values of tests/golden: small safetensors files written by tools/golden from published implementations.

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace ingot::testing {

class Golden {
 public:
  /// Reads tests/golden/<name>.safetensors. Throws std::runtime_error with the path if it cannot.
  explicit Golden(const std::string& name);

  /// Throws std::out_of_range with the name and those that exist.
  const at::Tensor& at(const std::string& name) const;
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  /// Tensors whose names start with `prefix`, under the rest of their names.
  std::map<std::string, at::Tensor> below(const std::string& prefix) const;
  /// The file's metadata entry, "" if absent; "settings" is JSON.
  std::string metadata(const std::string& key) const;

 private:
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace ingot::testing
