#pragma once
// What inits share: values drawn by a formula, and inits on top of another one.

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "config/fields.h"
#include "config/units.h"
#include "params/init.h"

namespace ingot::inits {

enum class Distribution { kNormal, kUniform };
inline std::vector<std::pair<std::string, Distribution>> distribution_names() {
  return {{"normal", Distribution::kNormal}, {"uniform", Distribution::kUniform}};
}

/// The key of inits that are published with either.
inline void describe_distribution(Fields& f, Distribution& distribution) {
  f.choice("distribution", distribution, distribution_names(), "of the values; both have the same deviation");
}

/// What the values of a parameter are drawn from, around 0. A number stands for normal values of that deviation.
struct Draw {
  Draw(double std) : size(std) {}  // NOLINT: see above
  Draw(Distribution given, double std)
      : distribution(given), size(given == Distribution::kNormal ? std : std::sqrt(3.0) * std) {}
  static Draw uniform(double bound) {
    Draw out(bound);
    out.distribution = Distribution::kUniform;
    return out;
  }

  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const {
    const bool is_normal = distribution == Distribution::kNormal;
    (is_normal ? normal_init(size) : uniform_init(-size, size))(weight, info, random);
  }
  std::string text() const {
    if (size == 0) return "zeros";
    if (distribution == Distribution::kNormal) return cat("normal(0, ", format_double(size), ")");
    return cat("uniform(", format_double(-size), ", ", format_double(size), ")");
  }

  Distribution distribution = Distribution::kNormal;
  double size;  // standard deviation of normal values, bound of uniform ones
};

/// `Init::scales_with_depth` and `scales_with_width`.
struct Follows {
  bool depth = false;
  bool width = false;
};

/// The init that an init's settings C describe by two functions beside them:
///   Draw draw(const C&, const ParamInfo&, const InitContext&)
///   Follows follows(const C&)
template <class C>
class DrawnBy final : public Init {
 public:
  DrawnBy(const C& config, const InitContext& context) : config_(config), context_(context) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    draw(config_, info, context_).fill(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override { return draw(config_, info, context_).text(); }
  bool scales_with_depth() const override { return follows(config_).depth; }
  bool scales_with_width() const override { return follows(config_).width; }

 private:
  C config_;
  InitContext context_;
};

template <class C>
InitEntry& add_drawn(Family<InitEntry>& family, std::string name, std::string summary, std::string paper,
                     SettingsSamples samples = {}) {
  return add_init<C, DrawnBy<C>>(family, std::move(name), std::move(summary), std::move(paper), std::move(samples));
}

/// An init on top of another one, which it is until it says otherwise.
class OnTop : public Init {
 public:
  explicit OnTop(std::shared_ptr<const Init> inner) : inner_(std::move(inner)) {}
  void fill(at::Tensor& weight, const ParamInfo& info, RandomStream& random) const override {
    inner_->fill(weight, info, random);
  }
  std::string text(const ParamInfo& info) const override { return inner_->text(info); }
  std::string random_key(const ParamInfo& info) const override { return inner_->random_key(info); }
  bool scales_with_depth() const override { return inner_->scales_with_depth(); }
  bool scales_with_width() const override { return inner_->scales_with_width(); }

 protected:
  const Init& inner() const { return *inner_; }

 private:
  std::shared_ptr<const Init> inner_;
};

/// An entry whose init I, derived from OnTop, is made from (const C&, inner init, const InitContext&), where C has the
/// key `inner`. Settings that were never read from a config hold the inner init's name alone.
template <class C, class I>
InitEntry& add_on_top(Family<InitEntry>& family, std::string name, std::string summary, std::string paper,
                      SettingsSamples samples = {}) {
  auto& entry = add_init<C, void>(family, std::move(name), std::move(summary), std::move(paper), std::move(samples));
  entry.make = [&family](const ConfigObject& settings, const InitContext& context) -> std::unique_ptr<Init> {
    const auto& config = settings_as<C>(settings);
    const auto& variant = config.inner;
    const auto& inner = variant.bound() ? variant.entry() : family.at(variant.name());
    return std::make_unique<I>(config, inner.make(variant.bound() ? variant.settings() : *inner.defaults, context),
                               context);
  };
  return entry;
}

inline bool is_token_table(const ParamInfo& info) {
  return info.roles.any({Role::kEmbedding, Role::kHead, Role::kMeta});
}

/// Width of the stream that a matrix touches; its input width if it touches the stream on neither side.
inline double stream_width(const ParamInfo& info) {
  const auto axis = static_cast<std::size_t>(info.hidden_axis);
  return static_cast<double>(info.hidden_axis >= 0 ? info.shape[axis] : info.fan_in);
}

/// D^-1/2, D the width of the stream: rows of embedding and head then have a length of about 1.
inline double table_std(const ParamInfo& info) { return 1 / std::sqrt(stream_width(info)); }

/// Xavier's standard deviation: sqrt(2 / (fan_in + fan_out)).
inline double xavier_std(const ParamInfo& info) {
  return std::sqrt(2.0 / static_cast<double>(info.fan_in + info.fan_out));
}

inline bool is_ffn_part(const std::string& part) { return part == "gate" || part == "up" || part == "down"; }

/// Whether what passes the matrix ends in the branch's output, as values do, and not in weights of mixing, as queries
/// and keys do: v, o and the ffn; in recurrent mixers x (their values) and out.
inline bool carries_values(const std::string& part) {
  constexpr std::array kParts = {"v", "o", "x", "out"};
  return is_ffn_part(part) || std::find(kParts.begin(), kParts.end(), part) != kParts.end();
}

}  // namespace ingot::inits
