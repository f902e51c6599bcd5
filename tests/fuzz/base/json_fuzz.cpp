// JsonValue: parsing and every getter on every value.

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "fuzz/fuzz.h"

namespace ingot {
namespace {

constexpr auto kCode = ExitCode::kData;

void ask(const JsonValue& value) {
  fuzz::accepts(kCode, [&] { value.flag(); });
  fuzz::accepts(kCode, [&] { value.whole(-3, 1000); });
  fuzz::accepts(kCode, [&] { value.number(); });
  fuzz::accepts(kCode, [&] { value.text(); });
  fuzz::accepts(kCode, [&] { value.at("a"); });
  fuzz::accepts(kCode, [&] {
    for (const JsonValue& item : value.items()) ask(item);
  });
  fuzz::accepts(kCode, [&] {
    for (const auto& member : value.members()) ask(member.second);
  });
}

}  // namespace

std::vector<std::string> fuzz::seeds() {
  return {R"({"a": [1, -2.5e3, "x\u00e9\n", true, null], "b": {"a": {}, "c": []}})", "[]",
          "[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]", "\xef\xbb\xbf{\"a\": 18446744073709551615}\n"};
}

std::vector<std::string> fuzz::words() {
  return {"[", "{\"a\":", "]", "}", ",", ":", "\"", "\\ud800", "\xff", "1e400"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  fuzz::accepts(kCode, [&] {
    const auto root = JsonValue::parse(fuzz::text_of(data, size), {"input", kCode});
    ask(root);
    // Copies, comparisons and texts call themselves for each level.
    const nlohmann::json copy = root.raw();
    fuzz::require(copy == root.raw() && !copy.dump().empty(), "a copy is equal");
  });
  return 0;
}
