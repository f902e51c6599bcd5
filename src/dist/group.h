#pragma once
// What a World of several ranks is made of: the rendezvous, signs of life, and c10d's groups. Private to src/dist.

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "dist/heartbeat.h"
#include "dist/rendezvous.h"
#include "dist/world.h"

namespace ingot::dist_detail {

class Group {
 public:
  Group(const LaunchPlace& where, const std::vector<std::pair<std::string, std::string>>& must_agree,
        const WorldOptions& options);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  /// NCCL for tensors on GPUs.
  void connect_gpus();
  /// The group that carries tensors of the device.
  c10d::Backend& carrier(at::Device device);
  /// Returns when the collective is done, on the host's clock as well.
  void complete(const c10::intrusive_ptr<c10d::Work>& work, at::Device device);

  /// Runs `action`; what goes wrong in it becomes a message about the ranks.
  template <class Action>
  auto attempt(const char* doing, Action&& action) -> decltype(action()) {
    try {
      return action();
    } catch (const Error&) {
      throw;
    } catch (const StoreLost& lost) {
      throw lost_store(doing, lost.silent);
    } catch (const std::exception& error) {
      throw explain(doing, first_line(error.what()));
    }
  }
  std::string name_of(int rank) const { return rendezvous.ranks[static_cast<std::size_t>(rank)].text(rank); }
  /// What the first rank that failed said.
  std::optional<Error> reported_failure();
  /// The rendezvous ends with rank 0: it stays until the others have left, but not for ever.
  void linger();
  /// Waits for the keys; gives up when any rank has been silent for too long, or soon after `given_up`.
  void wait_patiently(const std::vector<std::string>& keys, const std::atomic<bool>* given_up = nullptr);

  const LaunchPlace place;
  const double timeout;
  Rendezvous rendezvous;
  c10::intrusive_ptr<StoreClient> store;
  std::unique_ptr<Heartbeat> heartbeat;
  c10::intrusive_ptr<c10d::Backend> control;  // for agreements
  std::int64_t next_text = 0;
  std::atomic<bool> store_lost = false;
  bool left = false;  // all ranks came to the orderly end

 private:
  class Vigil;
  std::string noticed(const std::string& doing, const std::string& error) const;
  /// Rank 0 does not answer, or its process is gone.
  Error lost_store(const std::string& doing, bool is_silent);
  /// Who failed, by what the rendezvous knows.
  Error explain(const std::string& doing, const std::string& error);

  c10::intrusive_ptr<c10d::Backend> cpus_, gpus_;
};

}  // namespace ingot::dist_detail
