#include "registry/markdown.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "config/docs.h"

namespace ingot {
namespace {

using Json = nlohmann::ordered_json;

/// The chosen families. Throws ConfigError for an unknown one.
std::vector<const AnyFamily*> choose(const Families& families, const std::string& name) {
  std::vector<const AnyFamily*> out;
  for (const std::string& family : families.names()) {
    if (name.empty() || name == family) out.push_back(&families.at(family));
  }
  if (out.empty() && !name.empty()) {
    const std::string hint = did_you_mean(name, families.names());
    throw ConfigError("no family is named '" + name + "'" +
                      (hint.empty() ? ", expected one of: " + join(families.names(), ", ") : hint));
  }
  return out;
}

/// Text inside a cell of a table.
std::string cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string code(const std::string& text) { return text.empty() ? "" : cat("`", cell(text), "`"); }

std::string fields_table(const std::vector<FieldDoc>& fields) {
  std::string out = "| key | type | default | range | |\n|---|---|---|---|---|\n";
  for (const FieldDoc& field : fields) {
    out += "| " + code(field.name) + " | " + cell(field.type) + " | " +
           (field.is_required ? "required" : code(field.default_value)) + " | " + cell(field.range) + " | " +
           cell(field.doc) + " |\n";
  }
  return out;
}

}  // namespace

std::string variants_markdown(const Families& families) {
  std::string out =
      "# Variants\n\nMade by `ingot list --markdown`. Every name below can stand in a config as a bare name or as "
      "`{type: name, key: value}`.\n\n";
  for (const AnyFamily* family : choose(families, "")) {
    out += "- [" + family->name() + "](#" + family->name() + "): " + join(family->names(), ", ") + "\n";
  }
  for (const AnyFamily* family : choose(families, "")) {
    out += "\n## " + family->name() + "\n";
    for (const std::string& name : family->names()) {
      const Entry& entry = family->at(name);
      out += "\n### " + name + "\n\n" + entry.summary + (entry.paper.empty() ? "" : "  \n" + entry.paper) + "\n";
      const auto fields = field_docs(entry);
      if (!fields.empty()) out += cat("\n", fields_table(fields));
    }
  }
  return out;
}

std::string variants_json(const Families& families, const std::string& family) {
  Json root = Json::object();
  for (const AnyFamily* chosen : choose(families, family)) {
    Json& entries = root[chosen->name()] = Json::array();
    for (const std::string& name : chosen->names()) {
      const Entry& entry = chosen->at(name);
      Json fields = Json::array();
      for (const FieldDoc& field : field_docs(entry)) {
        fields.push_back({{"name", field.name},
                          {"type", field.type},
                          {"default", field.is_required ? Json(nullptr) : Json(field.default_value)},
                          {"range", field.range},
                          {"required", field.is_required},
                          {"doc", field.doc}});
      }
      entries.push_back({{"name", entry.name}, {"summary", entry.summary}, {"paper", entry.paper}, {"fields", fields}});
    }
  }
  return root.dump(2) + "\n";
}

std::string variants_text(const Families& families, const std::string& family) {
  std::string out;
  const auto padded = [](const std::string& text, std::size_t width) {
    return text + std::string(width > text.size() ? width - text.size() : 0, ' ') + "  ";
  };
  for (const AnyFamily* chosen : choose(families, family)) {
    out += (out.empty() ? "" : "\n") + chosen->name() + "\n";
    std::size_t width = 0;
    for (const std::string& name : chosen->names()) width = std::max(width, name.size());
    for (const std::string& name : chosen->names()) {
      const Entry& entry = chosen->at(name);
      out += "  " + padded(name, width) + entry.summary + "\n";
      if (family.empty()) continue;
      for (const FieldDoc& field : field_docs(entry)) {
        const std::string value = field.is_required ? "required" : "default " + field.default_value;
        out += "      " + field.name + ": " + field.type + (field.range.empty() ? "" : " " + field.range) + ", " +
               value + "; " + field.doc + "\n";
      }
    }
  }
  return out;
}

}  // namespace ingot
