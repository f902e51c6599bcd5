#include "data/shards/tokenize.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/stop_signals.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/usage.h"
#include "config/limits.h"
#include "config/reader.h"
#include "registry/lookup.h"
#include "run/progress.h"

namespace ingot {
namespace {

/// The settings as a config, so that one reader serves files and flags.
struct TokenizeSettings {
  TrainDataConfig input;
  OnBadRecord on_bad_record = OnBadRecord::kStop;
  Variant<TokenizerEntry> tokenizer;
};
void describe(Fields& f, TokenizeSettings& c) {
  f.field("input", c.input, "text and how it is read");
  describe_on_bad_record(f, c.on_bad_record);
  f.field("tokenizer", c.tokenizer, "tokenizer to make or train");
}

struct Options {
  std::vector<std::string> paths;
  std::string output;
  std::string tokenizer;
  std::string tokenizer_file;
  std::string documents;
  std::string format;
  std::string text_key;
  std::string on_bad_record;
  std::string shard;
  double validation_fraction = 0;
  std::optional<std::int64_t> workers;
  bool merge = false;
  bool json = false;
};

TokenizeRequest request_of(const Options& options, const Families& families) {
  if (options.tokenizer.empty() == options.tokenizer_file.empty()) {
    throw ConfigError(
        "tokenize: expected one of --tokenizer, such as '{type: sentencepiece, vocab_size: 8192}', and "
        "--tokenizer-file");
  }
  std::vector<std::string> overrides;
  if (!options.tokenizer.empty()) overrides.push_back(cat("tokenizer=", options.tokenizer));
  if (!options.documents.empty()) overrides.push_back(cat("input.documents=", options.documents));
  if (!options.format.empty()) overrides.push_back(cat("input.format=", options.format));
  if (!options.text_key.empty()) overrides.push_back(cat("input.text_key=", options.text_key));
  if (!options.on_bad_record.empty()) overrides.push_back(cat("on_bad_record=", options.on_bad_record));
  const auto document = Document::parse("{}", "command line", overrides);
  TokenizeSettings settings;
  Problems problems(document);
  read_config(document, FamiliesLookup(families), settings, problems);
  problems.throw_if_any();
  check_tokenizer_config(settings.tokenizer, problems, "tokenizer");
  problems.throw_if_any();
  TokenizeRequest request;
  request.input = settings.input;
  request.on_bad_record = settings.on_bad_record;
  static_cast<std::vector<std::string>&>(request.input.paths) = options.paths;
  request.tokenizer = settings.tokenizer;
  if (!options.tokenizer_file.empty()) request.tokenizer_file = options.tokenizer_file;
  request.output = options.output;
  if (options.validation_fraction > 0) request.validation_fraction = options.validation_fraction;
  if (options.workers) {
    if (*options.workers < 1 || *options.workers > kMostWorkers) {
      throw ConfigError(cat("--workers: ", *options.workers, ", expected 1..", kMostWorkers));
    }
    request.workers = options.workers;
  }
  if (!options.shard.empty()) {
    long long index = -1, count = -1;
    int used = 0;
    const bool parsed = std::sscanf(options.shard.c_str(), "%lld/%lld%n", &index, &count, &used) == 2 &&
                        used == static_cast<int>(options.shard.size());
    if (!parsed || index < 0 || index >= count) {
      throw ConfigError(cat("--shard: '", options.shard, "' is no part, expected i/n with 0 <= i < n, such as 0/4"));
    }
    request.shard = index;
    request.shards = count;
  }
  return request;
}

ExitCode run_tokenize(const Options& options, const Families& families) {
  TokenizeResult result;
  if (options.merge) {
    result = merge_shards(options.output);
  } else {
    if (options.paths.empty())
      throw ConfigError("tokenize: no text given, expected files, folders, globs, or - for JSONL on stdin");
    ProgressLine line;
    auto request = request_of(options, families);
    request.progress = [&line](const DataProgress& p) {
      line.show(progress_text(p));
      StopSignals::end_if_received("; what is done so far is kept, run the same command again to go on");
    };
    result = tokenize(request, families.get<TokenizerEntry>());
    line.clear();
  }
  if (options.json) {
    const nlohmann::ordered_json out = {{"folder", result.folder.string()},
                                        {"documents", result.documents},
                                        {"tokens", result.tokens},
                                        {"validation_documents", result.validation_documents},
                                        {"validation_tokens", result.validation_tokens},
                                        {"text_bytes", result.text_bytes},
                                        {"bad_records", result.bad_records},
                                        {"vocab_size", result.vocab_size},
                                        {"seconds", result.seconds}};
    print_result(out.dump(2));
  } else {
    print_result(
        cat(result.folder.string(), ": ", format_grouped(result.documents), " documents, ",
            format_grouped(result.tokens), " tokens of ", format_grouped(result.vocab_size), ", from ",
            format_bytes(static_cast<double>(result.text_bytes)), " of text",
            result.bad_records > 0 ? cat(", ", format_grouped(result.bad_records), " bad records left out") : "",
            result.was_complete ? " (was there already)" : cat(" in ", format_duration(result.seconds))));
  }
  return ExitCode::kDone;
}

}  // namespace

void add_tokenize(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("tokenize", "Turn text into token shards");
  auto options = std::make_shared<Options>();
  command->add_option("paths", options->paths, "files, folders, globs; - reads JSONL from stdin");
  command->add_option("--out", options->output, "folder for shards and tokenizer")->required();
  command->add_option("--tokenizer", options->tokenizer,
                      "a name, or settings such as '{type: sentencepiece, vocab_size: 8192}'");
  command->add_option("--tokenizer-file", options->tokenizer_file, "an existing tokenizer.model instead");
  command->add_option("--documents", options->documents, "file, line, blank_line, or '{separator: …}'");
  command->add_option("--format", options->format, "auto, text or jsonl");
  command->add_option("--text-key", options->text_key, "the key of a JSONL object that holds the text");
  command->add_option("--on-bad-record", options->on_bad_record,
                      "stop, or skip: leave out, count and report what is not UTF-8 or no JSON with text");
  command->add_option("--validation-fraction", options->validation_fraction, "share of documents held out")
      ->check(real_number(0, 1));
  command->add_option("--workers", options->workers, "threads; never changes the output")
      ->check(whole_number(1, limits::kThreads));
  command->add_option("--shard", options->shard, "this process's part, i/n");
  command->add_flag("--merge", options->merge, "join the parts in --out");
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot tokenize books/ --out shards --tokenizer '{type: sentencepiece, vocab_size: 8192}'");
  command->callback([&line, options] {
    line.stops_in_order = true;
    line.run = [&line, options] { return run_tokenize(*options, line.families); };
  });
}

}  // namespace ingot
