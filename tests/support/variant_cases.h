#pragma once
// Settings that conformance tests run the variants of a family with, as config text.

#include <string>
#include <vector>

namespace ingot::testing {

/// "{type: sgd}", then one for each of the entry's samples: "{type: sgd, momentum: 0}".
template <class E>
std::vector<std::string> settings_of(const E& entry) {
  std::vector<std::string> texts = {"{type: " + entry.name + "}"};
  for (const std::string& sample : entry.samples) {
    texts.push_back("{type: " + entry.name + ", " + sample.substr(sample.find_first_not_of('{')));
  }
  return texts;
}

/// The same of every entry of a family.
template <class F>
std::vector<std::string> all_settings(const F& family) {
  std::vector<std::string> texts;
  for (const std::string& name : family.names()) {
    for (std::string& text : settings_of(family.at(name))) texts.push_back(std::move(text));
  }
  return texts;
}

/// A test's name from such text: letters and digits, "_" for what lies between them.
inline std::string settings_name(const std::string& text) {
  std::string name;
  for (const char c : text.substr(text.find(' ') + 1)) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain)
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  }
  if (!name.empty() && name.back() == '_') name.pop_back();
  return name;
}

}  // namespace ingot::testing
