#pragma once
// Value types of configs, written with their units. k, M, B, T are decimal, Ki, Mi, Gi, Ti binary.
// Every value is written in the shortest form that reads back exactly.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/fields.h"

namespace ingot {

/// What turns durations into steps; a duration says which of these it lacks.
struct DurationContext {
  std::optional<double> tokens_per_step = {};
  std::optional<double> tokens_per_epoch = {};
  std::optional<double> parameters = {};
  std::optional<std::int64_t> total_steps = {};
};

/// `2000 steps`, `1.5B tokens`, `3 epochs`, `2%` of the run, `20 tokens/parameter`.
struct Duration {
  enum class Unit { kSteps, kTokens, kEpochs, kPercent, kTokensPerParameter };
  double amount = 0;
  Unit unit = Unit::kSteps;

  static Duration of_steps(std::int64_t steps) { return {static_cast<double>(steps), Unit::kSteps}; }
  /// Rounded up. Throws ConfigError (without a place) if the context lacks what the unit needs.
  std::int64_t steps(const DurationContext& context) const;
  bool operator==(const Duration&) const = default;
};

/// Wall time: `30 s`, `10 min`, `2 h`, `1 d`, `500 ms`.
struct Seconds {
  double value = 0;
  bool operator==(const Seconds&) const = default;
};

/// How often something happens: a duration or wall time.
struct Cadence {
  std::variant<Duration, Seconds> value;

  static Cadence of_steps(std::int64_t steps) { return {Duration::of_steps(steps)}; }
  /// nullptr if it is not wall time.
  const Seconds* wall_time() const { return std::get_if<Seconds>(&value); }
  /// nullptr if it is wall time.
  const Duration* duration() const { return std::get_if<Duration>(&value); }
  bool operator==(const Cadence&) const = default;
};

/// `256 sequences` or `512Ki tokens`.
struct BatchSize {
  enum class Unit { kSequences, kTokens };
  std::int64_t amount = 0;
  Unit unit = Unit::kSequences;

  static BatchSize of_sequences(std::int64_t n) { return {n, Unit::kSequences}; }
  /// Throws ConfigError (without a place) if the tokens are not a whole number of sequences.
  std::int64_t sequences(std::int64_t seq_len) const;
  bool operator==(const BatchSize&) const = default;
};

/// `64 MiB`, `2 GB`, `512 B`.
struct ByteSize {
  std::int64_t bytes = 0;
  bool operator==(const ByteSize&) const = default;
};

/// A whole number with an optional suffix: `4096`, `1M`, `64Ki`.
struct Count {
  std::int64_t value = 0;
  operator std::int64_t() const { return value; }
};

/// A width as a number, `2048`, or relative to d_model, `3x`, `8/3x`, `2.5x`.
struct Width {
  double numerator = 0;
  double denominator = 1;
  bool is_ratio = false;

  static Width of(std::int64_t width) { return {static_cast<double>(width), 1, false}; }
  static Width times(double numerator, double denominator = 1) { return {numerator, denominator, true}; }
  /// A ratio is rounded up to a multiple of `multiple_of`; a number is taken as it is written.
  std::int64_t resolve(std::int64_t d_model, std::int64_t multiple_of = 1) const;
  bool operator==(const Width&) const = default;
};

/// Sub-layers by depth, both ends included: `3`, `0..5`, `-2..-1` (from the end), or a half-open
/// share `0%..25%`, so that `0%..25%` and `25%..100%` have no sub-layer in common.
struct DepthRange {
  struct End {
    double value = 0;
    bool is_percent = false;
    bool operator==(const End&) const = default;
  };
  End first, last;

  /// First and last index of those that exist among `count` sub-layers; first > last if there are
  /// none.
  std::pair<std::int64_t, std::int64_t> resolve(std::int64_t count) const;
  bool contains(std::int64_t index, std::int64_t count) const;
  bool operator==(const DepthRange&) const = default;
};

/// A value of type T, or `auto`: chosen by the program, which writes its choice into the resolved
/// config.
template <class T>
struct OrAuto {
  std::optional<T> chosen;

  OrAuto() = default;
  OrAuto(T value) : chosen(std::move(value)) {}
  bool is_auto() const { return !chosen.has_value(); }
  /// Precondition: not auto.
  const T& value() const { return chosen.value(); }
  T value_or(T other) const { return chosen.value_or(std::move(other)); }
};

INGOT_DECLARE_CODEC(Duration);
INGOT_DECLARE_CODEC(Seconds);
INGOT_DECLARE_CODEC(Cadence);
INGOT_DECLARE_CODEC(BatchSize);
INGOT_DECLARE_CODEC(ByteSize);
INGOT_DECLARE_CODEC(Count);
INGOT_DECLARE_CODEC(Width);
INGOT_DECLARE_CODEC(DepthRange);

template <class T>
struct Codec<OrAuto<T>> {
  static std::string expected() { return "auto or " + Codec<T>::expected(); }
  static bool parse(const Scalar& scalar, OrAuto<T>& v) {
    if (scalar.text == "auto" && !scalar.quoted) return v.chosen.reset(), true;
    T value{};
    if (!Codec<T>::parse(scalar, value)) return false;
    v.chosen = std::move(value);
    return true;
  }
  static Scalar format(const OrAuto<T>& v) {
    if (v.is_auto()) return {"auto", false};
    Scalar scalar = Codec<T>::format(*v.chosen);
    if (scalar.text == "auto") scalar.must_quote = true;
    return scalar;
  }
  static const char* json_type() { return std::string(Codec<T>::json_type()) == "string" ? "string" : ""; }
  static std::optional<double> number(const OrAuto<T>& v) {
    return v.is_auto() ? std::nullopt : Codec<T>::number(*v.chosen);
  }
  static std::vector<std::string> choices() {
    std::vector<std::string> names;
    if constexpr (requires { Codec<T>::choices(); }) names = Codec<T>::choices();
    if (!names.empty()) names.insert(names.begin(), "auto");
    return names;
  }
  static bool is_auto(const OrAuto<T>& v) { return v.is_auto(); }
};

}  // namespace ingot
