#pragma once
// Text of others (file names, samples of a model, contents that an error quotes) on a terminal, in a log or in a
// message.

#include <string>
#include <string_view>

namespace ingot {

/// The text with everything written out that a terminal would act on instead of showing it: control characters but line
/// ends and tabs (`\x1B`), characters that reorder or break lines (`\u202E`), bytes that are not UTF-8 (`\xE9`).
std::string printable(std::string_view text);

/// The same for text that comes in pieces, which may end within a character.
class PrintableStream {
 public:
  std::string add(std::string_view piece);
  /// What is left of a character that never ended.
  std::string finish();

 private:
  std::string cut_;
};

}  // namespace ingot
