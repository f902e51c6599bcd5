#include "data/text/document_text.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "data/text/block_reader.h"
#include "data/text/byte_stream.h"
#include "data/text/text_kind.h"
#include "data/text/utf8.h"

namespace ingot {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string name_of(const Segment& segment) {
  return segment.file.path.empty() ? "standard input" : segment.file.path.string();
}

/// Where the text of a block begins: a mark of byte order at the start of a file is no part of it.
std::size_t text_begin(const TextBlock& block) {
  return block.offset == 0 && block.bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
}

/// Of the first `bytes` bytes of a plain file.
std::int64_t newlines_before(const fs::path& path, std::int64_t bytes) {
  const auto file = open_plain_file(path);
  std::string buffer(std::size_t{1} << 18, '\0');
  std::int64_t lines = 0;
  while (bytes > 0) {
    const auto want = static_cast<std::size_t>(std::min<std::int64_t>(bytes, std::ssize(buffer)));
    const std::size_t got = file->read(buffer.data(), want);
    if (got == 0) break;
    lines += std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got), '\n');
    bytes -= static_cast<std::int64_t>(got);
  }
  return lines;
}

/// Why a piece of text cannot be used, and the byte of it: NUL, or no UTF-8. nullopt: it can.
struct Flaw {
  std::size_t at = 0;
  std::string what;
};
std::optional<Flaw> flaw_of(std::string_view text) {
  const std::size_t nul = std::min(text.find('\0'), text.size());
  const std::size_t at = std::min(nul, valid_utf8_prefix(text));
  if (at == text.size()) return std::nullopt;
  return Flaw{at, at == nul ? "a NUL byte" : "not UTF-8"};
}

/// Hands records to their users, and bad ones too or throws.
class RecordSink {
 public:
  RecordSink(const TextBlock& block, const Segment& segment, const std::function<void(const DocumentPart&)>& use,
             const std::function<void(const BadRecord&)>& use_bad)
      : block_(block), segment_(segment), use_(use), use_bad_(use_bad) {}

  void use(const DocumentPart& part) const { use_(part); }
  /// `offset`: of the byte that is wrong, in the unpacked file.
  void fail(std::int64_t offset, const std::string& why, bool begins = true, bool ends = true) const {
    BadRecord record{place_in(block_, segment_, offset) + ": " + why, begins, ends};
    if (!use_bad_) throw DataError(record.message);
    use_bad_(record);
  }
  /// `at`: the offset of `text`.
  void fail_text(std::string_view text, std::int64_t at, const Flaw& flaw, bool begins, bool ends) const {
    std::string why = flaw.what + ", expected a text file in UTF-8";
    const std::string seems = at == 0 ? describe_foreign(text) : "";
    if (!seems.empty()) why += " (" + seems + ")";
    fail(at + static_cast<std::int64_t>(flaw.at), why, begins, ends);
  }

 private:
  const TextBlock& block_;
  const Segment& segment_;
  const std::function<void(const DocumentPart&)>& use_;
  const std::function<void(const BadRecord&)>& use_bad_;
};

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
    error_ = "not JSON";
    error_at_ = std::max<std::size_t>(position, 1) - 1;
    return false;
  }

  bool found() const { return found_; }
  const std::string& text() const { return text_; }
  /// The byte of the line that is wrong, 0 if it is the line as a whole.
  std::size_t error_at() const { return error_at_; }
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
  std::size_t error_at_ = 0;
  std::vector<std::string> others_;
};

void use_line(std::string_view line, std::int64_t offset, const std::string& text_key, const RecordSink& sink) {
  if (const auto flaw = flaw_of(line)) return sink.fail_text(line, offset, *flaw, true, true);
  TextFinder finder(text_key);
  const bool is_json = nlohmann::json::sax_parse(line.begin(), line.end(), &finder);
  if (!is_json || !finder.found()) {
    return sink.fail(offset + static_cast<std::int64_t>(finder.error_at()), finder.error());
  }
  if (!is_blank(finder.text())) sink.use({finder.text(), true, true, offset});
}

void for_each_line(const TextBlock& block, const std::string& text_key, const RecordSink& sink) {
  const std::string_view bytes = block.bytes;
  std::size_t begin = text_begin(block);
  while (begin < bytes.size()) {
    const std::size_t newline = std::min(bytes.find('\n', begin), bytes.size());
    const std::string_view line = bytes.substr(begin, newline - begin);
    if (!is_blank(line)) use_line(line, block.offset + static_cast<std::int64_t>(begin), text_key, sink);
    begin = newline + 1;
  }
}

/// Where a separator that begins at text[at] ends, npos if none does. Its newlines stand for both forms of a line's
/// end.
std::size_t separator_end(std::string_view text, std::size_t at, std::string_view separator) {
  for (const char c : separator) {
    if (c == '\n' && text.substr(at).starts_with("\r\n")) ++at;
    if (at >= text.size() || text[at] != c) return text.npos;
    ++at;
  }
  return at;
}

Border next_separator(std::string_view text, std::size_t from, std::string_view separator) {
  const std::size_t newline = separator.find('\n');
  if (newline == separator.npos) {
    const std::size_t at = text.find(separator, from);
    return at == text.npos ? Border{} : Border{at, at + separator.size()};
  }
  // What stands before the first newline is found as it is; a border that begins with one begins with its \r.
  const std::string_view head = separator.substr(0, std::max<std::size_t>(newline, 1));
  for (std::size_t at = text.find(head, from); at != text.npos; at = text.find(head, at + 1)) {
    const std::size_t end = separator_end(text, at, separator);
    if (end == text.npos) continue;
    const bool is_crlf = newline == 0 && at > from && text[at - 1] == '\r';
    return {is_crlf ? at - 1 : at, end};
  }
  return {};
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
    case DocumentRule::Kind::kSeparator:
      return next_separator(text, from, rule.separator);
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

std::string place_in(const TextBlock& block, const Segment& segment, std::int64_t offset) {
  const auto in_block = static_cast<std::size_t>(offset - block.offset);
  const std::int64_t line =
      segment.begin > 0 ? 1 + newlines_before(segment.file.path, offset)
                        : block.line + std::count(block.bytes.begin(),
                                                  block.bytes.begin() + static_cast<std::ptrdiff_t>(in_block), '\n');
  return cat(name_of(segment), ":", line, ": byte ", offset);
}

void for_each_document(const TextBlock& block, const Segment& segment, const DocumentRule& documents,
                       const std::string& text_key, const std::function<void(const DocumentPart&)>& use,
                       const std::function<void(const BadRecord&)>& use_bad) {
  const RecordSink sink(block, segment, use, use_bad);
  if (segment.is_jsonl) return for_each_line(block, text_key, sink);
  const std::string_view text = block.bytes;
  std::size_t begin = text_begin(block);
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
    if (const auto flaw = flaw_of(part.text)) {
      sink.fail_text(part.text, part.offset, *flaw, part.begins, part.ends);
    } else if (!(part.begins && part.ends && is_blank(part.text))) {
      use(part);
    }
    continues = false;
    if (is_last) break;
    begin = border.end;
  }
}

}  // namespace ingot
