#include "data/journal.h"

#include <nlohmann/json.hpp>

#include "data/checksum.h"

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

BuildState state_from(const json& j) {
  BuildState s;
  s.position = {j.at("segment"), j.at("offset"), j.at("inside"), j.at("line")};
  for (std::size_t i = 0; i < s.splits.size(); ++i) {
    const json& p = j.at("splits").at(i);
    s.splits[i] = {p.at(0), p.at(1), p.at(2), p.at(3)};
    s.text_bytes[i] = p.at(4);
  }
  s.open_split = j.at("open_split");
  s.open_text_bytes = j.at("open_text_bytes");
  s.is_dropping = j.at("dropping");
  s.bad_records = j.at("bad_records");
  s.bytes_consumed = j.at("consumed");
  s.is_finished = j.at("finished");
  return s;
}

/// A line is `<hash of the rest> <JSON>`: a line that was not written whole does not count.
std::string line_of(const json& j) {
  const std::string text = j.dump();
  return hash64(text) + " " + text + "\n";
}

std::optional<json> parse_line(std::string_view line) {
  if (line.size() < 18 || hash64(line.substr(17)) != line.substr(0, 16)) return std::nullopt;
  return json::parse(line.substr(17));
}

}  // namespace

Journal::Journal(const fs::path& folder, const std::string& settings) {
  const fs::path path = folder / kFileName;
  const json header{{"settings", settings}, {"version", kVersion}};
  std::string kept;
  if (fs::exists(path)) {
    const std::string text = read_file(path, ExitCode::kData);
    bool is_ours = false;
    for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
      const auto line = parse_line(std::string_view(text).substr(begin, end - begin));
      if (!line) break;
      if (begin == 0) is_ours = *line == header;
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
