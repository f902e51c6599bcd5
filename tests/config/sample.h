#pragma once
// A small config with every kind of field, shaped like the real one.

#include <string>
#include <vector>

#include "config/enum_codec.h"
#include "config/reader.h"
#include "config/units.h"

namespace ingot::sample {

struct NormEntry : Entry {
  static constexpr const char* kFamily = "norms";
};
struct MixerEntry : Entry {
  static constexpr const char* kFamily = "mixers";
};
struct PositionEntry : Entry {
  static constexpr const char* kFamily = "positions";
};
struct OptimizerEntry : Entry {
  static constexpr const char* kFamily = "optimizers";
};

struct Norm {
  double eps = 1e-6;
};
void describe(Fields& f, Norm& c);

struct Rope {
  double theta = 10000;
};
void describe(Fields& f, Rope& c);

struct Nothing {};
void describe(Fields& f, Nothing& c);

struct Attention {
  std::int64_t num_heads = 4;
  std::int64_t num_kv_heads = 4;
  std::optional<std::int64_t> window;
  Variant<PositionEntry> position{"none"};
};
void describe(Fields& f, Attention& c);

struct Mamba {
  std::int64_t state_dim = 128;
};
void describe(Fields& f, Mamba& c);

struct Adam {
  double lr = 1e-3;
  std::vector<double> betas = {0.9, 0.95};
  double weight_decay = 0;
};
void describe(Fields& f, Adam& c);

struct Sgd {
  double lr = 0.1;
  double momentum = 0;
};
void describe(Fields& f, Sgd& c);

enum class Role { kGain, kBias, kInner };
inline std::vector<std::pair<std::string, Role>> enum_names(Role) {
  return {{"gain", Role::kGain}, {"bias", Role::kBias}, {"inner", Role::kInner}};
}

struct Match {
  OneOrMany<Role> role;
  std::optional<DepthRange> depth;
  OneOrMany<std::string> name;
};
void describe(Fields& f, Match& c);

struct Group {
  std::string name;
  Match match;
  std::optional<Variant<OptimizerEntry>> optimizer;
};
void describe(Fields& f, Group& c);

struct Operator {
  std::optional<Variant<MixerEntry>> mixer;
  std::optional<Width> ffn_width;
};
void describe(Fields& f, Operator& c);

struct Model {
  std::int64_t d_model = 0;
  std::string layers;
  NamedMap<Operator> operators;
  Variant<NormEntry> norm{"rms_norm"};
  bool tie_embeddings = false;
};
void describe(Fields& f, Model& c);

/// `file`, `line`, or `{separator: ...}`.
struct Documents {
  std::string name = "file";
  std::string separator;
};
void describe(Fields& f, Documents& c);

struct Validation {
  std::optional<double> fraction;
  std::vector<std::string> paths;
};
void describe(Fields& f, Validation& c);

struct Data {
  std::vector<std::string> paths;
  Documents documents;
  Validation validation;
  OrAuto<std::string> cache;
};
void describe(Fields& f, Data& c);

enum class Precision { kAuto, kFp32, kBf16 };

struct Train {
  Duration duration;
  BatchSize global_batch;
  OrAuto<std::int64_t> micro_batch;
  Precision precision = Precision::kAuto;
  Cadence every = Cadence::of_steps(100);
  Seconds timeout{600};
  Count tokens{1'000'000};
  ByteSize buffer{64 << 20};
};
void describe(Fields& f, Train& c);

struct Optim {
  Variant<OptimizerEntry> optimizer;
  std::vector<Group> groups;
};
void describe(Fields& f, Optim& c);

struct Config {
  std::string name = "run";
  std::string dir;
  Model model;
  Data data;
  Optim optim;
  Train train;
};
void describe(Fields& f, Config& c);

/// Norms, mixers, positions and optimizers.
const VariantLookup& lookup();

/// A config without mistakes.
extern const char* const kGood;

}  // namespace ingot::sample

namespace ingot {

template <>
struct Codec<sample::Documents> {
  static std::string expected();
  static bool parse(const Scalar& scalar, sample::Documents& v);
  static Scalar format(const sample::Documents& v);
  static const char* json_type();
  static std::optional<double> number(const sample::Documents& v);
};

template <>
struct Codec<sample::Role> : EnumCodec<sample::Role> {};

}  // namespace ingot
