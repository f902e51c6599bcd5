#pragma once
// One description of a config struct serves the strict reader, the resolved dump, the docs, the
// JSON schema, overrides, diff and run identity. A config struct has in-class defaults and, beside
// it,
//
//   void describe(Fields& f, RmsNormConfig& c) {
//     f.field("eps", c.eps, "added to the mean square before the root", Rule{}.above(0));
//   }
//
// A field that is not described does not exist. Field types: bool, int64, double, string, the types
// of units.h (each a Codec), a nested struct with `describe`, Variant<Entry>, and of these
// std::optional, std::vector and NamedMap. Enumerations use `choice`.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/variant.h"

namespace ingot {

/// What a change of the field means for a run that resumes: another result (refused), another way
/// to the same result, or nothing.
enum class FieldClass { kInherit, kNumeric, kLayout, kFree };

/// Limits and marks of a field. Of a list they hold for each element.
struct Rule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;
  bool high_open = false;
  bool is_required = false;
  // `$NAME` expands; relative values resolve against the folder of the file that holds them, or
  // against the working directory.
  bool is_path = false;
  bool is_working_path = false;
  // Siblings that exclude this field: of them all, the one set later counts.
  std::vector<std::string> other_keys;
  FieldClass field_class = FieldClass::kInherit;

  Rule& at_least(double v) { return low = v, *this; }
  Rule& at_most(double v) { return high = v, *this; }
  Rule& above(double v) { return low = v, low_open = true, *this; }
  Rule& below(double v) { return high = v, high_open = true, *this; }
  Rule& required() { return is_required = true, *this; }
  Rule& path() { return is_path = true, *this; }
  /// A path relative to the working directory wherever it is written.
  Rule& working_path() { return is_path = is_working_path = true, *this; }
  /// All siblings name each other.
  Rule& excludes(std::vector<std::string> keys) { return other_keys = std::move(keys), *this; }
  Rule& numeric() { return field_class = FieldClass::kNumeric, *this; }
  Rule& layout() { return field_class = FieldClass::kLayout, *this; }
  Rule& free() { return field_class = FieldClass::kFree, *this; }
};

/// "> 0", "0..1", or "" without limits.
std::string range_text(const Rule& rule);
bool in_range(const Rule& rule, double value);

struct FieldInfo {
  std::string name;
  std::string doc;
  Rule rule;
};

/// A map in written order, e.g. `operators: {D: …, F: …}`.
template <class T>
using NamedMap = std::vector<std::pair<std::string, T>>;

/// A list that may be written as its single element: `role: gain` or `role: [gain, bias]`.
template <class T>
struct OneOrMany : std::vector<T> {
  using std::vector<T>::vector;
};

/// A YAML scalar as text. A quoted scalar is a string, whatever it looks like.
struct Scalar {
  std::string text;
  bool quoted = false;
  bool must_quote = false;  // when written: without quotes it would read as another value
};

// clang-format off
/// How a leaf type is written. Specialise for a new type:
///   static std::string expected();                   e.g. "a number", "a duration such as '2000 steps'"
///   static bool parse(const Scalar&, T&);            false: not of this type
///   static Scalar format(const T&);                  parse(format(x)) == x
///   static const char* json_type();                  "string", "number", "integer", "boolean"; "": number or string
///   static std::optional<double> number(const T&);   what `Rule` limits, if anything
/// and, where it applies,
///   static std::vector<std::string> choices();       the names of an enumeration
///   static bool is_auto(const T&);                   the value is left to the program
// clang-format on
template <class T>
struct Codec;

/// Declares the specialisation for a type whose Codec is implemented in a .cpp file.
#define INGOT_DECLARE_CODEC(Type)                       \
  template <>                                           \
  struct Codec<Type> {                                  \
    static std::string expected();                      \
    static bool parse(const Scalar& scalar, Type& v);   \
    static Scalar format(const Type& v);                \
    static const char* json_type();                     \
    static std::optional<double> number(const Type& v); \
  }
INGOT_DECLARE_CODEC(bool);
INGOT_DECLARE_CODEC(std::int64_t);
INGOT_DECLARE_CODEC(double);
INGOT_DECLARE_CODEC(std::string);

/// A leaf seen without its type.
class LeafRef {
 public:
  virtual ~LeafRef() = default;
  virtual bool parse(const Scalar& scalar) = 0;
  virtual Scalar format() const = 0;
  virtual std::string expected() const = 0;
  virtual std::string json_type() const = 0;
  virtual std::optional<double> number() const = 0;
  /// The allowed names of a `choice`, else empty.
  virtual std::vector<std::string> choices() const { return {}; }
  /// The value is `auto`: left to the program.
  virtual bool is_auto() const { return false; }
};

class Fields;

/// A sequence or an optional value seen without its type.
class ListRef {
 public:
  virtual ~ListRef() = default;
  virtual std::size_t size() const = 0;
  virtual void resize(std::size_t size) = 0;
  virtual void visit(Fields& f, std::size_t index) = 0;
  /// A list of one may be written as its element.
  virtual bool accepts_one() const { return false; }
};

/// A NamedMap seen without its type.
class MapRef {
 public:
  virtual ~MapRef() = default;
  virtual std::vector<std::string> keys() const = 0;
  /// Visits the value of `key`, adding a default one if it is new.
  virtual void visit(Fields& f, const std::string& key) = 0;
  /// Visits a default value that is not part of the map (docs and schema).
  virtual void visit_sample(Fields& f) = 0;
};

/// The visitor. Readers, dumpers and the like derive from it; config structs only call `field` and
/// `choice`.
class Fields {
 public:
  virtual ~Fields() = default;

  template <class T>
  void field(const char* name, T& value, const char* doc, Rule rule = {});

  /// An enumeration, written by name.
  template <class E>
  void choice(const char* name, E& value, std::vector<std::pair<std::string, E>> names, const char* doc,
              Rule rule = {});

  template <class T>
  void visit(T& value);

  // What a visitor implements. `on_field` returns false to pass over the field; `end_field` follows
  // if it returned true.
  virtual bool on_field(const FieldInfo& info) = 0;
  virtual void end_field() = 0;
  virtual void on_leaf(LeafRef& leaf) = 0;
  virtual void on_struct(const std::function<void(Fields&)>& describe) = 0;
  /// A struct that has a Codec as well: written as a scalar or as a mapping. The leaf's format() is
  /// empty if only the mapping can say the value.
  virtual void on_short_form(LeafRef& leaf, const std::function<void(Fields&)>& describe) = 0;
  virtual void on_list(ListRef& list) = 0;
  /// `list` holds zero elements (absent) or one.
  virtual void on_optional(ListRef& list) = 0;
  virtual void on_map(MapRef& map) = 0;
  virtual void on_variant(AnyVariant& variant) = 0;
};

}  // namespace ingot

#include "config/fields_inl.h"
