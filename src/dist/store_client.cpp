#include "dist/store_client.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "base/text.h"

namespace ingot::dist_detail {
namespace {

Clock::time_point in_seconds(double seconds) {
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

Sha256Digest digest_of(const std::string& bytes) {
  Sha256Digest out{};
  std::memcpy(out.data(), bytes.data(), out.size());
  return out;
}

std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

StoreConnection::StoreConnection(const Endpoint& place, const std::string& secret, Clock::time_point deadline) {
  std::string problem;
  socket_ = connect_to(place, deadline, &problem);
  if (socket_.fd() < 0) throw std::runtime_error(problem);
  try {
    const auto nonce = random_bytes(kNonceBytes);
    send(cat(kHello, nonce), deadline);
    receive(kNonceBytes, deadline);
    const Handshake handshake(secret, nonce, in_);
    in_.clear();
    send(bytes_of(handshake.visitor_proof), deadline);
    receive(kProofBytes, deadline);
    if (!equal_digests(digest_of(std::exchange(in_, {})), handshake.place_proof)) {
      throw std::runtime_error("does not know this job's secret");
    }
    outgoing_ = FrameSeal(handshake.session, Direction::kToPlace);
    incoming_ = FrameSeal(handshake.session, Direction::kToVisitor);
  } catch (const StoreLost& lost) {
    throw std::runtime_error(cat(place.text(), lost.silent ? " takes the connection and says nothing"
                                                           : " takes the connection and ends it: another program, or "
                                                             "another job with another secret"));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(cat(place.text(), " ", error.what()));
  }
}

void StoreConnection::send(std::string_view bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const auto put = ::send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
    if (put >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) throw StoreLost(std::strerror(errno), false);
    if (!wait_ready(socket_.fd(), POLLOUT, deadline)) throw StoreLost("no answer", true);
  }
}

void StoreConnection::receive(std::size_t bytes, Clock::time_point deadline) {
  std::array<char, 65536> buffer;
  while (in_.size() < bytes) {
    const auto got = ::recv(socket_.fd(), buffer.data(), std::min(buffer.size(), bytes - in_.size()), 0);
    if (got > 0) in_.append(buffer.data(), static_cast<std::size_t>(got));
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0) throw StoreLost("the connection was closed", false);
    if (errno != EAGAIN) throw StoreLost(std::strerror(errno), false);
    if (!wait_ready(socket_.fd(), POLLIN, deadline)) throw StoreLost("no answer", true);
  }
}

Words StoreConnection::ask(StoreRequest request, const Words& words, double patience) {
  if (lost_) throw StoreLost("the connection was given up", false);
  lost_ = true;  // unless the answer comes
  const auto deadline = in_seconds(patience);
  try {
    send(outgoing_.seal(static_cast<char>(request) + pack(words)), deadline);
    std::string payload;
    receive(kFrameHead, deadline);
    while (!incoming_.open(in_, payload)) receive(frame_size(in_), deadline);
    lost_ = false;
    return unpack(payload);
  } catch (const FrameError& error) {
    throw StoreLost(cat("it sent ", error.what()), false);
  }
}

StoreClient::StoreClient(StoreConnection connection, std::string secret, std::string prefix, double patience)
    : connection_(std::move(connection)), secret_(std::move(secret)), prefix_(std::move(prefix)), patience_(patience) {}

Words StoreClient::ask(StoreRequest request, const Words& words) {
  const std::scoped_lock lock(mutex_);
  auto answer = connection_.ask(request, words, patience_);
  const std::size_t expected = request == StoreRequest::kSet ? 0 : request == StoreRequest::kLook ? words.size() : 1;
  if (answer.size() != expected) throw StoreLost("it sent an answer to another question", false);
  return answer;
}

void StoreClient::put(const std::string& key, const std::string& text) { ask(StoreRequest::kSet, {full(key), text}); }

std::optional<std::string> StoreClient::look(const std::string& key) { return look(std::vector<std::string>{key})[0]; }

std::vector<std::optional<std::string>> StoreClient::look(const std::vector<std::string>& keys) {
  Words words;
  for (const auto& key : keys) words.push_back(full(key));
  std::vector<std::optional<std::string>> out;
  for (auto& word : ask(StoreRequest::kLook, words)) {
    out.push_back(word.empty() ? std::nullopt : std::optional<std::string>(word.substr(1)));
  }
  return out;
}

bool StoreClient::has_all(const std::vector<std::string>& keys) {
  const auto found = look(keys);
  return std::all_of(found.begin(), found.end(), [](const auto& value) { return value.has_value(); });
}

std::string StoreClient::text(const std::string& key) {
  auto found = look(key);
  if (!found) throw std::logic_error(cat("nothing was put at '", key, "'"));
  return *found;
}

c10::intrusive_ptr<StoreClient> StoreClient::with_prefix(const std::string& prefix) const try {
  return c10::make_intrusive<StoreClient>(StoreConnection(connection_.place(), secret_, in_seconds(patience_)), secret_,
                                          prefix, patience_);
} catch (const std::runtime_error& error) {
  throw StoreLost(error.what(), false);
}

c10::intrusive_ptr<c10d::Store> StoreClient::clone() { return with_prefix(prefix_); }

void StoreClient::set(const std::string& key, const std::vector<std::uint8_t>& value) { put(key, text_of(value)); }

std::vector<std::uint8_t> StoreClient::compareSet(const std::string& key, const std::vector<std::uint8_t>& expected,
                                                  const std::vector<std::uint8_t>& wanted) {
  const auto answer = ask(StoreRequest::kCompareSet, {full(key), text_of(expected), text_of(wanted)})[0];
  return {answer.begin(), answer.end()};
}

std::vector<std::uint8_t> StoreClient::get(const std::string& key) {
  wait({key});
  const auto found = text(key);
  return {found.begin(), found.end()};
}

std::int64_t StoreClient::add(const std::string& key, std::int64_t value) {
  return std::stoll(ask(StoreRequest::kAdd, {full(key), std::to_string(value)})[0]);
}

bool StoreClient::deleteKey(const std::string& key) { return ask(StoreRequest::kRemove, {full(key)})[0] == "1"; }

std::int64_t StoreClient::getNumKeys() { return std::stoll(ask(StoreRequest::kCount, {})[0]); }

void StoreClient::wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) {
  const auto deadline = Clock::now() + timeout;
  auto pause = std::chrono::milliseconds(1);
  while (!has_all(keys)) {
    if (timeout != kNoTimeout && Clock::now() > deadline) {
      C10_THROW_ERROR(DistStoreError, cat("waited ", timeout.count(), " ms for ", join(keys, ", ")));
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(20));
  }
}

}  // namespace ingot::dist_detail
