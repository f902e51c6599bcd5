#pragma once
// What a DataModule is made of; prepare.cpp fills it.

#include <memory>
#include <string>
#include <vector>

#include "data/data_module.h"
#include "data/sampling/sample_order.h"
#include "data/sampling/windows.h"

namespace ingot {

struct DataModule::Parts {
  struct Source {
    std::string name;
    Windows windows;
    std::optional<std::int64_t> text_bytes;
  };

  std::shared_ptr<const Tokenizer> tokenizer;
  std::int64_t seq_len = 0;
  std::vector<Source> sources;
  std::unique_ptr<SampleOrder> order;
  std::vector<ValidationSet> validation_sets;
  std::string identity;
  fs::path folder;
  std::vector<fs::path> folders;
};

}  // namespace ingot
