#pragma once
// Tokens back to text: what `ingot data text` writes.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "data/data_config.h"
#include "data/tokenizer.h"

namespace ingot {

class TokenStream;

/// What is put after each document so that the same rule finds the documents again; a newline where files are
/// documents.
std::string separator_of(const DocumentRule& rule);

struct ExportedText {
  std::int64_t documents = 0;
  std::int64_t bytes = 0;  // of the documents, separators not counted
};

/// Hands the documents of a stream, decoded and each followed by `separator`, to `write` piece by piece, in constant
/// memory. Throws DataError for a tokenizer without text.
ExportedText export_documents(const TokenStream& stream, const Tokenizer& tokenizer, const std::string& separator,
                              const std::function<void(std::string_view)>& write);

}  // namespace ingot
