#include "dist/agent_store.h"

#include <dlfcn.h>
#include <netdb.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "base/text.h"
#include "dist/socket.h"

/// c10d asks the DNS for the name of each address it connects to, only to log it: a name server that does not answer
/// would cost every start 5 s or more. In this program addresses have no names: this definition goes before the C
/// library's.
extern "C" __attribute__((visibility("default"))) int getnameinfo(const sockaddr* address, socklen_t address_size,
                                                                  char* host, socklen_t host_size, char* service,
                                                                  socklen_t service_size, int flags) {
  static const auto original = reinterpret_cast<decltype(&getnameinfo)>(::dlsym(RTLD_NEXT, "getnameinfo"));
  return original(address, address_size, host, host_size, service, service_size,
                  flags | NI_NUMERICHOST | NI_NUMERICSERV);
}

namespace ingot::dist_detail {
namespace {

constexpr const char* kKey = "ingot/rendezvous";

using Talk = std::function<std::string(c10d::TCPStore&)>;

/// c10d waits without end for an agent that takes the connection and says nothing, so it waits on a thread that is left
/// behind then.
std::string talk_to(const LaunchPlace& agent, double timeout, Talk talk) {
  const auto limit = std::chrono::milliseconds(static_cast<std::int64_t>(1000 * timeout));
  auto promise = std::make_shared<std::promise<std::string>>();
  auto answer = promise->get_future();
  std::thread([promise, limit, host = agent.store_host, port = agent.store_port, talk = std::move(talk)] {
    try {
      c10d::TCPStoreOptions options;
      options.port = static_cast<std::uint16_t>(port);
      options.waitWorkers = false;
      options.timeout = limit;
      c10d::TCPStore store(host, options);
      promise->set_value(talk(store));
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  }).detach();
  const auto place = cat("torchrun's agent at ", place_text(agent.store_host, agent.store_port));
  if (answer.wait_for(limit) != std::future_status::ready) throw std::runtime_error(cat(place, " does not answer"));
  try {
    return answer.get();
  } catch (const std::exception& error) {
    throw std::runtime_error(cat(place, ": ", first_line(error.what())));
  }
}

}  // namespace

void publish_meeting_place(const LaunchPlace& agent, const std::string& address, double timeout) {
  talk_to(agent, timeout, [address](c10d::TCPStore& store) {
    store.set(kKey, std::vector<std::uint8_t>(address.begin(), address.end()));
    return std::string();
  });
}

std::optional<std::string> published_meeting_place(const LaunchPlace& agent, double timeout) {
  const auto found = talk_to(agent, timeout, [](c10d::TCPStore& store) {
    if (!store.check({kKey})) return std::string();
    const auto bytes = store.get(kKey);
    return std::string(bytes.begin(), bytes.end());
  });
  return found.empty() ? std::nullopt : std::optional<std::string>(found);
}

}  // namespace ingot::dist_detail
