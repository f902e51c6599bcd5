#include "train/open_run.h"

#include "base/text.h"
#include "config/document.h"
#include "config/dump.h"
#include "eval/generate.h"
#include "recipe/load.h"
#include "train/make_setup.h"
#include "train/memory_plan.h"
#include "train/part_costs.h"

namespace ingot {

/// Rank 0 prepares what is missing, then the first rank of every node (it may have a disk of its own), then the rest
/// open it.
void open_data(TrainRun& run, const StopRequests& requests) {
  run.world.set_phase(0, "preparing the data");
  PrepareOptions prepare;
  prepare.may_build = run.world.place().local_rank == 0;
  prepare.progress = [&](const DataProgress& p) {
    if (auto* progress = run.record.progress()) progress->show(progress_text(p));
    if (!requests.anywhere()) return;
    throw Error(ExitCode::kStopped, cat("stopped on ", requests.text(),
                                        " while the data was being prepared: what is done so far is kept, run the same "
                                        "command again to go on"));
  };
  const int turn = run.world.is_first() ? 0 : prepare.may_build ? 1 : 2;
  const int turns = run.world.size() > 1 ? 3 : 1;
  for (int now = 0; now < turns; ++now) {
    if (now == turn) run.data = open_training_data(run.config, run.resume, run.families, prepare);
    run.world.wait_for_all();
  }
  run.record.clear_progress();
  const auto identities = run.world.all_gather_text(run.data->identity());
  for (int rank = 1; rank < run.world.size(); ++rank) {
    if (identities[static_cast<std::size_t>(rank)] == identities[0]) continue;
    throw DataError(cat("rank ", rank, " (", run.world.ranks()[static_cast<std::size_t>(rank)].host,
                        ") has other training data than rank 0: identity ", identities[static_cast<std::size_t>(rank)],
                        " instead of ", identities[0]));
  }
}

/// What is `auto` depends on measurements, so rank 0 decides for all.
void make_model(TrainRun& run) {
  run.world.set_phase(0, "building the model");
  const DataFacts facts{run.data->vocab_size(), run.data->tokens_per_epoch(), run.world.size(),
                        run.world.place().local_world_size, run.world.rank()};
  if (run.world.is_first()) {
    if (run.config.train.start_from && !run.resume)
      run.start = open_start(run.config, run.data->identity(), run.families);
    run.setup = make_setup(run.config, run.families, facts);
    if (run.resume) check_new_course(*run.resume, run.setup);
    run.world.broadcast(dump_config(run.setup.config));
  } else {
    const auto resolved = Document::parse(run.world.broadcast(""), "rank 0's config", {}, run.dir());
    const auto dir = run.config.run.dir;
    run.config = read_run_config(resolved, run.families);
    run.config.run.dir = dir;
    run.setup = make_setup(run.config, run.families, facts);
  }
  run.config = run.setup.config;
  if (run.config.train.device == DeviceKind::kCuda) run.world.connect_gpus();
  if (!run.setup.costs && run.record.active()) {
    run.setup.costs = measure_costs(run.setup, run.families, Measure::kMemory);
  }
  check_memory(run.setup);
  run.setup.store->allocate();
  run.setup.optimizer->allocate();
}

void check_prompts(const TrainRun& run) {
  if (!run.data->tokenizer().has_text()) return;
  for (std::size_t i = 0; i < run.config.evaluation.prompts.size(); ++i) {
    try {
      const auto start =
          sample_start(run.data->tokenizer(), run.data->document_opener(), run.config.evaluation.prompts[i]);
      run.setup.model->check_document_length(std::ssize(start));
    } catch (const ConfigError& error) {
      throw ConfigError(cat("evaluation.prompts[", i, "]: ", error.what()));
    }
  }
}

}  // namespace ingot
