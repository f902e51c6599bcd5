#include "eval/trained_model.h"

#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/evaluation_state.h"
#include "config/document.h"
#include "config/reader.h"
#include "data/data_module.h"
#include "device/blas.h"
#include "device/gpu.h"
#include "device/machine.h"
#include "device/memory_room.h"
#include "recipe/load.h"
#include "recipe/options.h"
#include "registry/lookup.h"
#include "run/counters.h"

namespace ingot {
namespace {

RunConfig saved_config(const fs::path& checkpoint, const Families& families) {
  const auto name = (checkpoint / "config.yaml").string();
  const auto document = Document::parse(read_checkpoint_config(checkpoint), name, {}, checkpoint);
  return read_run_config(document, families, UnsetNames::kAccept);
}

/// Checkpoints of earlier programs do not say it.
std::optional<TokenId> opener_of(const nlohmann::json& state, const Tokenizer& tokenizer) {
  const auto found = state.find("document_opener");
  if (found == state.end()) return tokenizer.eos() ? tokenizer.eos() : tokenizer.bos();
  if (!found->is_number_integer()) return std::nullopt;
  return found->get<TokenId>();
}

}  // namespace

TrainedModel open_trained_model(const fs::path& run_or_checkpoint, const Families& families, WeightsKind weights,
                                std::optional<Precision> precision) {
  TrainedModel out;
  out.checkpoint = resolve_checkpoint(run_or_checkpoint);
  out.run_dir = fs::absolute(out.checkpoint).lexically_normal().parent_path().parent_path();
  const auto state = read_state(out.checkpoint);
  out.step = state.at("step").get<std::int64_t>();
  out.config = saved_config(out.checkpoint, families);
  if (precision) out.config.train.precision = *precision;
  // Wherever it was trained.
  out.config.train.device = gpu_available() ? DeviceKind::kCuda : DeviceKind::kCpu;
  out.tokenizer = open_run_tokenizer(families.get<TokenizerEntry>(), out.run_dir);
  out.opener = opener_of(state, *out.tokenizer);
  set_threads(usable_cores());
  out.config.train.blas = use_blas(Blas::kAuto);
  keep_freed_memory();
  out.store = std::make_unique<ParameterStore>();
  out.model = std::make_unique<LanguageModel>(out.config.model, model_options(out.config, out.tokenizer->vocab_size()),
                                              families, *out.store);
  out.store->layout(out.config.weights, out.model->num_sublayers(), store_options(out.config));
  const auto memory = out.store->memory();
  if (out.config.train.device == DeviceKind::kCpu)
    require_memory(memory.weights + memory.masters + memory.gradients, "the model");
  out.store->allocate();
  auto wanted = out.store->state();
  if (weights == WeightsKind::kToEvaluate) {
    for (auto& entry : evaluation_entries(*out.store, out.checkpoint)) wanted.push_back(std::move(entry));
  }
  load_checkpoint(out.checkpoint, LoadWhat::kWeights, wanted, {});
  out.store->materialise();
  const auto counters = counters_from_json(state);
  out.model->set_point({counters.model_updates(), 0, static_cast<std::uint64_t>(out.config.run.seed)});
  return out;
}

}  // namespace ingot
