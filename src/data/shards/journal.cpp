#include "data/shards/journal.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "data/shards/checksum.h"
#include "data/shards/token_shard.h"

namespace ingot {
namespace {

using nlohmann::json;

constexpr int kVersion = 2;  // of the states; a journal of another version is begun anew

json to_json(const BuildState& s) {
  json splits = json::array();
  for (std::size_t i = 0; i < s.splits.size(); ++i) {
    const MegatronProgress& p = s.splits[i];
    splits.push_back({p.tokens, p.documents, p.open_document, p.largest_id, s.text_bytes[i]});
  }
  return {{"segment", s.position.segment},
          {"offset", s.position.offset},
          {"inside", s.position.inside_document},
          {"line", s.position.line},
          {"splits", splits},
          {"open_split", s.open_split},
          {"open_text_bytes", s.open_text_bytes},
          {"dropping", s.is_dropping},
          {"bad_records", s.bad_records},
          {"consumed", s.bytes_consumed},
          {"finished", s.is_finished}};
}

BuildState state_from(const JsonValue& j) {
  BuildState s;
  s.position.segment = static_cast<std::size_t>(j.at("segment").whole(0, kMostTokens));
  s.position.offset = j.at("offset").whole(0, kMostTokens);
  s.position.inside_document = j.at("inside").flag();
  s.position.line = j.at("line").whole(0, kMostTokens);
  const auto splits = j.at("splits").items();
  if (splits.size() != s.splits.size()) j.at("splits").expected("two lists");
  for (std::size_t i = 0; i < s.splits.size(); ++i) {
    const auto p = splits[i].items();
    if (p.size() != 5) splits[i].expected("five numbers");
    s.splits[i] = {p[0].whole(0, kMostTokens), p[1].whole(0, kMostTokens), p[2].whole(0, INT32_MAX),
                   p[3].whole(-1, INT32_MAX)};
    s.text_bytes[i] = p[4].whole(0, kMostTokens);
  }
  s.open_split = j.at("open_split").whole(0, 1);
  s.open_text_bytes = j.at("open_text_bytes").whole(0, kMostTokens);
  s.is_dropping = j.at("dropping").flag();
  s.bad_records = j.at("bad_records").whole(0, kMostTokens);
  s.bytes_consumed = j.at("consumed").whole(0, kMostTokens);
  s.is_finished = j.at("finished").flag();
  return s;
}

/// A line is `<hash of the rest> <JSON>`: a line that was not written whole does not count.
std::string line_of(const json& j) {
  const std::string text = j.dump();
  return hash64(text) + " " + text + "\n";
}

std::optional<JsonValue> parse_line(std::string_view line, const fs::path& path, int number) {
  if (line.size() < 18 || hash64(line.substr(17)) != line.substr(0, 16)) return std::nullopt;
  return JsonValue::parse(line.substr(17), {path.string(), ExitCode::kData, number});
}

}  // namespace

Journal::Journal(const fs::path& folder, const std::string& settings) {
  const fs::path path = folder / kFileName;
  const json header{{"settings", settings}, {"version", kVersion}};
  std::string kept;
  if (fs::exists(path)) {
    const std::string text = read_file(path, ExitCode::kData);
    bool is_ours = false;
    int number = 1;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      const auto line = parse_line(std::string_view(text).substr(begin, end - begin), path, number++);
      if (!line) break;
      if (begin == 0) is_ours = line->raw() == header;
      if (!is_ours) break;
      if (begin > 0) last_ = state_from(*line);
    }
  }
  // Begun anew, so that a torn line cannot come before good ones.
  kept = line_of(header);
  if (last_) kept += line_of(to_json(*last_));
  write_file_atomic(path, kept, ExitCode::kData);
  file_ = std::make_unique<FileWriter>(path, ExitCode::kData, FileWriter::Mode::kAppend);
}

void Journal::commit(const BuildState& state) {
  file_->write(line_of(to_json(state)));
  file_->sync();
  last_ = state;
}

}  // namespace ingot
