#pragma once
// Numbers as configs write them. Every text reads back to the same value.

#include <optional>
#include <string>
#include <string_view>

namespace ingot {

/// A plain non-negative decimal, `12`, `0.5`, `1e6`; no sign, no leading zeros, nothing after it.
std::optional<double> parse_decimal(std::string_view text);

/// A decimal with an optional suffix: k, M, B, T (powers of 1000) or Ki, Mi, Gi, Ti (powers of 1024).
std::optional<double> parse_quantity(std::string_view text);

/// The shortest of `262144`, `1.5B`, `256Ki` that is exact; below 100000 without a suffix.
std::string format_quantity(double value);

/// `3`, `0.5`, `1.0e-05`: whole numbers without a point.
std::string plain_number(double value);

/// Unquoted text that YAML 1.1 readers take for something else than text: yes, Off, null, 1_000, 0x1F, 1:30, .5 …
bool reads_as_other_type(std::string_view text);
/// Of these: yes, no, on, off, true, false in their usual spellings.
bool reads_as_bool(std::string_view text);

}  // namespace ingot
