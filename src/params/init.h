#pragma once
// Inits: start values of parameters whose module does not fix them.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "params/param_info.h"
#include "registry/add_entry.h"

namespace ingot {

/// What an init may know beside the parameter.
struct InitContext {
  int num_sublayers = 0;  // S: residual branches
  /// S, but 1 at least.
  double branches() const { return std::max(1, num_sublayers); }
  /// N: blocks of two residual branches each.
  double blocks() const { return branches() / 2; }
};

class Init {
 public:
  virtual ~Init() = default;
  /// Fills a contiguous CPU tensor in master dtype.
  virtual void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const = 0;
  /// As `plan --params` shows it: "normal(0, 0.0115)".
  virtual std::string text(const ParamInfo& info) const = 0;
  /// Name of the random stream that `fill` is given: parameters of one key are filled from the same numbers.
  virtual std::string random_key(const ParamInfo& info) const { return info.name; }
  /// Whether matrices that write the stream start the smaller the more sub-layers there are.
  virtual bool scales_with_depth() const { return false; }
  /// Whether matrices start the smaller the wider the model is. A scaling then leaves their start values as they are.
  virtual bool scales_with_width() const { return false; }
};

struct InitEntry : Entry {
  static constexpr const char* kFamily = "inits";
  std::function<std::unique_ptr<Init>(const ConfigObject& settings, const InitContext& context)> make;
  SettingsSamples samples;
  /// As published it comes with model.embedding_factor: sqrt_d_model, which it brings as `weights.init`.
  bool scales_embedding = false;
};

/// An entry whose init I is made from (const C&, const InitContext&), from one of them, or from nothing.
template <class C, class I>
InitEntry& add_init(Family<InitEntry>& family, std::string name, std::string summary, std::string paper,
                    SettingsSamples samples = {}) {
  auto& entry = add_entry<C, I>(family, std::move(name), std::move(summary), std::move(paper));
  entry.samples = std::move(samples);
  return entry;
}

/// Filled by a generated table.
void register_all_inits(Family<InitEntry>& family);

}  // namespace ingot
