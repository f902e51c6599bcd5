#include "params/selector.h"

#include <algorithm>

#include "base/text.h"

namespace ingot {

namespace {

std::string role_name(Role role) { return RoleSet(role).names().at(0); }

/// "role: gain", "role: [gain, bias]".
void append_list(std::vector<std::string>& keys, const char* key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  const std::string list = join(values, ", ");
  keys.push_back(cat(key, ": ", values.size() == 1 ? list : "[" + list + "]"));
}

}  // namespace

std::string Codec<Role>::expected() { return "one of " + join(role_names(), ", "); }

bool Codec<Role>::parse(const Scalar& scalar, Role& role) {
  const auto& names = role_names();
  if (std::find(names.begin(), names.end(), scalar.text) == names.end()) return false;
  role = role_from_name(scalar.text);
  return true;
}

Scalar Codec<Role>::format(const Role& role) { return {role_name(role), false}; }

void describe(Fields& f, Selector& s) {
  f.field("role", s.role, "what the parameter does in the model; any of these");
  f.field("part", s.part, "its part of the mixer or ffn: q, k, v, o, gate, up, down, …; any of these");
  f.field("operator", s.op, "name of its operator in `model.operators`; any of these");
  f.field("depth", s.depth, "its sub-layer, counted from 0: 3, 0..5, -2..-1 from the end, or 0%..25%");
  f.field("name", s.name, "glob over its full name, such as layers.*.mixer.q.weight; any of these");
}

bool Selector::matches(const ParamInfo& info, int num_sublayers) const {
  const auto is_one_of = [](const std::vector<std::string>& list, const std::string& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  if (!role.empty() && std::none_of(role.begin(), role.end(), [&](Role r) { return info.roles.has(r); })) return false;
  if (!is_one_of(part, info.part) || !is_one_of(op, info.op)) return false;
  if (depth && (info.depth < 0 || !depth->contains(info.depth, num_sublayers))) return false;
  return name.empty() ||
         std::any_of(name.begin(), name.end(), [&](const std::string& glob) { return glob_match(glob, info.name); });
}

std::string Selector::text() const {
  std::vector<std::string> keys, roles;
  for (const Role r : role) roles.push_back(role_name(r));
  append_list(keys, "role", roles);
  append_list(keys, "part", part);
  append_list(keys, "operator", op);
  if (depth) keys.push_back("depth: " + Codec<DepthRange>::format(*depth).text);
  append_list(keys, "name", name);
  return cat("{", join(keys, ", "), "}");
}

}  // namespace ingot
