#include "params/selector.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/weights.h"

namespace ingot::testing {
namespace {

ParamInfo info(std::string name, RoleSet roles, int depth, std::string part = "", std::string op = "") {
  ParamInfo p;
  p.name = std::move(name);
  p.shape = {4, 4};
  p.roles = roles;
  p.depth = depth;
  p.part = std::move(part);
  p.op = std::move(op);
  return p;
}

const ParamInfo kQuery = info("layers.2.mixer.q.weight", Role::kReadsStream, 2, "q", "A");
const ParamInfo kGain = info("layers.3.input_norm.gain", Role::kGain, 3, "", "F");
const ParamInfo kTied = info("embedding.weight", {Role::kEmbedding, Role::kHead}, -1);

/// As the config reads it.
Selector selector(const std::string& yaml) {
  return weights_config("overrides: [{match: " + yaml + ", init: normal}]").overrides.at(0).match;
}

TEST(Roles, NamesGoBothWays) {
  EXPECT_EQ(role_names().size(), 11u);
  for (const auto& name : role_names()) EXPECT_EQ(RoleSet(role_from_name(name)).names(), std::vector{name});
  EXPECT_EQ(kTied.roles.names(), (std::vector<std::string>{"embedding", "head"}));
  EXPECT_THROW(role_from_name("embeding"), ConfigError);
}

TEST(Roles, DecideWhatIsCastAndDecays) {
  EXPECT_FALSE(kQuery.keeps_master_dtype());
  EXPECT_FALSE(kTied.keeps_master_dtype());
  for (const Role role : {Role::kConv, Role::kGain, Role::kBias, Role::kScalar, Role::kMeta, Role::kPosition}) {
    EXPECT_TRUE(info("x", role, 0).keeps_master_dtype());
  }
}

TEST(Selector, EmptyMatchesEverything) {
  for (const auto& p : {kQuery, kGain, kTied}) EXPECT_TRUE(Selector{}.matches(p, 4));
}

TEST(Selector, ListsOrAndKeysAnd) {
  EXPECT_TRUE(selector("{role: [gain, reads_stream]}").matches(kQuery, 4));
  EXPECT_TRUE(selector("{role: head}").matches(kTied, 4));  // any of its roles
  EXPECT_FALSE(selector("{role: inner}").matches(kQuery, 4));
  EXPECT_TRUE(selector("{role: reads_stream, part: [k, q], operator: A, depth: 2, name: '*.q.*'}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{role: reads_stream, part: k, operator: A, depth: 2, name: '*.q.*'}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{role: reads_stream, part: q, operator: D}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{part: q, name: 'layers.*.k.*'}").matches(kQuery, 4));
}

TEST(Selector, DepthCountsFromBothEndsAndInShares) {
  EXPECT_TRUE(selector("{depth: 0..2}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{depth: 0..1}").matches(kQuery, 4));
  EXPECT_TRUE(selector("{depth: -2..-1}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{depth: -1}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{depth: 0%..50%}").matches(kQuery, 4));
  EXPECT_TRUE(selector("{depth: 50%..100%}").matches(kQuery, 4));
  EXPECT_FALSE(selector("{depth: 0%..100%}").matches(kTied, 4));  // outside the stack
}

TEST(Selector, NamesAreGlobs) {
  EXPECT_TRUE(selector("{name: 'layers.*.mixer.[qk].weight'}").matches(kQuery, 4));
  EXPECT_TRUE(selector("{name: [nothing, 'embedding.*']}").matches(kTied, 4));
  EXPECT_FALSE(selector("{name: mixer}").matches(kQuery, 4));  // the whole name
}

TEST(Selector, UnknownRoleIsRefusedWithTheNames) {
  try {
    selector("{role: reads_steam}");
    FAIL();
  } catch (const ConfigError& e) {
    const std::string message = e.what();
    EXPECT_NE(message.find("reads_stream"), std::string::npos) << message;
    EXPECT_NE(message.find("overrides.0.match.role"), std::string::npos) << message;
  }
}

TEST(Selector, TextReadsBack) {
  for (const char* yaml : {"{role: [gain, bias], part: q}", "{operator: A, depth: -2..-1}", "{}"}) {
    EXPECT_EQ(selector(yaml).text(), yaml);
  }
}

}  // namespace
}  // namespace ingot::testing
