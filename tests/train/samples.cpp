#include "train/samples.h"

#include "base/random.h"
#include "recipe/load.h"
#include "train/make_setup.h"

namespace ingot::testing {

std::string source_path(const std::string& relative) { return std::string(INGOT_SOURCE_DIR) + "/" + relative; }

RunConfig tiny_config(const Families& families, const std::vector<std::string>& overrides) {
  return load_config(source_path("configs/test/tiny.yaml"), overrides, families);
}

TrainSetup allocated_setup(const RunConfig& config, const Families& families, std::int64_t vocab_size,
                           at::ScalarType dtype) {
  DataFacts facts{vocab_size, 100000};
  facts.float_type = dtype;
  auto setup = make_setup(config, families, facts);
  setup.store->allocate();
  setup.optimizer->allocate();
  setup.store->initialise(static_cast<std::uint64_t>(config.run.seed));
  return setup;
}

Batch random_batch(std::int64_t rows, std::int64_t seq_len, std::int64_t vocab_size, std::uint64_t seed) {
  RandomStream random(seed, "batch");
  Batch batch;
  batch.rows = rows;
  batch.seq_len = seq_len;
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int32_t document = 0;
    batch.samples.push_back(row);
    for (std::int64_t t = 0; t < seq_len; ++t) {
      if (t > 0 && random.below(8) == 0) ++document;
      batch.documents.push_back(document);
      batch.tokens.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocab_size))));
    }
  }
  for (std::size_t i = 0; i < batch.tokens.size(); ++i) {
    const bool row_end = (i + 1) % static_cast<std::size_t>(seq_len) == 0;
    const bool has_target = !row_end && batch.documents[i] == batch.documents[i + 1];
    batch.targets.push_back(has_target ? batch.tokens[i + 1] : -1);
    batch.target_count += has_target ? 1 : 0;
  }
  return batch;
}

}  // namespace ingot::testing
