#pragma once
// `ingot tune scaling`: whether what is tuned at one width holds at others. The coordinate check of muP: Yang et al.
// 2022, arXiv:2203.03466, appendix D.1.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "registry/family.h"

namespace ingot {

struct TuneScalingOptions {
  std::string config;                  // file
  std::vector<std::string> overrides;  // `{width}`, `{width/32}` and `{width*3}` stand for numbers
  std::vector<std::int64_t> widths = {64, 128, 256, 512};
  std::int64_t steps = 5;
  std::int64_t rows = 4;    // sequences of the batch that is looked at
  double tolerance = 0.25;  // slope up to which a size counts as independent of the width
  std::string svg;          // file; empty: none
};

/// How large the activations of one place are at one width.
struct PlaceSize {
  std::string place;  // "embedding", "branch of A", "stream", "final norm", "logits"
  double start = 0;   // mean of |x| before the first step
  double moved = 0;   // mean of |x - start| after the last
};

/// What becomes of a place over widths: exponents of the width, by least squares over the logarithms.
struct PlaceVerdict {
  std::string place;
  double start_slope = 0, moved_slope = 0;
  std::string verdict;  // "holds", "moves more in wider models", "moves less in wider models", "does not move"
};

/// The numbers of `{width…}` in an override. Throws ConfigError where one cannot be read or is no whole number.
std::string at_width(const std::string& override_text, std::int64_t width);

/// `sizes`: by width, the same places in the same order.
std::vector<PlaceVerdict> verdicts(const std::vector<std::pair<std::int64_t, std::vector<PlaceSize>>>& sizes,
                                   double tolerance);

/// Trains the config for a few steps at each width on the same rows and compares what became of its activations.
/// Returns a table with a verdict for each place. Throws ConfigError if a config cannot be read at some width.
std::string tune_scaling(const TuneScalingOptions& options, const Families& families);

}  // namespace ingot
