#include "config/schema.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/docs.h"
#include "config/sample.h"

namespace ingot {
namespace {

using namespace sample;
using Json = nlohmann::json;

Json schema() {
  static const Json instance = Json::parse(json_schema<Config>("Sample", lookup()));
  return instance;
}

Json property(const std::string& pointer) { return schema().at(Json::json_pointer("/properties" + pointer)); }

TEST(Schema, DescribesFieldsWithTypesDefaultsAndRanges) {
  EXPECT_EQ(schema()["additionalProperties"], false);
  const Json d_model = property("/model/properties/d_model");
  EXPECT_EQ(d_model["type"], "integer");
  EXPECT_EQ(d_model["minimum"], 1);
  EXPECT_EQ(d_model["description"], "width of the stream (required)");
  EXPECT_FALSE(d_model.contains("default"));
  const Json precision = property("/train/properties/precision");
  EXPECT_EQ(precision,
            Json::parse(R"({"enum": ["auto", "fp32", "bf16"], "default": "auto", "description": "of products"})"));
  EXPECT_EQ(property("/train/properties/micro_batch/type"), Json::parse(R"(["number", "string"])"));
  EXPECT_EQ(property("/train/properties/tokens/default"), "1M");
  EXPECT_EQ(property("/data/properties/validation/properties/fraction/default"), nullptr);
  EXPECT_EQ(property("/data/properties/validation/properties/fraction/else/exclusiveMaximum"), 1);
  EXPECT_EQ(property("/data/properties/paths/items/type"), "string");
  EXPECT_EQ(property("/optim/properties/groups/items/properties/match/properties/role/anyOf/1/items/enum"),
            Json::parse(R"(["gain", "bias", "inner"])"));
  EXPECT_EQ(property("/data/properties/documents/anyOf/1/properties/separator/type"), "string");
}

TEST(Schema, RefersToFamiliesAlsoThroughOtherVariants) {
  EXPECT_EQ(property("/model/properties/norm/allOf/0/$ref"), "#/definitions/norms");
  EXPECT_EQ(property("/model/properties/norm/default"), "rms_norm");
  const Json definitions = schema()["definitions"];
  EXPECT_EQ(definitions.size(), 4u);  // positions only by way of mixers
  EXPECT_TRUE(definitions.contains("positions"));
  const Json cases = definitions["norms"]["then"]["allOf"];
  ASSERT_EQ(cases.size(), 3u);
  EXPECT_EQ(cases[2]["if"]["properties"]["type"]["const"], "rms_norm");
  EXPECT_EQ(cases[2]["then"]["properties"]["eps"]["default"], 1e-6);
  EXPECT_EQ(cases[2]["then"]["additionalProperties"], false);
}

TEST(Docs, ListFieldsInWords) {
  const auto docs = config_docs<Config>();
  const auto row = [&docs](const std::string& name) {
    for (const FieldDoc& doc : docs) {
      if (doc.name == name)
        return doc.type + "; " + doc.default_value + "; " + doc.range + (doc.is_required ? "!" : "");
    }
    return std::string("none");
  };
  EXPECT_EQ(row("model"), "mapping; ; ");
  EXPECT_EQ(row("model.d_model"), "integer; ; >= 1!");
  EXPECT_EQ(row("model.norm"), "one of norms; rms_norm; ");
  EXPECT_EQ(row("model.operators.<name>.mixer"), "one of mixers; null; ");
  EXPECT_EQ(row("data.validation.fraction"), "number; null; > 0 and < 1");
  EXPECT_EQ(row("optim.groups.*.match.role"), "one or a list of gain | bias | inner; ; ");
  EXPECT_EQ(row("train.precision"), "auto | fp32 | bf16; auto; ");
  EXPECT_EQ(row("train.micro_batch"), "auto or integer; auto; >= 1");
  EXPECT_EQ(row("train.timeout"), "time; 10 min; ");
}

}  // namespace
}  // namespace ingot
