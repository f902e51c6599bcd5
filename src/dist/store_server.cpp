#include "dist/store_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/log.h"
#include "base/text.h"

namespace ingot::dist_detail {
namespace {

constexpr std::size_t kMostNamed = 20;  // hosts; whoever sends strangers from more has made the point
constexpr int kStrangerPoll = 100;      // ms
constexpr auto kNoDescriptor = std::chrono::milliseconds(50);

/// A stranger, and why it is sent away.
class StrangerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

std::int64_t number_of(const std::string& text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) throw FrameError("a sum of what is no number");
  return out;
}

void expect_words(const Words& words, std::size_t count) {
  if (words.size() != count) throw FrameError("a question that makes no sense");
}

}  // namespace

StoreServer::StoreServer(std::vector<Socket> listeners, std::string secret, StoreServerOptions options)
    : listeners_(std::move(listeners)),
      secret_(std::move(secret)),
      options_(options),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  thread_ = std::thread([this] { serve(); });
}

StoreServer::~StoreServer() {
  closing_ = true;
  const std::uint64_t one = 1;
  while (::write(wake_.fd(), &one, sizeof one) < 0 && errno == EINTR) {
  }
  thread_.join();
}

void StoreServer::serve() {
  std::vector<pollfd> polled;
  while (!closing_) {
    polled.assign(1, {wake_.fd(), POLLIN, 0});
    // A full house leaves newcomers to the kernel's queue.
    const bool may_enter = strangers_ < options_.most_strangers;
    for (const auto& listener : listeners_) polled.push_back({may_enter ? listener.fd() : -1, POLLIN, 0});
    for (const auto& [fd, visitor] : visitors_) {
      const auto events = static_cast<short>(POLLIN | (visitor.out.empty() ? 0 : POLLOUT));
      polled.push_back({fd, events, 0});
    }
    if (::poll(polled.data(), polled.size(), strangers_ > 0 ? kStrangerPoll : -1) < 0) continue;
    for (std::size_t i = 1 + listeners_.size(); i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const auto visitor = visitors_.find(polled[i].fd);
      if (!serve(visitor->second, polled[i].revents)) send_away(visitor);
    }
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
      if (polled[1 + i].revents != 0) accept_from(listeners_[i]);
    }
    send_away_silent();
  }
}

