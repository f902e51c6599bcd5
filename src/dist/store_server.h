#pragma once
// The ranks' rendezvous: keys and values in rank 0's memory, for those who know the job's secret. Private to src/dist.

#include <atomic>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "dist/socket.h"
#include "dist/store_protocol.h"

namespace ingot::dist_detail {

struct StoreServerOptions {
  std::size_t most_strangers = 256;  // connections that have proven nothing yet
  double stranger_seconds = 10;      // how long one may take
  double crowded_seconds = 0.5;      // and while there are that many: so that ranks get in between them
};

class StoreServer {
 public:
  /// Serves at sockets that listen, on a thread of its own.
  StoreServer(std::vector<Socket> listeners, std::string secret, StoreServerOptions options = {});
  ~StoreServer();
  StoreServer(const StoreServer&) = delete;
  StoreServer& operator=(const StoreServer&) = delete;

 private:
  enum class Stage { kNew, kChallenged, kProven };
  struct Visitor {
    Socket socket;
    Endpoint from;
    Stage stage = Stage::kNew;
    Clock::time_point came = Clock::now();
    std::string in, out;
    Sha256Digest proof{}, own_proof{}, session{};
    FrameSeal incoming, outgoing;
  };

  void serve();
  void accept_from(const Socket& listener);
  /// False if the visitor has to go.
  bool serve(Visitor& visitor, short events);
  bool read(Visitor& visitor);
  bool write(Visitor& visitor);
  void advance(Visitor& visitor);
  Words answer(StoreRequest request, const Words& words);
  void send_away_silent();
  void send_away(std::map<int, Visitor>::iterator visitor);
  void name_stranger(const Visitor& visitor, const std::string& what);

  std::vector<Socket> listeners_;
  std::string secret_;
  StoreServerOptions options_;
  Socket wake_;  // an eventfd
  std::atomic<bool> closing_ = false;
  std::map<int, Visitor> visitors_;  // by descriptor
  std::size_t strangers_ = 0;
  std::set<std::string> named_;  // hosts of strangers
  std::unordered_map<std::string, std::string> values_;
  std::thread thread_;
};

}  // namespace ingot::dist_detail
