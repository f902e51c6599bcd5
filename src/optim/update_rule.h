#pragma once
// An elementwise update rule, written once: the header optim/optimizers/<name>.h of a variant holds
//
//   struct LionRule : UpdateRule<1> {                     one state for each weight
//     static constexpr const char* kName = "lion";        unique among all rules
//     template <class T> struct Constants { T beta1, beta2; };   members of type T alone
//     /// step times the direction d, so that w <- keep·w - step·d; moves the state.
//     template <class T>
//     static INGOT_RULE T displacement(T g, T w, T* state, const Constants<T>& c, T step);
//   };
//
// The build finds such structs in these headers and compiles each as the vectorised loop for CPUs (update_loops.h) and
// as the CUDA kernel (cuda/update.cuh). No LibTorch here: nvcc and the kernels' flags see this file. A rule must keep w
// = g = state = 0 where they are 0: flat buffers have padding.

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#ifdef __CUDACC__
#define INGOT_RULE __host__ __device__ __forceinline__
#else
#define INGOT_RULE __attribute__((always_inline)) inline
#endif

namespace ingot {

/// -1, 0 or 1, without a branch.
template <class T>
INGOT_RULE T sign(T x) {
  return static_cast<T>(x > 0) - static_cast<T>(x < 0);
}

template <int States>
struct UpdateRule {
  static constexpr int kStates = States;
  /// Whether states may be kept in bf16, rounded by chance. A rule says false of states that are weights or as exact.
  static constexpr bool kStatesMayBeBfloat16 = true;
};

/// What is the same for all rules in one update.
template <class T>
struct UpdateFactors {
  T grad_scale;  // g = grad_scale·G + l2·w
  T l2;          // decay in the gradient, or 0
  T keep;        // 1 - lr·decay, or 1
  T step;        // multiplies the direction
};

/// Weights, gradients and states of n elements. `out` null: weights change in place; else it gets the displacements,
/// for `step` 1 the directions, and weights stay.
template <class T, int States>
struct UpdateArrays {
  T* w;
  const T* g;
  std::array<T*, States> states;
  T* out = nullptr;
  // For the CUDA kernel (the CPU's loop is called block by block): what multiplies the step of each block of
  // `block_length` elements; null: 1.
  const T* block_steps = nullptr;
  std::int64_t block_length = 0;

  UpdateArrays from(std::int64_t offset) const {
    UpdateArrays rest = *this;
    rest.w += offset;
    rest.g += offset;
    for (auto& state : rest.states) state += offset;
    if (out != nullptr) rest.out += offset;
    return rest;
  }
};

/// The same with states in bf16, given by their bits. A state is rounded up or down by chance, in proportion to how
/// near both are, so that its expectation is the exact value. Chance comes from `key` and the element's index in its
/// parameter, of which `first` is that of the first here, modulo 2^32.
template <int States>
struct RoundedArrays {
  float* w;
  const float* g;
  std::array<std::uint16_t*, States> states;
  float* out = nullptr;
  std::uint64_t key = 0;
  std::uint32_t first = 0;

  RoundedArrays from(std::int64_t offset) const {
    RoundedArrays rest = *this;
    rest.w += offset;
    rest.g += offset;
    for (auto& state : rest.states) state += offset;
    if (out != nullptr) rest.out += offset;
    rest.first += static_cast<std::uint32_t>(offset);
    return rest;
  }
};

/// The integer hash lowbias32 (Wellons 2018, "Prospecting for Hash Functions").
INGOT_RULE std::uint32_t mixed_bits(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7FEB352DU;
  x = (x ^ (x >> 15)) * 0x846CA68BU;
  return x ^ (x >> 16);
}

/// 16 bits of noise for a state's element, by its index and the key's halves. Two states share one hash.
INGOT_RULE std::uint32_t rounding_noise(std::uint32_t index, std::uint32_t low, std::uint32_t high,
                                        std::uint32_t state) {
  const std::uint32_t bits = mixed_bits(mixed_bits(index ^ low) + high + state / 2);
  return state % 2 == 0 ? bits & 0xFFFFU : bits >> 16;
}

INGOT_RULE float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

/// x in bf16: of the two neighbours the one away from zero if the bits that fall away and `noise`, 16 bits, carry.
INGOT_RULE std::uint16_t to_bfloat16(float x, std::uint32_t noise) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  constexpr std::uint32_t kExponent = 0x7F800000U;
  const std::uint32_t carried = (bits & kExponent) == kExponent ? bits : bits + noise;  // inf and NaN as they are
  return static_cast<std::uint16_t>(carried >> 16);
}

/// An aggregate of doubles as the same aggregate of T: `narrowed<LionRule::Constants, float>(constants)`.
template <template <class> class Aggregate, class T>
Aggregate<T> narrowed(const Aggregate<double>& wide) {
  if constexpr (std::is_empty_v<Aggregate<T>>) {
    return {};
  } else {
    constexpr std::size_t kSize = sizeof(Aggregate<double>) / sizeof(double);
    static_assert(sizeof(Aggregate<T>) == kSize * sizeof(T));
    const auto from = std::bit_cast<std::array<double, kSize>>(wide);
    std::array<T, kSize> to;
    for (std::size_t i = 0; i < kSize; ++i) to[i] = static_cast<T>(from[i]);
    return std::bit_cast<Aggregate<T>>(to);
  }
}

/// One update of n elements on the CPU; defined by the build for float and double of every rule.
template <class Rule, class T>
void update_on_cpu(const UpdateArrays<T, Rule::kStates>& arrays, std::int64_t n, const UpdateFactors<T>& factors,
                   const typename Rule::template Constants<T>& constants);

/// The same with states in bf16; for every rule that may have them.
template <class Rule>
void update_rounded_on_cpu(const RoundedArrays<Rule::kStates>& arrays, std::int64_t n,
                           const UpdateFactors<float>& factors,
                           const typename Rule::template Constants<float>& constants);

}  // namespace ingot
