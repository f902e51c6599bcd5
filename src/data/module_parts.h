#pragma once
// What a DataModule is made of; prepare.cpp fills it.

#include <memory>
#include <string>
#include <vector>

#include "data/data_module.h"
#include "data/sample_order.h"
#include "data/token_stream.h"

namespace ingot {

struct DataModule::Parts {
  struct Source {
    std::string name;
    std::shared_ptr<const TokenStream> stream;
    std::optional<std::int64_t> text_bytes;
    std::int64_t windows = 0;
  };

  std::shared_ptr<const Tokenizer> tokenizer;
  std::int64_t seq_len = 0;
  bool reset_at_document = false;
  std::vector<Source> sources;
  std::unique_ptr<SampleOrder> order;
  std::vector<ValidationSet> validation_sets;
  std::shared_ptr<const std::vector<std::int32_t>> token_bytes;
  std::string identity;
  fs::path folder;
  std::vector<fs::path> folders;
};

}  // namespace ingot
