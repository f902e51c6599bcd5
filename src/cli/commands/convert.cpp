#include "convert/convert.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "cli/command.h"
#include "cli/trained_option.h"
#include "cli/usage.h"

namespace ingot {
namespace {

struct Options {
  std::string run;
  std::string out;
  ConvertTo form = ConvertTo::kFolded;
  WeightsKind weights = WeightsKind::kToEvaluate;
  bool json = false;
};

const std::map<std::string, ConvertTo>& form_names() {
  static const std::map<std::string, ConvertTo> kNames = {{"folded", ConvertTo::kFolded},
                                                          {"rms_norm", ConvertTo::kRmsNorm},
                                                          {"crms_norm", ConvertTo::kCrmsNorm},
                                                          {"norm_free", ConvertTo::kNormFree}};
  return kNames;
}

ExitCode convert(const Options& options, const Families& families) {
  const auto converted = convert_model(options.run, options.form, options.out, families, options.weights);
  if (options.json) {
    const nlohmann::ordered_json out = {{"checkpoint", converted.checkpoint.string()},
                                        {"parameters_before", converted.parameters_before},
                                        {"parameters_after", converted.parameters_after}};
    print_result(out.dump(2));
  } else {
    print_result(cat(converted.checkpoint.string(), ": ", format_grouped(converted.parameters_after),
                     " parameters, before ", format_grouped(converted.parameters_before)));
  }
  return ExitCode::kDone;
}

}  // namespace

void add_convert(CLI::App& app, CommandLine& line) {
  auto* command = app.add_subcommand("convert", "Write a trained model in another form with the same logits");
  auto options = std::make_shared<Options>();
  command->add_option("run", options->run, "run or checkpoint directory")->required();
  command
      ->add_option(
          "--to", options->form,
          "folded: gains of norms become part of the products that follow; rms_norm: LayerNorms become RMSNorms; "
          "crms_norm: these CRMSNorms, the stream one channel narrower; norm_free: norms that training froze "
          "(frozen_norm) become part of the products that follow")
      ->required()
      ->transform(choice(form_names()).description(""));
  command->add_option("--out", options->out, "directory of the new run")->required();
  add_trained(*command, options->weights);
  command->add_flag("--json", options->json, "one JSON document");
  command->footer("Example: ingot convert runs/gpt2 --to rms_norm --out runs/gpt2-rms");
  command->callback([&line, options] {
    line.uses_device = true;
    line.run = [&line, options] { return convert(*options, line.families); };
  });
}

}  // namespace ingot
