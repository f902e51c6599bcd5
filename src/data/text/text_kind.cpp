#include "data/text/text_kind.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/text/byte_stream.h"
#include "data/text/utf8.h"

namespace ingot {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::size_t offset;
  std::string_view bytes;
  const char* what;
};

// Of two that fit, the longer stands first.
constexpr Magic kMagics[] = {
    {0, "\xFF\xFE\0\0"sv, "text in UTF-32: convert it, as with iconv -f UTF-32 -t UTF-8"},
    {0, "\0\0\xFE\xFF"sv, "text in UTF-32: convert it, as with iconv -f UTF-32 -t UTF-8"},
    {0, "\xFF\xFE"sv, "text in UTF-16: convert it, as with iconv -f UTF-16 -t UTF-8"},
    {0, "\xFE\xFF"sv, "text in UTF-16: convert it, as with iconv -f UTF-16 -t UTF-8"},
    {0, "\x1F\x8B"sv, "gzip data: unpack it first"},  // within packed data, or on standard input
    {0, "\x28\xB5\x2F\xFD"sv, "zstd data: unpack it first"},
    {0, "BZh"sv, "bzip2 data: unpack it first, or pack it with gzip or zstd"},
    {0,
     "\xFD"
     "7zXZ\0"sv,
     "xz data: unpack it first, or pack it with gzip or zstd"},
    {0, "\x04\x22\x4D\x18"sv, "lz4 data: unpack it first, or pack it with gzip or zstd"},
    {0, "PK\x03\x04"sv, "a zip archive: unpack it first"},
    {0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive: unpack it first"},
    {257, "ustar"sv, "a tar archive: unpack it into a folder first"},
    {0, "PAR1"sv, "Parquet: export it as JSON lines first"},
    {0, "ARROW1"sv, "Arrow: export it as JSON lines first"},
    {0, "\x93NUMPY"sv, "a NumPy array: token ids need a header, see llm.c's or Megatron's format"},
    {0, "%PDF-"sv, "a PDF: extract its text first"},
    {0, "MMIDIDX\0"sv, "the index of token shards in Megatron's format"},
};

/// UTF-16 without a mark: every other byte of plain Latin text is NUL.
std::string_view unmarked_utf16(std::string_view head) {
  if (head.size() < 4 || head.size() % 2 != 0) return "";
  for (const std::size_t nul : {std::size_t{1}, std::size_t{0}}) {
    bool fits = true;
    for (std::size_t i = 0; fits && i < std::min<std::size_t>(head.size(), 64); i += 2) {
      const auto letter = static_cast<unsigned char>(head[i + 1 - nul]);
      fits = head[i + nul] == '\0' && letter < 0x80 && (letter >= ' ' || letter == '\n' || letter == '\r');
    }
    if (fits) return nul == 1 ? "UTF-16LE" : "UTF-16BE";
  }
  return "";
}

}  // namespace

std::string read_head(const fs::path& path, std::size_t size) {
  std::string head(size, '\0');
  head.resize(open_byte_stream(path)->read(head.data(), size));
  return head;
}

std::string describe_foreign(std::string_view head) {
  for (const Magic& magic : kMagics) {
    if (head.size() > magic.offset && head.substr(magic.offset).starts_with(magic.bytes)) {
      return std::string("it seems to be ") + magic.what;
    }
  }
  if (const std::string encoding(unmarked_utf16(head.substr(0, 64))); !encoding.empty()) {
    return "it seems to be text in UTF-16: convert it, as with iconv -f " + encoding + " -t UTF-8";
  }
  return "";
}

JsonUse json_use(std::string_view head) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (head.starts_with(kByteOrderMark)) head.remove_prefix(kByteOrderMark.size());
  const std::size_t first = head.find_first_not_of(" \t\r\n");
  if (first == head.npos || (head[first] != '{' && head[first] != '[')) return JsonUse::kNone;
  const std::size_t newline = head.find('\n', first);
  const std::string_view line = head.substr(first, newline == head.npos ? head.npos : newline - first);
  const bool is_whole = newline != head.npos || nlohmann::json::accept(line);
  if (head[first] == '{' && (!is_whole || nlohmann::json::accept(line))) return JsonUse::kLines;
  // Prose may begin with a bracket: `[Chapter 1]`, `{{Infobox`.
  const std::size_t next = head.find_first_not_of(" \t\r\n", first + 1);
  const bool looks_like_json = next != head.npos && std::string_view("\"{[]}").find(head[next]) != head.npos;
  return looks_like_json && head.substr(first, 2) != "{{" && head.substr(first, 2) != "[[" ? JsonUse::kDocument
                                                                                           : JsonUse::kNone;
}

bool is_text(std::string_view head) {
  if (head.find('\0') != head.npos) return false;
  const std::string_view rest = head.substr(valid_utf8_prefix(head));
  return rest.empty() || is_cut_code_point(rest);
}

}  // namespace ingot
