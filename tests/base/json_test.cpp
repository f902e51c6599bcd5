#include "base/json.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "support/temp_dir.h"

namespace ingot {
namespace {

using testing::has;
using testing::message_of;
using testing::TempDir;
using testing::write_raw;

const JsonSource kSource{"run/state.json", ExitCode::kCheckpoint};

std::string parse_problem(const std::string& text, const JsonLimits& limits = {}) {
  try {
    JsonValue::parse(text, kSource, limits);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kCheckpoint);
    return error.what();
  }
  return "";
}

std::string problem_of(const std::function<void()>& ask) {
  const std::string text = message_of<Error>(ask);
  EXPECT_EQ(text.find("json.exception"), std::string::npos) << text;
  return text;
}

TEST(JsonText, IsRefusedWithItsPlace) {
  EXPECT_EQ(parse_problem("{\n \"a\": 1,\n \"b\": x}\n"), "run/state.json:3:7: not valid JSON");
  EXPECT_EQ(parse_problem("{\"a\": "), "run/state.json:1:7: the JSON ends too early");
  EXPECT_EQ(parse_problem(""), "run/state.json:1:1: an empty text, expected JSON");
  EXPECT_EQ(parse_problem("{\"a\": 1} x"), "run/state.json:1:10: not valid JSON");
  EXPECT_TRUE(has(parse_problem("{\"a\": 1e999}"), "run/state.json: ", "number"));
  EXPECT_TRUE(has(parse_problem("[\"\xff\"]"), "run/state.json:1:3: not valid JSON"));
  EXPECT_EQ(parse_problem(R"({"a": {"b": 1, "b": 2}})"), "run/state.json: the JSON has the key 'b' twice");
}

TEST(JsonText, HasLimitsOfDepthAndSize) {
  // Deep enough to overrun any stack where it is copied or written.
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 1'000'000; ++i) deep += open;
    EXPECT_EQ(parse_problem(deep), "run/state.json: the JSON is nested deeper than 64 levels");
  }
  EXPECT_EQ(parse_problem(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_TRUE(has(parse_problem("[1, 2, 3]", {5}), "has 9 bytes, expected at most 5"));
}

TEST(JsonValues, AreCheckedWhereTheyAreAskedFor) {
  const auto root =
      JsonValue::parse(R"({"a": {"b": [1, -2, "x", null]}, "big": 18446744073709551615, "f": 1.5})", kSource);
  const auto list = root.at("a").at("b").items();
  EXPECT_EQ(list[0].whole(), 1);
  EXPECT_EQ(list[1].whole(-2, 5), -2);
  EXPECT_EQ(list[2].text(), "x");
  EXPECT_TRUE(list[3].is_null());
  EXPECT_DOUBLE_EQ(root.at("f").number(), 1.5);
  EXPECT_FALSE(root.find("none"));
  EXPECT_EQ(root.members().front().first, "a");

  EXPECT_EQ(problem_of([&] { list[1].whole(0); }), "run/state.json: a.b[1]: expected a whole number from 0, found -2");
  EXPECT_EQ(problem_of([&] { list[2].whole(0, 9); }),
            "run/state.json: a.b[2]: expected a whole number in 0..9, found \"x\"");
  EXPECT_EQ(problem_of([&] { root.at("big").whole(); }),
            "run/state.json: big: expected a whole number, found 18446744073709551615");
  EXPECT_EQ(problem_of([&] { root.at("f").whole(); }), "run/state.json: f: expected a whole number, found 1.5");
  EXPECT_EQ(problem_of([&] { root.at("a").at("c"); }), "run/state.json: a: the key 'c' is missing");
  EXPECT_EQ(problem_of([&] { list[0].at("c"); }), "run/state.json: a.b[0]: expected an object, found 1");
  EXPECT_EQ(problem_of([&] { root.at("a").items(); }), "run/state.json: a: expected a list, found an object");
  EXPECT_EQ(problem_of([&] { root.at("a").text(); }), "run/state.json: a: expected a text, found an object");
  EXPECT_EQ(problem_of([&] { list[3].flag(); }), "run/state.json: a.b[3]: expected true or false, found null");
  EXPECT_EQ(problem_of([&] { list[2].number(); }), "run/state.json: a.b[2]: expected a number, found \"x\"");
}

TEST(JsonValues, OutliveTheTextTheyCameFrom) {
  std::optional<JsonValue> kept;
  {
    const auto root = JsonValue::parse(R"({"a": ["kept"]})", kSource);
    kept = root.at("a").items().front();
  }
  EXPECT_EQ(kept->text(), "kept");
}

TEST(JsonValues, ShowNoControlCharacters) {
  const auto root = JsonValue::parse(R"({"a": "\u001b[31mred\u0007"})", kSource);
  const std::string text = problem_of([&] { root.at("a").whole(); });
  EXPECT_TRUE(has(text, "\\u001b"));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(JsonFile, IsReadOnceWithinItsLimits) {
  const TempDir dir;
  const fs::path path = dir / "state.json";
  write_raw(path, "{\"step\": 3}\n");
  EXPECT_EQ(JsonValue::read(path, ExitCode::kData).at("step").whole(), 3);
  EXPECT_TRUE(has(message_of<Error>([&] { JsonValue::read(path, ExitCode::kData, {4}); }), path.string(), "larger"));
  fs::remove(path);
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(has(message_of<Error>([&] { JsonValue::read(path, ExitCode::kData); }), path.string(), "a pipe"));
}

}  // namespace
}  // namespace ingot