void StoreServer::accept_from(const Socket& listener) {
  while (strangers_ < options_.most_strangers) {
    Visitor visitor;
    visitor.socket =
        Socket(::accept4(listener.fd(), visitor.from.raw(), &visitor.from.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int fd = visitor.socket.fd();
    if (fd < 0) {
      // Without descriptors the newcomer stays in the queue and poll reports it at once.
      if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(kNoDescriptor);
      return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    visitors_.emplace(fd, std::move(visitor));
    ++strangers_;
  }
}

bool StoreServer::serve(Visitor& visitor, short events) {
  try {
    if ((events & ~POLLOUT) != 0 && !read(visitor)) return false;
    advance(visitor);
    return write(visitor);
  } catch (const StrangerError& error) {
    name_stranger(visitor, error.what());
  } catch (const FrameError& error) {
    log::warning(
        cat("the ranks' rendezvous got ", error.what(), " from ", visitor.from.text(), ": that connection is cut"));
  }
  return false;
}

bool StoreServer::read(Visitor& visitor) {
  std::array<char, 65536> buffer;
  const auto got = ::recv(visitor.socket.fd(), buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  visitor.in.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

bool StoreServer::write(Visitor& visitor) {
  if (visitor.out.empty()) return true;
  const auto put = ::send(visitor.socket.fd(), visitor.out.data(), visitor.out.size(), MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  visitor.out.erase(0, static_cast<std::size_t>(put));
  return true;
}

/// Acts on what has come in whole.
void StoreServer::advance(Visitor& visitor) {
  auto& in = visitor.in;
  if (visitor.stage == Stage::kNew) {
    const auto seen = std::min(in.size(), kHello.size());
    if (in.compare(0, seen, kHello.substr(0, seen)) != 0) throw StrangerError("speaks another language");
    if (in.size() < kHello.size() + kNonceBytes) return;
    const auto nonce = random_bytes(kNonceBytes);
    const Handshake expected(secret_, std::string_view(in).substr(kHello.size(), kNonceBytes), nonce);
    visitor.proof = expected.visitor_proof;
    visitor.own_proof = expected.place_proof;
    visitor.session = expected.session;
    visitor.out += nonce;
    in.erase(0, kHello.size() + kNonceBytes);
    visitor.stage = Stage::kChallenged;
  }
  if (visitor.stage == Stage::kChallenged) {
    if (in.size() < kProofBytes) return;
    Sha256Digest proof{};
    std::memcpy(proof.data(), in.data(), kProofBytes);
    if (!equal_digests(proof, visitor.proof)) throw StrangerError("does not know this job's secret");
    visitor.out += bytes_of(visitor.own_proof);
    in.erase(0, kProofBytes);
    visitor.incoming = FrameSeal(visitor.session, Direction::kToPlace);
    visitor.outgoing = FrameSeal(visitor.session, Direction::kToVisitor);
    visitor.stage = Stage::kProven;
    --strangers_;
  }
  std::string payload;
  while (visitor.incoming.open(in, payload)) {
    if (payload.empty()) throw FrameError("an empty message");
    const auto request = static_cast<StoreRequest>(payload.front());
    visitor.out += visitor.outgoing.seal(pack(answer(request, unpack(std::string_view(payload).substr(1)))));
  }
}

Words StoreServer::answer(StoreRequest request, const Words& words) {
  switch (request) {
    case StoreRequest::kSet:
      expect_words(words, 2);
      values_[words[0]] = words[1];
      return {};
    case StoreRequest::kCompareSet: {
      expect_words(words, 3);
      const auto found = values_.find(words[0]);
      if (found == values_.end()) {
        if (!words[1].empty()) return {words[1]};
        values_[words[0]] = words[2];
        return {words[2]};
      }
      if (found->second == words[1]) found->second = words[2];
      return {found->second};
    }
    case StoreRequest::kLook: {
      Words out;
      for (const auto& key : words) {
        const auto found = values_.find(key);
        out.push_back(found == values_.end() ? "" : "=" + found->second);
      }
      return out;
    }
    case StoreRequest::kAdd: {
      expect_words(words, 2);
      auto& value = values_.try_emplace(words[0], "0").first->second;
      value = std::to_string(number_of(value) + number_of(words[1]));
      return {value};
    }
    case StoreRequest::kRemove:
      expect_words(words, 1);
      return {values_.erase(words[0]) > 0 ? "1" : "0"};
    case StoreRequest::kCount:
      return {std::to_string(values_.size())};
  }
  throw FrameError("a question that it does not know");
}

void StoreServer::send_away_silent() {
  if (strangers_ == 0) return;
  const bool crowded = strangers_ >= options_.most_strangers;
  const double patience = crowded ? options_.crowded_seconds : options_.stranger_seconds;
  for (auto visitor = visitors_.begin(); visitor != visitors_.end();) {
    const auto next = std::next(visitor);
    if (visitor->second.stage != Stage::kProven && seconds_since(visitor->second.came) > patience) {
      name_stranger(visitor->second, "says nothing");
      send_away(visitor);
    }
    visitor = next;
  }
}

void StoreServer::send_away(std::map<int, Visitor>::iterator visitor) {
  if (visitor->second.stage != Stage::kProven) --strangers_;
  visitors_.erase(visitor);
}

/// Once for each host.
void StoreServer::name_stranger(const Visitor& visitor, const std::string& what) {
  if (named_.size() >= kMostNamed || !named_.insert(visitor.from.host()).second) return;
  log::warning(cat("dropped a stranger at the ranks' rendezvous: ", visitor.from.text(), " ", what));
}

}  // namespace ingot::dist_detail
