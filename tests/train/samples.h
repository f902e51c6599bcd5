#pragma once
// Small models made from configs in text, without any data.

#include <string>
#include <vector>

#include "data/sampling/batch.h"
#include "train/setup.h"

namespace ingot::testing {

/// The path of a file in the checkout.
std::string source_path(const std::string& relative);

/// configs/test/tiny.yaml with overrides.
RunConfig tiny_config(const Families& families, const std::vector<std::string>& overrides = {});

/// A set-up in fp64 that is allocated and initialised; documents and vocabulary as in the config.
TrainSetup allocated_setup(const RunConfig& config, const Families& families, std::int64_t vocab_size,
                           at::ScalarType dtype = at::kDouble);

/// Rows of random tokens, their next tokens, and documents that change at random places.
Batch random_batch(std::int64_t rows, std::int64_t seq_len, std::int64_t vocab_size, std::uint64_t seed);

}  // namespace ingot::testing
