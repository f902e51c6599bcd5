#pragma once
// What was asked for, as JSON with sorted keys: equal settings, equal text.

#include <string>

#include "data/data_config.h"
#include "data/shards/corpus_scan.h"

namespace ingot {

/// {"type": …, "field": "value as a dump writes it", …}.
std::string tokenizer_settings(const Variant<TokenizerEntry>& tokenizer);

/// Paths, format, text key, and what happens to bad records where that is not to stop.
std::string corpus_settings(const CorpusConfig& corpus, OnBadRecord on_bad_record);

}  // namespace ingot
