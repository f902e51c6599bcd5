#include "data/shards/document_export.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "data/shards/token_stream.h"

namespace ingot {
namespace {

constexpr std::int64_t kTokensAtOnce = 1 << 16;

}  // namespace

std::string separator_of(const DocumentRule& rule) {
  switch (rule.kind) {
    case DocumentRule::Kind::kBlankLine:
      return "\n\n";
    case DocumentRule::Kind::kSeparator:
      return rule.separator;
    case DocumentRule::Kind::kFile:
    case DocumentRule::Kind::kLine:
      break;
  }
  return "\n";
}

ExportedText export_documents(const TokenStream& stream, const Tokenizer& tokenizer, const std::string& separator,
                              const std::function<void(std::string_view)>& write) {
  if (!tokenizer.has_text()) throw DataError("tokens of the tokenizer 'external' have no text");
  ExportedText exported;
  std::vector<TokenId> ids;
  for (std::int64_t first = 0; first < stream.tokens(); first += kTokensAtOnce) {
    const std::int64_t end = std::min(first + kTokensAtOnce, stream.tokens());
    ids.resize(static_cast<std::size_t>(end - first));
    stream.read(first, end - first, ids.data());
    std::vector<std::int64_t> bounds = stream.document_starts(first, end);
    bounds.push_back(end);
    std::int64_t begin = first;
    for (const std::int64_t bound : bounds) {
      const auto part = std::span<const TokenId>(ids).subspan(static_cast<std::size_t>(begin - first),
                                                              static_cast<std::size_t>(bound - begin));
      const std::string text = tokenizer.decode(part);
      exported.bytes += std::ssize(text);
      write(text);
      if (bound == end) break;
      if (bound > 0) write(separator);
      ++exported.documents;
      begin = bound;
    }
  }
  if (exported.documents > 0) write(separator);
  return exported;
}

}  // namespace ingot
