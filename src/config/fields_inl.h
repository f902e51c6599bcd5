#pragma once
// Templates of fields.h: they turn a typed field into the untyped references that visitors work on.

#include <type_traits>

#include "config/fields.h"

namespace ingot {
namespace fields_detail {

template <class T>
class TypedLeaf final : public LeafRef {
 public:
  explicit TypedLeaf(T& value) : value_(value) {}
  bool parse(const Scalar& scalar) override { return Codec<T>::parse(scalar, value_); }
  Scalar format() const override { return Codec<T>::format(value_); }
  std::string expected() const override { return Codec<T>::expected(); }
  std::string json_type() const override { return Codec<T>::json_type(); }
  std::optional<double> number() const override { return Codec<T>::number(value_); }
  std::vector<std::string> choices() const override {
    if constexpr (requires { Codec<T>::choices(); }) return Codec<T>::choices();
    return {};
  }
  bool is_auto() const override {
    if constexpr (requires { Codec<T>::is_auto(value_); }) return Codec<T>::is_auto(value_);
    return false;
  }

 private:
  T& value_;
};

template <class E>
class ChoiceLeaf final : public LeafRef {
 public:
  ChoiceLeaf(E& value, std::vector<std::pair<std::string, E>> names) : value_(value), names_(std::move(names)) {}
  bool parse(const Scalar& scalar) override {
    for (const auto& [name, value] : names_) {
      if (name == scalar.text) return value_ = value, true;
    }
    return false;
  }
  Scalar format() const override {
    for (const auto& [name, value] : names_) {
      if (value == value_) return {name, false};
    }
    return {};
  }
  std::string expected() const override {
    std::string text = "one of";
    for (std::size_t i = 0; i < names_.size(); ++i) text += (i ? ", " : " ") + names_[i].first;
    return text;
  }
  std::string json_type() const override { return "string"; }
  std::optional<double> number() const override { return std::nullopt; }
  std::vector<std::string> choices() const override {
    std::vector<std::string> out;
    for (const auto& entry : names_) out.push_back(entry.first);
    return out;
  }

 private:
  E& value_;
  std::vector<std::pair<std::string, E>> names_;
};

template <class T>
class VectorRef final : public ListRef {
 public:
  explicit VectorRef(std::vector<T>& value, bool accepts_one = false) : value_(value), accepts_one_(accepts_one) {}
  bool accepts_one() const override { return accepts_one_; }
  std::size_t size() const override { return value_.size(); }
  void resize(std::size_t size) override { value_.resize(size); }
  void visit(Fields& f, std::size_t index) override { f.visit(value_[index]); }

 private:
  std::vector<T>& value_;
  bool accepts_one_;
};

template <class T>
class OptionalRef final : public ListRef {
 public:
  explicit OptionalRef(std::optional<T>& value) : value_(value) {}
  std::size_t size() const override { return value_ ? 1 : 0; }
  void resize(std::size_t size) override {
    if (size == 0) value_.reset();
    if (size != 0 && !value_) value_.emplace();
  }
  void visit(Fields& f, std::size_t) override { f.visit(*value_); }

 private:
  std::optional<T>& value_;
};

template <class T>
class NamedMapRef final : public MapRef {
 public:
  explicit NamedMapRef(NamedMap<T>& value) : value_(value) {}
  std::vector<std::string> keys() const override {
    std::vector<std::string> out;
    for (const auto& entry : value_) out.push_back(entry.first);
    return out;
  }
  void visit(Fields& f, const std::string& key) override {
    for (auto& entry : value_) {
      if (entry.first == key) return f.visit(entry.second);
    }
    value_.emplace_back(key, T{});
    f.visit(value_.back().second);
  }
  void visit_sample(Fields& f) override {
    T sample{};
    f.visit(sample);
  }

 private:
  NamedMap<T>& value_;
};

template <class T, template <class...> class Template>
struct IsSpecialisation : std::false_type {};
template <class... Args, template <class...> class Template>
struct IsSpecialisation<Template<Args...>, Template> : std::true_type {};

template <class T>
struct IsNamedMap : std::false_type {};
template <class T>
struct IsNamedMap<std::vector<std::pair<std::string, T>>> : std::true_type {
  using Value = T;
};

template <class T>
concept HasCodec = requires {
  Codec<T>::expected();
};

template <class T>
concept HasDescribe = requires(Fields& f, T& value) {
  describe(f, value);
};

}  // namespace fields_detail

template <class T>
void Fields::visit(T& value) {
  using namespace fields_detail;
  if constexpr (HasCodec<T>) {
    TypedLeaf<T> leaf(value);
    if constexpr (HasDescribe<T>) {
      on_short_form(leaf, [&value](Fields& f) { describe(f, value); });
    } else {
      on_leaf(leaf);
    }
  } else if constexpr (std::is_base_of_v<AnyVariant, T>) {
    on_variant(value);
  } else if constexpr (IsNamedMap<T>::value) {
    NamedMapRef<typename IsNamedMap<T>::Value> map(value);
    on_map(map);
  } else if constexpr (IsSpecialisation<T, OneOrMany>::value) {
    VectorRef<typename T::value_type> list(value, true);
    on_list(list);
  } else if constexpr (IsSpecialisation<T, std::vector>::value) {
    VectorRef<typename T::value_type> list(value);
    on_list(list);
  } else if constexpr (IsSpecialisation<T, std::optional>::value) {
    OptionalRef<typename T::value_type> list(value);
    on_optional(list);
  } else {
    on_struct([&value](Fields& f) { describe(f, value); });
  }
}

template <class T>
void Fields::field(const char* name, T& value, const char* doc, Rule rule) {
  if (!on_field({name, doc, rule})) return;
  visit(value);
  end_field();
}

template <class E>
void Fields::choice(const char* name, E& value, std::vector<std::pair<std::string, E>> names, const char* doc,
                    Rule rule) {
  if (!on_field({name, doc, rule})) return;
  fields_detail::ChoiceLeaf<E> leaf(value, std::move(names));
  on_leaf(leaf);
  end_field();
}

}  // namespace ingot
