#include "data/sentencepiece_model.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace ingot {
namespace {

// sentencepiece_model.proto: ModelProto{NormalizerSpec normalizer_spec = 3, denormalizer_spec = 5},
// NormalizerSpec{bytes precompiled_charsmap = 2}.
constexpr std::uint64_t kNormalizer = 3, kDenormalizer = 5, kCharsMap = 2;

/// The fields of a protocol buffer's message, one after the other.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  struct Field {
    std::uint64_t number = 0;
    std::optional<std::string_view> bytes;  // of fields of bytes, strings and messages
  };
  /// nullopt at the end, and where the bytes are no field; `is_good` tells the two apart.
  std::optional<Field> next() {
    if (rest_.empty() || !is_good_) return std::nullopt;
    const std::uint64_t tag = number();
    Field field{tag >> 3, std::nullopt};
    switch (tag & 7) {
      case 0:
        number();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(number());
        break;
      case 5:
        take(4);
        break;
      default:  // groups are in no such model
        is_good_ = false;
    }
    return is_good_ ? std::optional(field) : std::nullopt;
  }
  bool is_good() const { return is_good_; }

 private:
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    is_good_ = false;
    return 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) return is_good_ = false, std::string_view();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::string_view rest_;
  bool is_good_ = true;
};

/// A double-array trie as Darts-clone writes it: units of 32 bits. From unit p, whose offset is o, the byte c leads to
/// unit p ^ o ^ c if that bears the label c; if a key ends in p, its value is in unit p ^ o.
class Trie {
 public:
  explicit Trie(std::string_view bytes) : units_(bytes.size() / sizeof(std::uint32_t)) {
    std::memcpy(units_.data(), bytes.data(), units_.size() * sizeof(std::uint32_t));
  }

  /// Whether no search leaves the array and no value reaches `values`.
  bool is_closed(std::size_t values) const {
    if (units_.empty()) return false;
    std::vector<bool> seen(units_.size());
    std::vector<std::size_t> open = {0};
    seen[0] = true;
    while (!open.empty()) {
      const std::size_t at = open.back();
      open.pop_back();
      const std::size_t base = at ^ offset(units_[at]);
      if ((base | 0xFF) >= units_.size()) return false;
      if (has_leaf(units_[at]) && (units_[base] & 0x7FFFFFFF) >= values) return false;
      for (std::size_t c = 0; c < 256; ++c) {
        const std::size_t child = base ^ c;
        if (seen[child] || label(units_[child]) != c) continue;
        seen[child] = true;
        open.push_back(child);
      }
    }
    return true;
  }

 private:
  static std::uint32_t label(std::uint32_t unit) { return unit & (0x80000000u | 0xFF); }
  static bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
  static std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

  std::vector<std::uint32_t> units_;
};

/// u32 bytes of the trie, the trie, then texts that end with NUL, which the trie's values point at. Empty: no map.
bool is_good_map(std::string_view map) {
  if (map.empty()) return true;
  std::uint32_t size = 0;
  if (map.size() <= sizeof size) return false;
  std::memcpy(&size, map.data(), sizeof size);
  map.remove_prefix(sizeof size);
  if (size >= map.size() || size % sizeof(std::uint32_t) != 0) return false;
  return Trie(map.substr(0, size)).is_closed(map.size() - size);
}

}  // namespace

void check_sentencepiece_model(std::string_view bytes, const std::string& name) {
  const auto require = [&name](bool is_good, const char* what) {
    if (!is_good) throw DataError(cat(name, ": not a sentencepiece model, or a damaged one (", what, ")"));
  };
  Message model(bytes);
  while (const auto field = model.next()) {
    if (!field->bytes || (field->number != kNormalizer && field->number != kDenormalizer)) continue;
    Message normalizer(*field->bytes);
    while (const auto part = normalizer.next()) {
      if (part->bytes && part->number == kCharsMap) require(is_good_map(*part->bytes), "the map of its normaliser");
    }
    require(normalizer.is_good(), "the settings of its normaliser");
  }
  require(model.is_good(), "its fields");
}

}  // namespace ingot
