#include "registry/variant_text.h"

#include <algorithm>

#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "config/reader.h"
#include "registry/lookup.h"

namespace ingot {

void read_variant(AnyVariant& variant, const std::string& yaml, const Families& families, const std::string& source) {
  const FamiliesLookup lookup(families);
  const auto document = Document::parse("value: " + yaml, source);
  Problems problems(document);
  read_fields(
      document, lookup, [&](Fields& f) { f.field("value", variant, "the variant"); }, problems);
  problems.throw_if_any();
}

std::string variant_text(const AnyVariant& variant) {
  if (!variant.bound()) return variant.name();
  const auto settings = variant.settings().clone();
  std::vector<std::string> parts;
  for (const auto& field : flatten_fields([&](Fields& f) { settings->describe_fields(f); })) {
    if (field.value != "null") parts.push_back(cat(field.path, ": ", field.value));
  }
  return parts.empty() ? variant.name() : cat(variant.name(), " {", join(parts, ", "), "}");
}

std::map<std::string, std::string> field_values(const AnyVariant& variant) {
  const auto settings = variant.settings().clone();
  std::map<std::string, std::string> values;
  for (const auto& field : flatten_fields([&](Fields& f) { settings->describe_fields(f); })) {
    values[field.path] = field.value;
  }
  return values;
}

bool has_field(const AnyVariant& variant, const std::string& key) {
  const auto values = field_values(variant);
  return std::any_of(values.begin(), values.end(),
                     [&](const auto& field) { return field.first == key || field.first.rfind(key + ".", 0) == 0; });
}

void set_field(AnyVariant& variant, const std::string& key, const std::string& yaml, const Families& families,
               const std::string& source) {
  std::shared_ptr<ConfigObject> settings = variant.settings().clone();
  const FamiliesLookup lookup(families);
  const auto document = Document::parse(key + ": " + yaml, source);
  Problems problems(document);
  read_fields(
      document, lookup, [&](Fields& f) { settings->describe_fields(f); }, problems);
  problems.throw_if_any();
  variant.bind(variant.any_entry(), std::move(settings));
}

}  // namespace ingot
