#include "config/units.h"

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/limits.h"
#include "config/number_text.h"

namespace ingot {
namespace {

constexpr double kLargest = 9.0e18;  // below 2^63
constexpr int kWidestRatio = 1000;   // to d_model

template <class U>
struct UnitName {
  U unit;
  const char* singular;
  const char* plural;
};

constexpr std::array<UnitName<Duration::Unit>, 4> kDurationUnits = {
    {{Duration::Unit::kSteps, "step", "steps"},
     {Duration::Unit::kTokensPerParameter, "token/parameter", "tokens/parameter"},
     {Duration::Unit::kTokens, "token", "tokens"},
     {Duration::Unit::kEpochs, "epoch", "epochs"}}};

constexpr std::array<UnitName<BatchSize::Unit>, 2> kBatchUnits = {
    {{BatchSize::Unit::kSequences, "sequence", "sequences"}, {BatchSize::Unit::kTokens, "token", "tokens"}}};

/// What stands before `unit`, or nullopt if the text does not end in it as a word.
std::optional<std::string_view> before_unit(std::string_view text, std::string_view unit) {
  text = trim(text);
  if (!text.ends_with(unit)) return std::nullopt;
  return trim(text.substr(0, text.size() - unit.size()));
}

template <class Table>
auto find_unit(std::string_view text, const Table& table, std::string_view& number) -> decltype(&table[0]) {
  for (const auto& unit : table) {
    for (const char* name : {unit.plural, unit.singular}) {
      const auto before = before_unit(text, name);
      if (!before) continue;
      number = *before;
      return &unit;
    }
  }
  return nullptr;
}

bool is_whole(double value) { return value == std::floor(value) && value < kLargest; }

std::int64_t rounded_up(double steps) {
  // A product such as 2.3 % of 1000 may lie a rounding error above the whole number it stands for.
  const double rounded = std::ceil(steps - 1e-9 * std::max(1.0, steps));
  if (!(rounded < kLargest)) throw ConfigError("the duration has too many steps");
  return static_cast<std::int64_t>(rounded);
}

double needed(const std::optional<double>& value, const Duration& duration, const char* what) {
  if (value && *value > 0) return *value;
  throw ConfigError("'" + Codec<Duration>::format(duration).text + "' needs " + what + ", which is not known here");
}

}  // namespace

std::int64_t Duration::steps(const DurationContext& context) const {
  constexpr const char* kPerStep = "the tokens of a step";
  switch (unit) {
    case Unit::kSteps:
      return rounded_up(amount);
    case Unit::kTokens:
      return rounded_up(amount / needed(context.tokens_per_step, *this, kPerStep));
    case Unit::kEpochs:
      return rounded_up(amount * needed(context.tokens_per_epoch, *this, "the tokens of an epoch") /
                        needed(context.tokens_per_step, *this, kPerStep));
    case Unit::kPercent:
      return rounded_up(amount * needed(context.total_steps, *this, "the length of the run") / 100);
    case Unit::kTokensPerParameter:
      return rounded_up(amount * needed(context.parameters, *this, "the number of parameters") /
                        needed(context.tokens_per_step, *this, kPerStep));
  }
  return 0;
}

std::string Codec<Duration>::expected() {
  return "a duration such as '2000 steps', '1.5B tokens', '3 epochs', '2%' or '20 tokens/parameter'";
}
bool Codec<Duration>::parse(const Scalar& scalar, Duration& v) {
  if (const auto number = before_unit(scalar.text, "%")) {
    const auto amount = parse_decimal(*number);
    if (amount) v = {*amount, Duration::Unit::kPercent};
    return amount.has_value();
  }
  std::string_view number;
  const auto* unit = find_unit(scalar.text, kDurationUnits, number);
  if (unit == nullptr) return false;
  const auto amount = parse_quantity(number);
  const bool must_be_whole = unit->unit == Duration::Unit::kSteps || unit->unit == Duration::Unit::kTokens;
  if (!amount || (must_be_whole && !is_whole(*amount))) return false;
  v = {*amount, unit->unit};
  return true;
}
Scalar Codec<Duration>::format(const Duration& v) {
  if (v.unit == Duration::Unit::kPercent) return {plain_number(v.amount) + "%"};
  for (const auto& unit : kDurationUnits) {
    if (unit.unit == v.unit) return {format_quantity(v.amount) + " " + (v.amount == 1 ? unit.singular : unit.plural)};
  }
  return {};
}
const char* Codec<Duration>::json_type() { return "string"; }
std::optional<double> Codec<Duration>::number(const Duration& v) { return v.amount; }

namespace {

struct TimeUnit {
  const char* name;
  double seconds;
};
constexpr std::array<TimeUnit, 4> kTimeUnits = {{{"min", 60}, {"s", 1}, {"h", 3600}, {"d", 86400}}};

}  // namespace

std::string Codec<Seconds>::expected() { return "a time such as '30 s', '10 min' or '2 h'"; }
bool Codec<Seconds>::parse(const Scalar& scalar, Seconds& v) {
  if (const auto number = before_unit(scalar.text, "ms")) {
    // Through the text, so that 100 ms is the double nearest to 0.1.
    const bool has_exponent = number->find_first_of("eE") != std::string_view::npos;
    const auto value = has_exponent ? std::nullopt : parse_decimal(std::string(*number) + "e-3");
    if (value) v.value = *value;
    return value.has_value();
  }
  for (const TimeUnit& unit : kTimeUnits) {
    const auto number = before_unit(scalar.text, unit.name);
    if (!number) continue;
    const auto value = parse_decimal(*number);
    if (value) v.value = *value * unit.seconds;
    return value.has_value();
  }
  return false;
}
Scalar Codec<Seconds>::format(const Seconds& v) {
  if (v.value != 0) {
    for (const TimeUnit& unit : {kTimeUnits[3], kTimeUnits[2], kTimeUnits[0], kTimeUnits[1]}) {
      const double amount = v.value / unit.seconds;
      if (is_whole(amount) && amount * unit.seconds == v.value) return {plain_number(amount) + " " + unit.name};
    }
    const Scalar milliseconds{plain_number(std::round(v.value * 1000)) + " ms"};
    Seconds back;
    if (parse(milliseconds, back) && back == v) return milliseconds;
  }
  return {plain_number(v.value) + " s"};
}
const char* Codec<Seconds>::json_type() { return "string"; }
std::optional<double> Codec<Seconds>::number(const Seconds& v) { return v.value; }

std::string Codec<Cadence>::expected() { return Codec<Duration>::expected() + ", or a time such as '30 min'"; }
bool Codec<Cadence>::parse(const Scalar& scalar, Cadence& v) {
  Duration duration;
  Seconds time;
  if (Codec<Duration>::parse(scalar, duration)) return v.value = duration, true;
  if (Codec<Seconds>::parse(scalar, time)) return v.value = time, true;
  return false;
}
Scalar Codec<Cadence>::format(const Cadence& v) {
  return v.wall_time() != nullptr ? Codec<Seconds>::format(*v.wall_time()) : Codec<Duration>::format(*v.duration());
}
const char* Codec<Cadence>::json_type() { return "string"; }
std::optional<double> Codec<Cadence>::number(const Cadence& v) {
  return v.wall_time() != nullptr ? v.wall_time()->value : v.duration()->amount;
}

std::int64_t BatchSize::sequences(std::int64_t seq_len) const {
  if (unit == Unit::kSequences) return amount;
  if (seq_len > 0 && amount % seq_len == 0) return amount / seq_len;
  throw ConfigError(cat("a batch of ", format_grouped(amount), " tokens is not a whole number of sequences of ",
                        format_grouped(seq_len), " tokens"));
}

std::string Codec<BatchSize>::expected() { return "a batch such as '256 sequences' or '512Ki tokens'"; }
bool Codec<BatchSize>::parse(const Scalar& scalar, BatchSize& v) {
  std::string_view number;
  const auto* unit = find_unit(scalar.text, kBatchUnits, number);
  if (unit == nullptr) return false;
  const auto amount = parse_quantity(number);
  if (!amount || !is_whole(*amount) || *amount < 1) return false;
  v = {static_cast<std::int64_t>(*amount), unit->unit};
  return true;
}
Scalar Codec<BatchSize>::format(const BatchSize& v) {
  const auto& unit = kBatchUnits[v.unit == BatchSize::Unit::kSequences ? 0 : 1];
  return {format_quantity(static_cast<double>(v.amount)) + " " + (v.amount == 1 ? unit.singular : unit.plural)};
}
const char* Codec<BatchSize>::json_type() { return "string"; }
std::optional<double> Codec<BatchSize>::number(const BatchSize& v) { return static_cast<double>(v.amount); }

namespace {

struct ByteUnit {
  const char* name;
  double bytes;
};
// "B" is the tail of all and comes last.
constexpr std::array<ByteUnit, 10> kByteUnits = {{{"TiB", 0x1p40},
                                                  {"GiB", 0x1p30},
                                                  {"MiB", 0x1p20},
                                                  {"KiB", 0x1p10},
                                                  {"TB", 1e12},
                                                  {"GB", 1e9},
                                                  {"MB", 1e6},
                                                  {"kB", 1e3},
                                                  {"bytes", 1},
                                                  {"B", 1}}};

}  // namespace

std::string Codec<ByteSize>::expected() { return "a size such as '64 MiB', '2 GB' or '512 B'"; }
bool Codec<ByteSize>::parse(const Scalar& scalar, ByteSize& v) {
  for (const ByteUnit& unit : kByteUnits) {
    const auto number = before_unit(scalar.text, unit.name);
    if (!number) continue;
    const auto amount = parse_decimal(*number);
    if (!amount || !is_whole(*amount * unit.bytes)) return false;
    v.bytes = static_cast<std::int64_t>(*amount * unit.bytes);
    return true;
  }
  return false;
}
Scalar Codec<ByteSize>::format(const ByteSize& v) {
  std::string best = std::to_string(v.bytes) + " B";
  for (const ByteUnit& unit : kByteUnits) {
    const auto size = static_cast<std::int64_t>(unit.bytes);
    if (v.bytes == 0 || size == 1 || v.bytes % size != 0) continue;
    const std::string text = std::to_string(v.bytes / size) + " " + unit.name;
    if (text.size() < best.size()) best = text;
  }
  return {best};
}
const char* Codec<ByteSize>::json_type() { return "string"; }
std::optional<double> Codec<ByteSize>::number(const ByteSize& v) { return static_cast<double>(v.bytes); }

std::string Codec<Count>::expected() { return "a count such as '4096', '1M' or '64Ki'"; }
bool Codec<Count>::parse(const Scalar& scalar, Count& v) {
  const auto value = scalar.quoted ? std::nullopt : parse_quantity(scalar.text);
  if (!value || !is_whole(*value)) return false;
  // Plain digits may hold more than the 53 bits of a double.
  if (!Codec<std::int64_t>::parse(scalar, v.value)) v.value = static_cast<std::int64_t>(*value);
  return true;
}
Scalar Codec<Count>::format(const Count& v) {
  const Scalar scalar{format_quantity(static_cast<double>(v.value))};
  Count back;
  return parse(scalar, back) && back.value == v.value ? scalar : Scalar{std::to_string(v.value)};
}
const char* Codec<Count>::json_type() { return ""; }
std::optional<double> Codec<Count>::number(const Count& v) { return static_cast<double>(v.value); }

std::int64_t Width::resolve(std::int64_t d_model, std::int64_t multiple_of) const {
  if (!is_ratio) return static_cast<std::int64_t>(numerator);
  const double multiples = numerator * static_cast<double>(d_model) / (denominator * static_cast<double>(multiple_of));
  return rounded_up(multiples) * multiple_of;
}

std::string Codec<Width>::expected() {
  return cat("a width such as '2048', or '3x' or '8/3x' of d_model, at most ", format_grouped(limits::kWidth), " or ",
             kWidestRatio, "x");
}
bool Codec<Width>::parse(const Scalar& scalar, Width& v) {
  std::string_view text = trim(scalar.text);
  if (!text.ends_with('x')) {
    const auto width = parse_decimal(text);
    if (!width || !is_whole(*width) || *width < 1 || *width > limits::kWidth) return false;
    return v = {*width, 1, false}, true;
  }
  text.remove_suffix(1);
  const std::size_t slash = text.find('/');
  const auto numerator = parse_decimal(trim(text.substr(0, slash)));
  const auto denominator =
      slash == std::string_view::npos ? std::optional<double>(1) : parse_decimal(trim(text.substr(slash + 1)));
  if (!numerator || !denominator || !(*numerator > 0) || !(*denominator > 0)) return false;
  if (!(*numerator / *denominator <= kWidestRatio)) return false;
  v = {*numerator, *denominator, true};
  return true;
}
Scalar Codec<Width>::format(const Width& v) {
  if (!v.is_ratio) return {plain_number(v.numerator)};
  if (v.denominator == 1) return {cat(plain_number(v.numerator), "x")};
  return {cat(plain_number(v.numerator), "/", plain_number(v.denominator), "x")};
}
const char* Codec<Width>::json_type() { return ""; }
std::optional<double> Codec<Width>::number(const Width& v) { return v.numerator / v.denominator; }

}  // namespace ingot
