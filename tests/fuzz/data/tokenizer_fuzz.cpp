// tokenizer.model: JSON of our own types and models of sentencepiece.

#include "data/support.h"
#include "fuzz/fuzz.h"

namespace ingot {

std::vector<std::string> fuzz::seeds() {
  const auto text = [](const char* yaml, const std::vector<std::string>& texts = {}) {
    return make_tokenizer(yaml, texts)->serialize();
  };
  const std::vector<std::string> texts{sample_text(400)};
  return {text("bytes"), text("{type: external, vocab_size: 300, eos: 2}"), text("characters", {"ab\xc3\xa9"}),
          text("{type: sentencepiece, vocab_size: 300}", texts),
          text("{type: sentencepiece, vocab_size: 300, model_type: unigram}", texts)};
}

std::vector<std::string> fuzz::words() {
  return {"[", "{\"a\":", "\"eos\":true", "\"characters\":\"x\"", "\xe2\x96\x81"};
}

}  // namespace ingot

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ingot;
  static const std::string text = sample_text(20) + "\n\n  \xff\xc3 \xe2\x96\x81";
  std::shared_ptr<const Tokenizer> tokenizer;
  const bool loaded = fuzz::accepts(ExitCode::kData, [&] {
    tokenizer = load_tokenizer(tokenizer_family(), fuzz::text_of(data, size), "input.model");
  });
  if (!loaded || !tokenizer->has_text()) return 0;
  fuzz::accepts(ExitCode::kData, [&] {
    for (const TokenId id : tokenizer->encode(text)) {
      fuzz::require(id >= 0 && id < tokenizer->vocab_size(), "ids lie in the vocabulary");
      tokenizer->piece(id);
    }
  });
  fuzz::require(!tokenizer->serialize().empty(), "a tokenizer can be saved");
  return 0;
}
