#include "registry/markdown.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

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

std::string family_page(const AnyFamily& family, const std::string& words) {
  std::string out = cat(kGeneratedPage, "\n# ", family.name(), "\n\n", words, "\n\n| name | |\n|---|---|\n");
  for (const std::string& name : family.names()) {
    out += cat("| [", name, "](#", name, ") | ", cell(family.at(name).summary), " |\n");
  }
  for (const std::string& name : family.names()) {
    const Entry& entry = family.at(name);
    out += cat("\n## ", name, "\n\n", entry.summary, entry.paper.empty() ? "" : "  \n" + entry.paper, "\n");
    const auto fields = field_docs(entry);
    if (!fields.empty()) out += cat("\n", fields_table(fields));
  }
  return out;
}

}  // namespace

std::map<std::string, std::string> variants_pages(const Families& families,
                                                  const std::map<std::string, std::string>& words) {
  std::map<std::string, std::string> pages;
  std::string index =
      cat(kGeneratedPage,
          "\n# Variants\n\nWherever a config takes a variant it takes its bare name, `layer_norm`, or a "
          "mapping with settings, `{type: layer_norm, eps: 1e-6}`.\n\n| family | |\n|---|---|\n");
  for (const AnyFamily* family : choose(families, "")) {
    const auto found = words.find(family->name());
    if (found == words.end()) throw std::logic_error("no words say what the family " + family->name() + " is for");
    pages[family->name() + ".md"] = family_page(*family, found->second);
    index += cat("| [", family->name(), "](", family->name(), ".md) | ", cell(found->second), " |\n");
  }
  pages["README.md"] = index;
  return pages;
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
