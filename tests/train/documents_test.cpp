// Training, scoring and sampling see the same documents.

#include <ATen/core/TensorBody.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "data/data_module.h"
#include "eval/batch_tensors.h"
#include "eval/evaluate.h"
#include "eval/generate.h"
#include "support/temp_dir.h"
#include "support/tolerance.h"
#include "train/families.h"
#include "train/samples.h"
#include "train/step.h"

namespace ingot {
namespace {

using namespace testing;

constexpr std::int64_t kVocab = 257;

Tolerance model_tolerance() { return Tolerance::of(at::kDouble).reduction(64).chain(64); }

/// A small hybrid with meta tokens on text of one document a line.
class Documents : public ::testing::Test {
 protected:
  Documents() { write_raw(folder / "text.txt", text); }

  DataModule open(const std::string& documents) const {
    const std::vector<std::string> overrides = {"data.train.paths=" + (folder / "text.txt").string(),
                                                "data.train.documents=" + documents,
                                                "data.validation.paths=" + (folder / "text.txt").string()};
    return prepare_data(tiny_config(families, overrides).data, families.get<TokenizerEntry>(),
                        {.run_dir = folder / documents});
  }

  const std::string text = "at noon\nthe miller walked to the harbour\nand slept\nuntil the bell of the ship rang\n";
  TempDir folder;
  Families families = make_families();
  TrainSetup setup = allocated_setup(tiny_config(families), families, kVocab);
};

TEST_F(Documents, ADocumentInARowIsWhatASampleWithoutPromptGoesThrough) {
  c10::NoGradGuard no_grad;
  const auto data = open("line");
  const auto& model = *setup.model;
  const auto start = sample_start(data.tokenizer(), data.document_opener(), "");
  const auto batch = data.make_batch(0, 2);
  const auto tensors = to_tensors(batch, true);
  const auto hidden = model.forward(tensors.tokens, tensors.documents, false);
  int whole = 0;
  for (std::int64_t row = 0; row < batch.rows; ++row) {
    const auto at = [&](std::int64_t i) { return static_cast<std::size_t>(row * batch.seq_len + i); };
    for (std::int64_t begin = 0, end; begin < batch.seq_len; begin = end) {
      end = begin + 1;
      while (end < batch.seq_len && batch.documents[at(end)] == batch.documents[at(begin)]) ++end;
      auto state = model.begin_decode(1);
      const auto alone = model.prefill(tensors.tokens[row].slice(0, begin, end).unsqueeze(0), state);
      EXPECT_TRUE(close(hidden[row].slice(0, begin, end).unsqueeze(0), alone, model_tolerance()));
      if (begin == 0) continue;  // may begin within a document
      ++whole;
      EXPECT_EQ(batch.tokens[at(begin)], start.front());
      EXPECT_GE(batch.targets[at(begin)], 0) << "the first token of the document";
    }
  }
  EXPECT_GT(whole, 1);
}

TEST_F(Documents, ATextIsScoredLikeAHeldOutSetThatHoldsItAlone) {
  const auto data = open("file");
  const auto& set = data.validation_sets().front();
  EvaluationOptions options;
  options.reset_at_document = true;
  World alone;
  const auto held_out = evaluate(*setup.model, set, options, alone);
  const auto bytes = static_cast<std::int64_t>(text.size());
  EXPECT_EQ(held_out.bytes, bytes);
  EXPECT_EQ(held_out.tokens, bytes + 1) << "and the end of the document";

  const auto scored = evaluate_text(*setup.model, text, data.document_opener(), data.seq_len(), data.tokenizer());
  EXPECT_EQ(scored.bytes, bytes);
  EXPECT_EQ(scored.tokens, bytes);

  // The same ids with nothing added.
  auto ids = data.tokenizer().encode(text);
  ids.insert(ids.begin(), *data.tokenizer().eos());
  const auto given = evaluate_ids(*setup.model, ids, data.seq_len(), data.tokenizer());
  EXPECT_EQ(given.tokens, bytes);
  EXPECT_DOUBLE_EQ(given.loss, scored.loss);
  ids.push_back(*data.tokenizer().eos());
  const auto ended = evaluate_ids(*setup.model, ids, data.seq_len(), data.tokenizer());
  EXPECT_EQ(ended.tokens, held_out.tokens);
  EXPECT_NEAR(ended.loss, held_out.loss, 1e-9);
}

TEST_F(Documents, WithoutAnOpenerTheFirstTokenOfATextIsNotScored) {
  const auto data = open("file");
  const auto scored = evaluate_text(*setup.model, text, {}, data.seq_len(), data.tokenizer());
  EXPECT_EQ(scored.tokens, static_cast<std::int64_t>(text.size()) - 1);
  EXPECT_EQ(scored.bytes, static_cast<std::int64_t>(text.size()) - 1);
  EXPECT_THROW(evaluate_text(*setup.model, "a", {}, data.seq_len(), data.tokenizer()), DataError);
  EXPECT_EQ(evaluate_text(*setup.model, "a", data.document_opener(), data.seq_len(), data.tokenizer()).tokens, 1);
  EXPECT_THROW(sample_start(data.tokenizer(), {}, ""), ConfigError);
}

}  // namespace
}  // namespace ingot
