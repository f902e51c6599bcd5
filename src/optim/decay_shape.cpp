#include "optim/decay_shape.h"

#include <cmath>
#include <numbers>

#include "base/text.h"

namespace ingot {
namespace {

double left_of_way(DecayShape shape, double y) {
  const double cosine = (1 + std::cos(std::numbers::pi * y)) / 2;
  switch (shape) {
    case DecayShape::kSqrt:
      return 1 - std::sqrt(y);
    case DecayShape::kCosine:
      return cosine;
    case DecayShape::kMirrorCosine:
      return 2 * (1 - y) - cosine;
    case DecayShape::kSquare:
      return 1 - y * y;
    case DecayShape::kHalving:
      return 2 * std::exp2(-y) - 1;
    case DecayShape::kLinear:
    case DecayShape::kExponential:
      break;
  }
  return 1 - y;
}

}  // namespace

const std::vector<std::pair<std::string, DecayShape>>& decay_shape_names() {
  static const std::vector<std::pair<std::string, DecayShape>> names = {
      {"linear", DecayShape::kLinear},          {"sqrt", DecayShape::kSqrt},
      {"cosine", DecayShape::kCosine},          {"mirror_cosine", DecayShape::kMirrorCosine},
      {"square", DecayShape::kSquare},          {"halving", DecayShape::kHalving},
      {"exponential", DecayShape::kExponential}};
  return names;
}

double between(DecayShape shape, double y, double from, double to) {
  if (shape == DecayShape::kExponential) return from * std::pow(to / from, y);
  return to + (from - to) * left_of_way(shape, y);
}

SettingsProblems shape_problems(DecayShape shape, double to, const std::string& key, const std::string& end) {
  if (shape != DecayShape::kExponential || to > 0) return {};
  return {{key, cat("exponential changes the rate by a constant factor and never reaches 0, expected ", end,
                    " above 0, or another shape, such as halving")}};
}

}  // namespace ingot
