#include "config/units.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/random.h"
#include "config/number_text.h"

namespace ingot {
namespace {

/// The text of the value that `text` reads as, or "refused".
template <class T>
std::string read(const std::string& text, bool quoted = false) {
  T value{};
  if (!Codec<T>::parse({text, quoted}, value)) return "refused";
  const Scalar out = Codec<T>::format(value);
  T back{};
  EXPECT_TRUE(Codec<T>::parse(out, back)) << out.text;
  EXPECT_EQ(Codec<T>::format(back).text, out.text);
  return out.text;
}

std::string steps(const std::string& text, const DurationContext& context) {
  Duration duration;
  EXPECT_TRUE(Codec<Duration>::parse({text}, duration)) << text;
  try {
    return std::to_string(duration.steps(context));
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(Numbers, QuantitiesAreExact) {
  EXPECT_EQ(parse_quantity("1.5B"), 1.5e9);
  EXPECT_EQ(parse_quantity("1.3B"), 1.3e9);
  EXPECT_EQ(parse_quantity("0.1T"), 1e11);
  EXPECT_EQ(parse_quantity("512Ki"), 524288);
  EXPECT_EQ(parse_quantity("1.5Mi"), 1572864);
  EXPECT_EQ(parse_quantity("1e6"), 1e6);
  for (const char* bad : {"", "k", "1K", "1G", "1 k", "-1", "+1", "1e3k", "0x10", "1_000", "010", ".5", "inf", "1k1"}) {
    EXPECT_EQ(parse_quantity(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_quantity(1500000000), "1.5B");
  EXPECT_EQ(format_quantity(2000), "2000");
  EXPECT_EQ(format_quantity(524288), "512Ki");
  EXPECT_EQ(format_quantity(1000000), "1M");
  EXPECT_EQ(format_quantity(123456789), "123456789");
  RandomStream random(1, "quantities");
  for (int i = 0; i < 20000; ++i) {
    const auto value = static_cast<double>(random.below(std::uint64_t{1} << random.below(53)));
    const double scaled = value * static_cast<double>(random.below(2) == 0 ? 1000 : 1024);
    EXPECT_EQ(parse_quantity(format_quantity(value)), value);
    EXPECT_EQ(parse_quantity(format_quantity(scaled)), scaled);
  }
}

TEST(Codecs, BasicTypesAreStrict) {
  EXPECT_EQ(read<bool>("true"), "true");
  for (const char* bad : {"yes", "on", "1", "True", ""}) EXPECT_EQ(read<bool>(bad), "refused") << bad;
  EXPECT_EQ(read<bool>("true", true), "refused");
  EXPECT_EQ(read<std::int64_t>("-12"), "-12");
  EXPECT_EQ(read<std::int64_t>("0"), "0");
  for (const char* bad : {"010", "1.0", "1e3", "0x10", "1_000", "+", "", " 1", "9223372036854775808", "--1"}) {
    EXPECT_EQ(read<std::int64_t>(bad), "refused") << bad;
  }
  EXPECT_EQ(read<double>("1"), "1.0");
  EXPECT_EQ(read<double>("3e-4"), "0.0003");
  EXPECT_EQ(read<double>("-.5"), "-0.5");
  EXPECT_EQ(read<double>(".inf"), ".inf");
  EXPECT_EQ(read<double>("-.inf"), "-.inf");
  for (const char* bad : {"nan", ".nan", "inf", "1.0.0", "01", "1,5", "1e999", "", "-", "fast"}) {
    EXPECT_EQ(read<double>(bad), "refused") << bad;
  }
  EXPECT_EQ(read<std::string>("2x(DF)"), "2x(DF)");
  EXPECT_EQ(read<std::string>("off"), "refused");
  EXPECT_EQ(read<std::string>("off", true), "off");
  EXPECT_EQ(read<std::string>("010"), "refused");
  EXPECT_EQ(read<std::string>("10"), "10");
}

TEST(Units, AreWrittenInTheShortestExactForm) {
  EXPECT_EQ(read<Duration>("2000 steps"), "2000 steps");
  EXPECT_EQ(read<Duration>("1 step"), "1 step");
  EXPECT_EQ(read<Duration>("1500000000tokens"), "1.5B tokens");
  EXPECT_EQ(read<Duration>("1.5 epochs"), "1.5 epochs");
  EXPECT_EQ(read<Duration>("2 %"), "2%");
  EXPECT_EQ(read<Duration>("20 tokens/parameter"), "20 tokens/parameter");
  for (const char* bad : {"2000", "1.5 steps", "steps", "-1 steps", "2k%", "3 epoches", "1.0001k tokens!", "10 min"}) {
    EXPECT_EQ(read<Duration>(bad), "refused") << bad;
  }
  EXPECT_EQ(read<Seconds>("600 s"), "10 min");
  EXPECT_EQ(read<Seconds>("90 s"), "90 s");
  EXPECT_EQ(read<Seconds>("1.5 h"), "90 min");
  EXPECT_EQ(read<Seconds>("100ms"), "100 ms");
  EXPECT_EQ(read<Seconds>("2 d"), "2 d");
  EXPECT_EQ(read<Seconds>("0 s"), "0 s");
  EXPECT_EQ(read<Seconds>("0.0001 s"), "0.0001 s");
  for (const char* bad : {"10", "10 minutes", "ten s", "-1 s", "1k s"}) EXPECT_EQ(read<Seconds>(bad), "refused") << bad;
  EXPECT_EQ(read<Cadence>("30 min"), "30 min");
  EXPECT_EQ(read<Cadence>("100 steps"), "100 steps");
  EXPECT_EQ(read<BatchSize>("256 sequences"), "256 sequences");
  EXPECT_EQ(read<BatchSize>("512Ki tokens"), "512Ki tokens");
  for (const char* bad : {"256", "0 sequences", "1.5 sequences", "256 steps"})
    EXPECT_EQ(read<BatchSize>(bad), "refused");
  EXPECT_EQ(read<ByteSize>("64 MiB"), "64 MiB");
  EXPECT_EQ(read<ByteSize>("0.5GiB"), "512 MiB");
  EXPECT_EQ(read<ByteSize>("2 GB"), "2 GB");
  EXPECT_EQ(read<ByteSize>("1000 B"), "1 kB");
  EXPECT_EQ(read<ByteSize>("0 B"), "0 B");
  for (const char* bad : {"64", "64 M", "64 mib", "0.3 B"}) EXPECT_EQ(read<ByteSize>(bad), "refused") << bad;
  EXPECT_EQ(read<Count>("1M"), "1M");
  EXPECT_EQ(read<Count>("9007199254740993"), "9007199254740993");
  EXPECT_EQ(read<Count>("1.5"), "refused");
  EXPECT_EQ(read<Width>("2048"), "2048");
  EXPECT_EQ(read<Width>("8/3x"), "8/3x");
  EXPECT_EQ(read<Width>("2.50x"), "2.5x");
  for (const char* bad : {"0", "0x", "x", "3/0x", "-2x", "8/3", "2.5", "3 y"})
    EXPECT_EQ(read<Width>(bad), "refused") << bad;
}

TEST(Duration, BecomesStepsRoundedUp) {
  const DurationContext context{
      .tokens_per_step = 1000, .tokens_per_epoch = 12345, .parameters = 50, .total_steps = 1000};
  EXPECT_EQ(steps("7 steps", {}), "7");
  EXPECT_EQ(steps("1001 tokens", context), "2");
  EXPECT_EQ(steps("1000 tokens", context), "1");
  EXPECT_EQ(steps("2 epochs", context), "25");
  EXPECT_EQ(steps("2.3%", context), "23");
  EXPECT_EQ(steps("0.01%", context), "1");
  EXPECT_EQ(steps("20.5 tokens/parameter", context), "2");
  EXPECT_EQ(steps("2%", {}), "'2%' needs the length of the run, which is not known here");
  EXPECT_EQ(steps("1B tokens", {}), "'1B tokens' needs the tokens of a step, which is not known here");
  EXPECT_EQ(steps("3 epochs", {.tokens_per_step = 5}),
            "'3 epochs' needs the tokens of an epoch, which is not known here");
}

TEST(BatchSize, CountsSequences) {
  EXPECT_EQ((BatchSize{8, BatchSize::Unit::kSequences}.sequences(100)), 8);
  EXPECT_EQ((BatchSize{524288, BatchSize::Unit::kTokens}.sequences(256)), 2048);
  EXPECT_THROW((BatchSize{1000, BatchSize::Unit::kTokens}.sequences(256)), ConfigError);
}

TEST(Width, ResolvesAgainstTheModel) {
  EXPECT_EQ(Width::of(1000).resolve(512, 64), 1000);
  EXPECT_EQ(Width::times(3).resolve(512), 1536);
  EXPECT_EQ(Width::times(8, 3).resolve(768), 2048);
  EXPECT_EQ(Width::times(8, 3).resolve(768, 256), 2048);
  EXPECT_EQ(Width::times(8, 3).resolve(1000), 2667);
  EXPECT_EQ(Width::times(8, 3).resolve(1000, 256), 2816);
}

TEST(DepthRange, CountsFromBothEndsAndByShare) {
  using Pair = std::pair<std::int64_t, std::int64_t>;
  const auto resolve = [](const std::string& text, std::int64_t count) {
    DepthRange range;
    EXPECT_TRUE(Codec<DepthRange>::parse({text}, range)) << text;
    return range.resolve(count);
  };
  EXPECT_EQ(resolve("3", 8), (Pair{3, 3}));
  EXPECT_EQ(resolve("-1", 8), (Pair{7, 7}));
  EXPECT_EQ(resolve("0..5", 8), (Pair{0, 5}));
  EXPECT_EQ(resolve("2..-2", 8), (Pair{2, 6}));
  EXPECT_EQ(resolve("-3..-2", 8), (Pair{5, 6}));
  EXPECT_EQ(resolve("4..99", 8), (Pair{4, 7}));
  const auto none = resolve("9..12", 8);
  EXPECT_GT(none.first, none.second);
  for (std::int64_t count = 1; count < 40; ++count) {
    std::int64_t next = 0;
    for (const char* quarter : {"0%..25%", "25%..50%", "50%..75%", "75%..100%"}) {
      const auto [first, last] = resolve(quarter, count);
      EXPECT_EQ(first, next) << quarter << " of " << count;
      next = last + 1;
    }
    EXPECT_EQ(next, count);
  }
  DepthRange range{{0, true}, {25, true}};
  EXPECT_TRUE(range.contains(1, 8));
  EXPECT_FALSE(range.contains(2, 8));
  EXPECT_EQ(read<DepthRange>(" 0 .. 5 "), "0..5");
  EXPECT_EQ(read<DepthRange>("0%..33.3%"), "0%..33.3%");
  EXPECT_EQ(read<DepthRange>("-0"), "0");
  for (const char* bad : {"25%", "5..0", "50%..25%", "25%..25%", "1.5", "a..b", "0..101%", "..", "-1..-2", "1...3"}) {
    EXPECT_EQ(read<DepthRange>(bad), "refused") << bad;
  }
}

TEST(OrAuto, IsAutoOrAValue) {
  EXPECT_EQ(read<OrAuto<std::int64_t>>("auto"), "auto");
  EXPECT_EQ(read<OrAuto<std::int64_t>>("4"), "4");
  EXPECT_EQ(read<OrAuto<std::int64_t>>("many"), "refused");
  EXPECT_EQ(Codec<OrAuto<Width>>::expected(),
            "auto or a width such as '2048', or '3x' or '8/3x' of d_model, at most 1,048,576 or 1000x");
  OrAuto<std::string> text("auto");
  EXPECT_TRUE(Codec<OrAuto<std::string>>::format(text).must_quote);
  EXPECT_EQ(OrAuto<std::int64_t>().value_or(3), 3);
}

}  // namespace
}  // namespace ingot
