#pragma once
// The `optim:` section.

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/fields.h"
#include "config/units.h"
#include "optim/average.h"
#include "optim/clipper.h"
#include "optim/optimizer.h"
#include "optim/qk_clip.h"
#include "params/selector.h"

namespace ingot {

class Families;
class Problems;

/// What `weight_decay` λ takes from a weight w at learning rate η = η_max·s, with the factor s of the schedule.
///   decoupled     η·λ·w                        Loshchilov & Hutter 2019, arXiv:1711.05101, as in torch.optim.AdamW
///   coupled       λ·w is added to the gradient
///   independent   s·λ·w: another learning rate leaves it alone (their algorithm 2, as published)
///   cautious      η·λ·w in elements where direction d and weight agree, d·w >= 0. Chen et al. 2025, arXiv:2510.12402
///   corrected     η·s·λ·w in matrices between activations, whose scale norms take away: the ratio of gradient to
///                 weight no longer rises as η falls. Defazio 2025 ("AdamC"), arXiv:2506.02285, equation of section 4
enum class DecayRule { kDecoupled, kCoupled, kIndependent, kCautious, kCorrected };

template <>
struct Codec<DecayRule> {
  static std::string expected();
  static bool parse(const Scalar& scalar, DecayRule& rule);
  static Scalar format(const DecayRule& rule);
  static const char* json_type() { return "string"; }
  static std::optional<double> number(const DecayRule&) { return std::nullopt; }
  static std::vector<std::string> choices();
};

/// A hyper-parameter that a schedule moves: from + (setting - from) · factor.
struct MovingConfig {
  double from = 0;
  Variant<ScheduleEntry> schedule{""};  // required
};
void describe(Fields& f, MovingConfig& c);

/// Parameters that go their own way; of several groups the first match wins.
struct GroupConfig {
  std::string name;
  Selector match;
  std::optional<Variant<OptimizerEntry>> optimizer;  // absent: `optim.optimizer` and `optim.others` as changed below
  std::optional<double> lr;                          // in place of the optimizer's
  std::optional<double> lr_scale;                    // times the optimizer's
  std::optional<double> weight_decay;
  std::optional<DecayRule> decay;
  std::optional<Variant<ScheduleEntry>> schedule;
  std::optional<NamedMap<MovingConfig>> schedules;
  std::optional<std::vector<Variant<ModifierEntry>>> modifiers;
  Location where;  // of the group in its file, for messages
};
void describe(Fields& f, GroupConfig& c);

/// In what optimizers keep their states: that of the masters, or bf16 where they allow it.
enum class StateType { kFloat32, kBfloat16 };

struct OptimConfig {
  Variant<OptimizerEntry> optimizer;              // required
  std::optional<Variant<OptimizerEntry>> others;  // of what `optimizer` does not take; see choose_others
  std::optional<DecayRule> decay;                 // absent: the optimizer's own
  StateType state_type = StateType::kFloat32;
  Variant<ScheduleEntry> schedule{"constant"};
  NamedMap<MovingConfig> schedules;
  std::vector<Variant<ModifierEntry>> modifiers;
  Variant<ClipperEntry> clip{"none"};
  Variant<AverageEntry> average{"none"};
  std::optional<QkClipConfig> qk_clip;
  std::vector<GroupConfig> groups;
};
void describe(Fields& f, OptimConfig& c);
/// Sets `others` to adamw where the optimizer does not take everything and the config names none.
void choose_others(const Families& families, OptimConfig& config);
/// Problems between settings of one optimizer, and between optimizers.
void validate(const OptimConfig& config, Problems& problems);

}  // namespace ingot
