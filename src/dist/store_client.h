#pragma once
// A rank's side of the rendezvous: c10d's groups use it as their store as well. Private to src/dist.

#include <c10/util/intrusive_ptr.h>

#include <mutex>
#include <optional>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "dist/socket.h"
#include "dist/store_protocol.h"

namespace ingot::dist_detail {

/// The rendezvous does not answer (`silent`), or the connection to it has ended.
class StoreLost : public std::runtime_error {
 public:
  StoreLost(const std::string& what, bool is_silent) : std::runtime_error(what), silent(is_silent) {}
  bool silent;
};

/// A connection over which both sides have proven to know the secret.
class StoreConnection {
 public:
  /// Throws std::runtime_error saying why there is none, with the address.
  StoreConnection(const Endpoint& place, const std::string& secret, Clock::time_point deadline);

  /// Throws StoreLost, after which nothing can be asked: a late answer would be taken for that of another question.
  Words ask(StoreRequest request, const Words& words, double patience);
  Endpoint place() const { return remote_end(socket_); }
  Endpoint own_end() const { return local_end(socket_); }

 private:
  void send(std::string_view bytes, Clock::time_point deadline);
  /// Until `in_` has that many bytes.
  void receive(std::size_t bytes, Clock::time_point deadline);
  Socket socket_;
  std::string in_;
  FrameSeal outgoing_, incoming_;
  bool lost_ = false;
};

/// Keys that begin with a prefix. May be used from several threads, one question at a time.
class StoreClient : public c10d::Store {
 public:
  /// An answer that takes longer than `patience` seconds does not come.
  StoreClient(StoreConnection connection, std::string secret, std::string prefix, double patience);

  // -- At once.
  void put(const std::string& key, const std::string& text);
  std::optional<std::string> look(const std::string& key);
  std::vector<std::optional<std::string>> look(const std::vector<std::string>& keys);
  bool has_all(const std::vector<std::string>& keys);
  /// Of a key that is there.
  std::string text(const std::string& key);
  /// One with a connection of its own and another prefix. Throws StoreLost.
  c10::intrusive_ptr<StoreClient> with_prefix(const std::string& prefix) const;

  // -- c10d's: `get` and `wait` wait for keys to come.
  using c10d::Store::compareSet;
  using c10d::Store::set;
  c10::intrusive_ptr<c10d::Store> clone() override;
  void set(const std::string& key, const std::vector<std::uint8_t>& value) override;
  std::vector<std::uint8_t> compareSet(const std::string& key, const std::vector<std::uint8_t>& expected,
                                       const std::vector<std::uint8_t>& wanted) override;
  std::vector<std::uint8_t> get(const std::string& key) override;
  std::int64_t add(const std::string& key, std::int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override { return has_all(keys); }
  std::int64_t getNumKeys() override;
  void wait(const std::vector<std::string>& keys) override { wait(keys, timeout_); }
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override;

 private:
  Words ask(StoreRequest request, const Words& words);
  std::string full(const std::string& key) const { return prefix_ + key; }
  std::mutex mutex_;
  StoreConnection connection_;
  std::string secret_, prefix_;
  double patience_;
};

}  // namespace ingot::dist_detail
