#include "registry/variant_text.h"

#include "config/document.h"
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

}  // namespace ingot
