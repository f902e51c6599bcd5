#include "train/ranks.h"

#include <cstdio>

#include "base/text.h"
#include "base/version.h"
#include "checkpoint/digest.h"
#include "config/dump.h"

namespace ingot {
namespace {

std::string resume_text(const ResumeChoice& resume) {
  switch (resume.kind) {
    case ResumeChoice::Kind::kAuto:
      return "auto";
    case ResumeChoice::Kind::kNever:
      return "never";
    case ResumeChoice::Kind::kFrom:
      break;
  }
  return resume.from.string();
}

/// The file's own bytes: two builds of one commit can differ.
std::string program_text() {
  const auto& version = build_version();
  return cat(version.version, " ", version.commit.substr(0, 12), version.dirty, " LibTorch ", version.torch, " ",
             digest_file(executable_path()).xxh3);
}

}  // namespace

std::string rank_file_name(int rank) {
  char name[32];
  std::snprintf(name, sizeof name, "rank-%05d", rank);
  return name;
}

std::vector<std::pair<std::string, std::string>> must_agree(const RunConfig& config, const ResumeChoice& resume) {
  std::vector<std::pair<std::string, std::string>> out;
  out.emplace_back("program", program_text());
  out.emplace_back("--resume", resume_text(resume));
  for (const auto& field : flatten(config)) {
    if (field.field_class != FieldClass::kFree) out.emplace_back(field.path, field.value);
  }
  return out;
}

std::string StepDecision::text() const {
  return stop_rank == 0 ? stop_text(stop) : cat(stop_text(stop), " to rank ", stop_rank);
}

StepDecision decide(World& world, const StepNews& news) {
  const auto all = world.all_gather({static_cast<double>(news.stop), static_cast<double>(news.log),
                                     static_cast<double>(news.evaluate), static_cast<double>(news.save),
                                     news.times.compute, news.times.data_wait});
  StepDecision out;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const auto& values = all[rank];
    out.times.push_back({values[4], values[5]});
    if (out.stop == StopReason::kNone && values[0] != 0) {
      out.stop = static_cast<StopReason>(static_cast<int>(values[0]));
      out.stop_rank = static_cast<int>(rank);
    }
  }
  out.log = all[0][1] != 0;
  out.evaluate = all[0][2] != 0;
  out.save = all[0][3] != 0;
  return out;
}

std::string weights_digest(const ParameterStore& store) {
  Digester digester;
  const auto add = [&](const at::Tensor& tensor) {
    const auto bytes = tensor.detach().cpu().contiguous();
    digester.add(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes());
  };
  if (store.owns_all()) {
    add(store.flat_masters());
  } else {
    for (const auto& leaf : store.leaves()) add(leaf.weight());
  }
  return digester.result().xxh3;
}

void check_equal_weights(World& world, const ParameterStore& store, std::int64_t step) {
  if (world.size() == 1) return;
  const auto digests = world.all_gather_text(weights_digest(store));
  std::vector<std::string> others;
  for (std::size_t rank = 0; rank < digests.size(); ++rank) {
    if (digests[rank] != digests[0]) others.push_back(cat(rank, " (", world.ranks()[rank].host, ")"));
  }
  if (others.empty()) return;
  throw DistributedError(
      cat("at step ", step, " the weights of rank ", join(others, ", "),
          " are not those of rank 0: a machine that computes otherwise, or broken memory; go on from "
          "the last checkpoint, without that machine"));
}

}  // namespace ingot
