// Text that the model makes of the prompts.

#include "eval/generate.h"
#include "train/hooks/all.h"

namespace ingot {
namespace {

class SampleTexts final : public Hook {
 public:
  explicit SampleTexts(TrainRun& run) : run_(run) {}
  std::string name() const override { return "sample_texts"; }

  void after_evaluation(const std::vector<EvaluationResult>& /*results*/) override {
    for (const auto& prompt : run_.config.evaluation.prompts) show(prompt);
  }
  void end(ExitCode code) override {
    if (code != ExitCode::kDone) return;
    auto prompts = run_.config.evaluation.prompts;
    if (prompts.empty() && run_.data->document_opener()) prompts.push_back("");
    for (const auto& prompt : prompts) show(prompt);
  }

 private:
  void show(const std::string& prompt) {
    const auto& evaluation = run_.config.evaluation;
    const auto& tokenizer = run_.data->tokenizer();
    GenerateOptions options;
    options.max_tokens = evaluation.sample_tokens;
    options.temperature = 0.8;
    options.top_p = 0.95;
    options.seed = static_cast<std::uint64_t>(run_.config.run.seed);
    const auto start = sample_start(tokenizer, run_.data->document_opener(), prompt);
    const auto ids = generate(*run_.setup.model, start, tokenizer.eos(), options);
    run_.record.sample(run_.counters, prompt + tokenizer.decode(ids));
  }

  TrainRun& run_;
};

}  // namespace

std::unique_ptr<Hook> make_sample_texts(TrainRun& run) {
  return run.record.active() && run.data->tokenizer().has_text() ? std::make_unique<SampleTexts>(run) : nullptr;
}

}  // namespace ingot
