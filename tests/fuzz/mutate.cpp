#include "fuzz/mutate.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace ingot::fuzz {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 16;
constexpr std::size_t kMostNested = 200'000;  // repeats of a few bytes: deep enough to overrun a stack
constexpr std::uint64_t kNestsOnceIn = 300;

constexpr std::array<std::int64_t, 14> kNumbers = {
    0,         1,         -1,         2,         127,       255,           256,
    INT32_MAX, INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX / 2, std::int64_t{1} << 33};
constexpr std::array<std::string_view, 12> kTexts = {
    "-1", "0",  "1e999", "9223372036854775807", "9223372036854775808", "18446744073709551616", "null", "true", "\"\"",
    "[]", "{}", "\0"};

class Mutation {
 public:
  Mutation(std::string& bytes, const std::vector<std::string>& others, const std::vector<std::string>& words,
           RandomStream& random)
      : bytes_(bytes), others_(others), words_(words), random_(random) {}

  void apply() {
    switch (random_.below(10)) {
      case 0:
        return flip();
      case 1:
        return set_byte();
      case 2:
        return put_number();
      case 3:
        return put_text(std::string(kTexts[random_.below(kTexts.size())]));
      case 4:
        return put_text(words_.empty() ? " " : words_[random_.below(words_.size())]);
      case 5:
        return erase();
      case 6:
        return double_part();
      case 7:
        return splice();
      case 8:
        return change_digit();
      default:
        return cut();
    }
  }

  /// A few bytes, very often.
  void nest() {
    const std::string piece = words_.empty() || random_.below(2) == 0 ? bytes_.substr(at(), 1 + random_.below(4))
                                                                      : words_[random_.below(words_.size())];
    std::string run;
    for (std::uint64_t i = random_.below(kMostNested / std::max<std::size_t>(piece.size(), 1)); i > 0; --i)
      run += piece;
    bytes_.insert(at(), run);
  }

 private:
  std::size_t at() { return random_.below(bytes_.size() + 1); }
  /// A byte that is there.
  char& some() { return bytes_[random_.below(bytes_.size())]; }

  void flip() {
    if (!bytes_.empty()) some() ^= static_cast<char>(1 << random_.below(8));
  }
  void set_byte() {
    if (!bytes_.empty()) some() = static_cast<char>(random_.below(256));
  }
  void put_number() {
    auto number = kNumbers[random_.below(kNumbers.size())];
    if (random_.below(3) == 0)
      number = static_cast<std::int64_t>(bytes_.size()) + static_cast<std::int64_t>(random_.below(5)) - 2;
    const std::size_t size = std::size_t{1} << random_.below(4);
    if (bytes_.size() < size) return;
    std::memcpy(bytes_.data() + random_.below(bytes_.size() - size + 1), &number, size);
  }
  void put_text(const std::string& text) {
    const std::size_t begin = at();
    bytes_.replace(begin, random_.below(2) == 0 ? 0 : random_.below(8), text);
  }
  void erase() { bytes_.erase(at(), 1 + random_.below(random_.below(4) == 0 ? bytes_.size() + 1 : 8)); }
  void double_part() {
    const std::size_t begin = at();
    bytes_.insert(at(), bytes_.substr(begin, 1 + random_.below(64)));
  }
  void splice() {
    if (others_.empty()) return;
    const std::string& other = others_[random_.below(others_.size())];
    const std::size_t begin = random_.below(other.size() + 1);
    bytes_.replace(at(), random_.below(bytes_.size() + 1), other.substr(begin, random_.below(other.size() + 1)));
  }
  /// Numbers in text stay numbers.
  void change_digit() {
    const std::size_t digit = bytes_.find_first_of("0123456789", at());
    if (digit != bytes_.npos) bytes_[digit] = static_cast<char>('0' + random_.below(10));
  }
  void cut() { bytes_.resize(at()); }

  std::string& bytes_;
  const std::vector<std::string>& others_;
  const std::vector<std::string>& words_;
  RandomStream& random_;
};

}  // namespace

std::string mutate(std::string input, const std::vector<std::string>& others, const std::vector<std::string>& words,
                   RandomStream& random) {
  Mutation mutation(input, others, words, random);
  for (std::uint64_t i = 1 + random.below(random.below(2) == 0 ? 2 : 8); i > 0; --i) mutation.apply();
  if (input.size() > kMostBytes) input.resize(kMostBytes);
  if (random.below(kNestsOnceIn) == 0) mutation.nest();
  return input;
}

}  // namespace ingot::fuzz
