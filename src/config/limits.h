#pragma once
// What no machine can mean. Below these limits arithmetic on sizes stays within 64 bits and loops over a setting end.

#include <cstdint>

namespace ingot::limits {

inline constexpr std::int64_t kThreads = 1024;                  // of one process
inline constexpr std::int64_t kWidth = 1 << 20;                 // of a stream or of what lies inside an operator
inline constexpr std::int64_t kHead = 1 << 14;                  // of a head or its state
inline constexpr std::int64_t kLength = 1 << 24;                // tokens of a sequence
inline constexpr std::int64_t kRows = 1 << 24;                  // sequences of a step
inline constexpr std::int64_t kTokens = std::int64_t{1} << 36;  // of a step
inline constexpr std::int64_t kMetaTokens = 1 << 13;
inline constexpr std::int64_t kVocabulary = 1 << 30;
inline constexpr std::int64_t kUpdates = 100'000'000'000;
inline constexpr std::int64_t kParameters = 1'000'000'000'000'000;

}  // namespace ingot::limits
