#include "data/support.h"

#include <stdlib.h>

#include <system_error>

#include "base/random.h"
#include "config/reader.h"
#include "registry/lookup.h"

namespace ingot {

void register_all_tokenizers(Family<TokenizerEntry>& family);

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "ingot-data-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(const std::string& name, std::string_view bytes) const {
  const fs::path file = path_ / name;
  fs::create_directories(file.parent_path());
  FileWriter writer(file, ExitCode::kOther);
  writer.write(bytes);
  writer.finish();
  return file;
}

const Families& data_families() {
  static const Families* families = [] {
    auto* all = new Families;
    register_all_tokenizers(all->add<TokenizerEntry>());
    return all;
  }();
  return *families;
}

const Family<TokenizerEntry>& tokenizer_family() { return data_families().get<TokenizerEntry>(); }

namespace {

struct TokenizerSection {
  Variant<TokenizerEntry> tokenizer;
};
void describe(Fields& f, TokenizerSection& c) { f.field("tokenizer", c.tokenizer, ""); }

template <class C>
C read_yaml(const std::string& yaml) {
  const Document document = Document::parse(yaml, "test.yaml");
  Problems problems(document);
  C config;
  read_config(document, FamiliesLookup(data_families()), config, problems);
  problems.throw_if_any();
  return config;
}

struct DataSection {
  DataConfig data;
};
void describe(Fields& f, DataSection& c) { f.field("data", c.data, ""); }

}  // namespace

Variant<TokenizerEntry> tokenizer_variant(const std::string& yaml) {
  return read_yaml<TokenizerSection>("tokenizer: " + yaml).tokenizer;
}

std::shared_ptr<const Tokenizer> make_tokenizer(const std::string& yaml, const std::vector<std::string>& texts) {
  const Variant<TokenizerEntry> variant = tokenizer_variant(yaml);
  return variant.entry().make(variant.settings(), [&texts](const std::function<void(std::string_view)>& add) {
    for (const std::string& text : texts) add(text);
  });
}

DataConfig data_config(const std::string& yaml, const std::vector<std::string>& overrides) {
  const Document document = Document::parse("data: " + yaml, "test.yaml", overrides);
  Problems problems(document);
  DataSection config;
  read_config(document, FamiliesLookup(data_families()), config, problems);
  check_data_config(config.data, problems);
  problems.throw_if_any();
  return config.data;
}

std::string sample_text(std::size_t words, std::uint64_t seed) {
  static const char* const kWords[] = {"the",    "river", "stone",  "of",     "light",  "and",   "carries", "small",
                                       "boats",  "under", "bridge", "night",  "9",      "12",    "it's",    "naïve",
                                       "façade", "日本",  "語",     "writes", "letter", "quick", "brown",   "fox"};
  static const char* const kGaps[] = {" ", " ", " ", " ", " ", ", ", ". ", "\n", ".\n\n", "  ", "\t", " (", ") "};
  RandomStream random(seed, "sample text");
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += kWords[random.below(std::size(kWords))];
    text += kGaps[random.below(std::size(kGaps))];
  }
  return text;
}

DataModule prepare(const std::string& yaml, const fs::path& run_dir, std::uint64_t seed, bool may_build) {
  return prepare_data(data_config(yaml), tokenizer_family(),
                      {.run_dir = run_dir, .seed = seed, .may_build = may_build, .progress = {}});
}

std::string numbered_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += "document " + std::to_string(i) + " " + std::string(static_cast<std::size_t>(i * 7 % 23), 'x') + "\n";
  }
  return text;
}

std::vector<std::string> hostile_texts() {
  using namespace std::string_literals;
  std::vector<std::string> texts = {"",
                                    " ",
                                    "\n",
                                    "\t",
                                    "   ",
                                    "\n\n\n",
                                    "a",
                                    " a",
                                    "a ",
                                    "  a  b   c    ",
                                    "a\n b\n\n  c\n\n\n\td\r\ne",
                                    "\r\n\r\n",
                                    "tab\tin\t\twords",
                                    "nul\0in\0\0text"s,
                                    "\xE2\x96\x81",                       // sentencepiece's own space
                                    "a\xE2\x96\x81\xE2\x96\x81 b",        //
                                    "\xE2\x96\x85 \xE2\x81\x87",          // its unknown signs
                                    "<s></s><unk><0x41>",                 // its special pieces, as text
                                    "\xFF\xFE",                           // no UTF-8 at all
                                    "caf\xC3",                            // cut
                                    "a\xC0\xAF z",                        // overlong
                                    "\xED\xA0\x80",                       // a surrogate
                                    "\xF4\x90\x80\x80",                   // beyond U+10FFFF
                                    "\xEF\xBF\xBD and \xEF\xBB\xBF BOM",  // replacement character, byte order mark
                                    "e\xCC\x81 \xC3\xA9 \xEF\xAC\x81",  // combining, composed, ligature: not normalised
                                    "\xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x91\xA9",
                                    "\xC2\xA0\xE3\x80\x80\xE2\x80\x89",  // other spaces
                                    std::string(20000, 'x'),
                                    std::string(20000, ' ') + "y",
                                    std::string(5000, '\n'),
                                    sample_text(3000, 7)};
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  texts.push_back(all);
  return texts;
}

}  // namespace ingot
