// Mean square of the residual stream, as the head would read it: of the embedding, then behind each sub-layer; over
// rows, tokens and channels of the run's first micro-batch, the same rows each time.

#include "eval/batch_tensors.h"
#include "recipe/probe.h"
#include "train/train_run.h"

namespace ingot::stream_mean_square {
namespace {

struct StreamMeanSquareConfig : ProbeConfig {};
void describe(Fields& f, StreamMeanSquareConfig& c) { describe_probe(f, c); }

class StreamMeanSquare final : public Probe {
 public:
  explicit StreamMeanSquare(const StreamMeanSquareConfig& /*config*/) {}
  bool is_local() const override { return true; }
  nlohmann::ordered_json measure(const TrainRun& run) override {
    const auto& model = *run.setup.model;
    const auto batch = run.data->make_batch(first_sample(run.config), run.setup.micro_batch);
    const auto tensors = to_tensors(batch, run.config.data.reset_at_document, model.device());
    return {{"values", model.stream_mean_squares(tensors.tokens, tensors.documents)}};
  }
};

}  // namespace
}  // namespace ingot::stream_mean_square

namespace ingot {

void register_stream_mean_square(Family<ProbeEntry>& family) {
  using namespace stream_mean_square;
  add_probe<StreamMeanSquareConfig, StreamMeanSquare>(
      family, "stream_mean_square", "Mean square of the residual stream behind each sub-layer", "this project");
}

}  // namespace ingot
