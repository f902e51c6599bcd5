#include "cli/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "checkpoint/checkpoint.h"
#include "dist/loopback.h"
#include "run/metrics.h"

namespace ingot::testing {

std::vector<std::string> Ranks::train(const std::string& name, std::vector<std::string> more) const {
  std::vector<std::string> arguments{"train",
                                     tiny(),
                                     "run.name=" + name,
                                     "train.micro_batch=1",
                                     "train.duration=300 steps",
                                     "optim.optimizer.lr=1e-3",
                                     "optim.schedule={type: cosine, warmup: 40 steps}",
                                     "optim.clip={type: global_norm, max_norm: 1}",
                                     "checkpoint.every=20 steps",
                                     "checkpoint.keep_last=3",
                                     "log.every=1 steps",
                                     "data.cache=cache"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return command(arguments);
}

std::vector<std::string> Ranks::train_on(int nproc, const std::string& name, std::vector<std::string> more) const {
  more.push_back("--nproc");
  more.push_back(std::to_string(nproc));
  return train(name, std::move(more));
}

std::unique_ptr<Process> Ranks::start_rank(int rank, int world, int port, const std::vector<std::string>& command,
                                           const std::map<std::string, std::string>& variables) const {
  std::map<std::string, std::string> all{
      {"RANK", std::to_string(rank)},        {"LOCAL_RANK", std::to_string(rank)},
      {"WORLD_SIZE", std::to_string(world)}, {"LOCAL_WORLD_SIZE", std::to_string(world)},
      {"MASTER_ADDR", "127.0.0.1"},          {"MASTER_PORT", std::to_string(port)}};
  for (const auto& [key, value] : variables) all[key] = value;
  std::vector<std::string> line{"/usr/bin/env"};
  for (const auto& [key, value] : all) line.push_back(key + "=" + value);
  line.insert(line.end(), command.begin(), command.end());
  return std::make_unique<Process>(line, folder.path());
}

std::map<std::int64_t, std::vector<std::int64_t>> Ranks::committed_samples(const std::string& name) const {
  std::map<std::int64_t, std::int64_t> attempts;
  std::map<std::int64_t, std::vector<std::int64_t>> out;
  for (const auto& entry : fs::directory_iterator(run_dir(name) / "samples")) {
    // Of a rank, a later line about the same step in the same attempt stands for the earlier one: the run was rewound.
    std::map<std::int64_t, nlohmann::json> last;
    std::ifstream file(entry.path());
    for (std::string text; std::getline(file, text);) {
      const auto line = nlohmann::json::parse(text, nullptr, false);
      if (!line.is_discarded()) last[line.at("step")] = line;  // a killed rank may leave half a line
    }
    for (const auto& [step, line] : last) {
      const std::int64_t attempt = line.at("attempt");
      if (attempt < attempts[step]) continue;
      if (attempt > attempts[step]) out[step].clear();
      attempts[step] = attempt;
      for (const std::int64_t sample : line.at("samples")) out[step].push_back(sample);
    }
  }
  for (auto& [step, samples] : out) std::sort(samples.begin(), samples.end());
  return out;
}

std::vector<nlohmann::json> Ranks::events_of(const std::string& name) const {
  std::vector<nlohmann::json> out;
  for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
    if (line.at("kind") == "event" && line.at("event") != "resumed") out.push_back(line);
  }
  return out;
}

std::vector<double> Ranks::losses(const std::string& name) const {
  std::vector<double> out;
  for (const auto& line : read_metrics(run_dir(name) / "metrics.jsonl")) {
    if (line.at("kind") == "train") out.push_back(line.at("loss").get<double>());
  }
  return out;
}

std::string Ranks::weights(const std::string& name, std::int64_t step) const {
  const auto checkpoint = checkpoint_path(run_dir(name), step);
  return read_file(checkpoint / "model-00001.safetensors") + read_file(checkpoint / "optimizer-00001.safetensors");
}

bool Ranks::reached(const std::string& name, std::int64_t step) const {
  for (int i = 0; i < 3000; ++i) {
    std::ifstream file(run_dir(name) / "metrics.jsonl");
    std::string line;
    while (std::getline(file, line)) {
      const auto value = nlohmann::json::parse(line, nullptr, false);
      if (value.is_object() && value.value("step", std::int64_t{0}) >= step) return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

nlohmann::json Ranks::status(const std::string& name) const {
  return nlohmann::json::parse(read_file(run_dir(name) / "status.json"));
}

pid_t Ranks::process_of(const std::string& name, int rank) const {
  const auto variable = "RANK=" + std::to_string(rank);
  const auto argument = "run.name=" + name;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto number = entry.path().filename().string();
    if (number.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto holds = [&](const char* file, const std::string& wanted) {
      std::ifstream in(entry.path() / file);
      std::string item;
      while (std::getline(in, item, '\0')) {
        if (item == wanted) return true;
      }
      return false;
    };
    std::error_code ignored;
    if (fs::read_symlink(entry.path() / "cwd", ignored) != folder.path()) continue;
    if (holds("cmdline", argument) && holds("environ", variable)) return static_cast<pid_t>(std::stol(number));
  }
  return 0;
}

int Ranks::free_port() {
  const auto listener = listen_on_loopback();
  ::close(listener.fd);
  return listener.port;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double out = 0;
  for (std::size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a[i] - b[i]) / std::abs(a[i]));
  return out;
}

}  // namespace ingot::testing
