#include "run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iomanip>
#include <sstream>

#include "base/text.h"

namespace ingot {
namespace {

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string progress_text(const ProgressNumbers& n, int width) {
  std::ostringstream tail;
  tail << ' ' << n.step << '/' << n.total_steps << "  loss " << std::fixed << std::setprecision(3) << n.loss;
  if (n.tokens_per_second > 0) {
    tail << "  " << format_grouped(static_cast<std::int64_t>(n.tokens_per_second)) << " tok/s";
    if (n.mfu) tail << "  mfu " << std::setprecision(0) << 100 * *n.mfu << " %";
    tail << "  " << format_duration(n.seconds_left) << " left";
  }
  const auto text = tail.str();
  const int room = std::min(30, width - static_cast<int>(text.size()) - 2);
  if (room < 5) return text.substr(0, static_cast<std::size_t>(std::max(0, width)));
  const double share = n.total_steps > 0 ? static_cast<double>(n.step) / static_cast<double>(n.total_steps) : 0;
  const auto done = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * room);
  return '[' + std::string(done, '#') + std::string(static_cast<std::size_t>(room) - done, '.') + ']' + text;
}

std::string progress_text(const DataProgress& p) {
  auto text = cat(p.phase, "  ", format_bytes(static_cast<double>(p.bytes_done)));
  if (p.bytes_total > 0) text += cat(" of ", format_bytes(static_cast<double>(p.bytes_total)));
  if (p.bytes_per_second > 0) text += cat("  ", format_bytes(p.bytes_per_second), "/s");
  if (p.seconds_left > 0) text += cat("  ", format_duration(p.seconds_left), " left");
  return text;
}

ProgressLine::ProgressLine() : enabled_(isatty(STDERR_FILENO) != 0) {}

bool ProgressLine::may_draw() {
  if (!enabled_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_ < std::chrono::milliseconds(100)) return false;
  last_ = now;
  return true;
}

void ProgressLine::draw(const std::string& text) {
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::show(const ProgressNumbers& numbers) {
  if (may_draw()) draw(progress_text(numbers, terminal_width() - 1));
}

void ProgressLine::show(const std::string& text) {
  if (may_draw()) draw(text.substr(0, static_cast<std::size_t>(std::max(1, terminal_width() - 1))));
}

void ProgressLine::clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace ingot
