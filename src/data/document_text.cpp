#include "data/document_text.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "data/block_reader.h"
#include "data/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string name_of(const Segment& segment) {
  return segment.file.path.empty() ? "standard input" : segment.file.path.string();
}

[[noreturn]] void fail(const Segment& segment, std::int64_t offset, const std::string& message) {
  throw DataError(cat(name_of(segment), ": byte ", offset, ": ", message));
}

void require_text(const TextBlock& block, const Segment& segment) {
  const void* nul = std::memchr(block.bytes.data(), 0, block.bytes.size());
  const std::size_t nul_at = nul == nullptr
                                 ? block.bytes.size()
                                 : static_cast<std::size_t>(static_cast<const char*>(nul) - block.bytes.data());
  const std::size_t valid = valid_utf8_prefix(block.bytes);
  const std::size_t at = std::min(nul_at, valid);
  if (at == block.bytes.size()) return;
  const std::string what = at == nul_at ? "a NUL byte" : "not UTF-8";
  fail(segment, block.offset + static_cast<std::int64_t>(at), what + ", expected a text file in UTF-8");
}

/// Border of blank lines: a newline, then one or more lines of blanks.
Border next_blank_lines(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find('\n', from); at != text.npos; at = text.find('\n', at + 1)) {
    std::size_t end = at + 1;
    std::size_t i = end;
    while (i < text.size() && std::strchr(" \t\r\n", text[i]) != nullptr) {
      ++i;
      if (text[i - 1] == '\n') end = i;
    }
    if (end > at + 1) return {at, end};
  }
  return {};
}

/// Blank lines at the start and the end of a file belong to no document of the rule `blank_line`.
void trim_blank_lines(DocumentPart& part) {
  if (part.begins) {
    const std::size_t blank = std::min(part.text.find_first_not_of("\r\n"), part.text.size());
    part.text.remove_prefix(blank);
    part.offset += static_cast<std::int64_t>(blank);
  }
  if (part.ends) part.text = part.text.substr(0, part.text.find_last_not_of("\r\n") + 1);
}

/// Takes the text out of one JSON object without building the rest.
class TextFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TextFinder(const std::string& key) : key_(key) {}

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a boolean"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool binary(binary_t&) override { return value("binary"); }
  bool string(string_t& text) override {
    if (depth_ == 1 && is_wanted_) {
      text_ = std::move(text);
      found_ = true;
      return true;
    }
    return value("a string");
  }
  bool start_object(std::size_t) override { return open("an object"); }
  bool start_array(std::size_t) override { return open("a list"); }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      is_wanted_ = name == key_;
      if (!is_wanted_) others_.push_back(std::move(name));
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error_ = cat("not JSON from character ", position, " of the line on");
    return false;
  }

  bool found() const { return found_; }
  const std::string& text() const { return text_; }
  std::string error() const {
    if (!error_.empty()) return error_ + ", expected an object with the key '" + key_ + "'";
    return "no key '" + key_ + "'" + did_you_mean(key_, others_) + ", expected an object with text under this key";
  }

 private:
  bool value(const char* kind) {
    if (depth_ == 0) return error_ = std::string(kind), false;
    if (depth_ == 1 && is_wanted_) return error_ = "'" + key_ + "' is " + kind + " and no text", false;
    return true;
  }
  bool open(const char* kind) {
    const bool is_root_object = depth_ == 0 && std::strcmp(kind, "an object") == 0;
    if (!is_root_object && !value(kind)) return false;
    ++depth_;
    return true;
  }

  const std::string& key_;
  int depth_ = 0;
  bool is_wanted_ = false;
  bool found_ = false;
  std::string text_;
  std::string error_;
  std::vector<std::string> others_;
};

void for_each_line(const TextBlock& block, const Segment& segment, const std::string& text_key,
                   const std::function<void(const DocumentPart&)>& use) {
  std::size_t begin = block.offset == 0 && block.bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::string_view bytes = block.bytes;
  while (begin < bytes.size()) {
    const std::size_t newline = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line = bytes.substr(begin, newline - begin);
    const std::int64_t offset = block.offset + static_cast<std::int64_t>(begin);
    begin = newline + 1;
    if (is_blank(line)) continue;
    TextFinder finder(text_key);
    const bool is_json = nlohmann::json::sax_parse(line.begin(), line.end(), &finder);
    if (!is_json || !finder.found()) fail(segment, offset, finder.error());
    if (!is_blank(finder.text())) use({finder.text(), true, true, offset});
  }
}

}  // namespace

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

Border next_border(std::string_view text, std::size_t from, const DocumentRule& rule) {
  switch (rule.kind) {
    case DocumentRule::Kind::kFile:
      return {};
    case DocumentRule::Kind::kLine: {
      const std::size_t at = text.find('\n', from);
      if (at == text.npos) return {};
      return {at > from && text[at - 1] == '\r' ? at - 1 : at, at + 1};
    }
    case DocumentRule::Kind::kBlankLine:
      return next_blank_lines(text, from);
    case DocumentRule::Kind::kSeparator: {
      const std::size_t at = text.find(rule.separator, from);
      return at == text.npos ? Border{} : Border{at, at + rule.separator.size()};
    }
  }
  return {};
}

std::size_t last_document_end(std::string_view text, std::size_t limit, const DocumentRule& rule) {
  std::size_t end = 0;
  for (Border border = next_border(text, 0, rule); border.begin <= limit; border = next_border(text, end, rule)) {
    end = border.end;
  }
  return end;
}

void for_each_document(const TextBlock& block, const Segment& segment, const DocumentRule& documents,
                       const std::string& text_key, const std::function<void(const DocumentPart&)>& use) {
  require_text(block, segment);
  if (segment.is_jsonl) return for_each_line(block, segment, text_key, use);
  const std::string_view text = block.bytes;
  std::size_t begin = block.offset == 0 && text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  bool continues = block.continues;
  while (begin < text.size() || continues) {
    const Border border = begin < text.size() ? next_border(text, begin, documents) : Border{};
    const bool is_last = border.begin == text.npos;
    DocumentPart part;
    part.text = text.substr(begin, is_last ? text.npos : border.begin - begin);
    part.begins = !continues;
    part.ends = !is_last || !block.unfinished;
    part.offset = block.offset + static_cast<std::int64_t>(begin);
    if (documents.kind == DocumentRule::Kind::kBlankLine) trim_blank_lines(part);
    if (!(part.begins && part.ends && is_blank(part.text))) use(part);
    continues = false;
    if (is_last) break;
    begin = border.end;
  }
}

}  // namespace ingot
