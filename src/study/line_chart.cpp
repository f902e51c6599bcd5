#include "study/line_chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/text.h"

namespace ingot {
namespace {

constexpr double kWidth = 680, kHeight = 420, kLeft = 76, kRight = 20, kTop = 36, kBottom = 56, kLegendRow = 20;
// Okabe and Ito's colours, which colour-blind readers tell apart.
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000", "#999999"};

std::string number(double value, const char* format = "%.4g") {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

std::string pixel(double value) { return number(value, "%.1f"); }

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

/// One axis: from values to pixels, and where its ticks are.
class Axis {
 public:
  Axis(bool logarithmic, double from, double to) : log_(logarithmic), from_(from), to_(to) {}

  bool shows(double value) const { return std::isfinite(value) && (!log_ || value > 0); }
  void include(double value) {
    if (!shows(value)) return;
    low_ = is_empty_ ? value : std::min(low_, value);
    high_ = is_empty_ ? value : std::max(high_, value);
    is_empty_ = false;
  }
  /// Room beyond the values, after all were included.
  void widen() {
    if (is_empty_) low_ = high_ = 1;
    const double a = scaled(low_), b = scaled(high_);
    const double room = b > a ? 0.05 * (b - a) : log_ ? 0.1 : std::max(0.05 * std::abs(a), 1e-6);
    low_ = log_ ? std::pow(10, a - room) : a - room;
    high_ = log_ ? std::pow(10, b + room) : b + room;
  }
  double at(double value) const {
    return from_ + (to_ - from_) * (scaled(value) - scaled(low_)) / (scaled(high_) - scaled(low_));
  }
  std::vector<double> ticks() const { return log_ ? log_ticks() : linear_ticks(); }

 private:
  double scaled(double value) const { return log_ ? std::log10(value) : value; }

  std::vector<double> log_ticks() const {
    std::vector<double> out;
    const bool fine = std::log10(high_ / low_) < 2.5;
    for (int e = static_cast<int>(std::floor(std::log10(low_))); e <= std::log10(high_); ++e) {
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double tick = digit * std::pow(10, e);
        if ((fine || digit == 1.0) && tick >= low_ && tick <= high_) out.push_back(tick);
      }
    }
    return out;
  }

  std::vector<double> linear_ticks() const {
    const double raw = (high_ - low_) / 5, power = std::pow(10, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (const double digit : {5.0, 2.0, 1.0}) {
      if (digit * power >= raw) step = digit * power;
    }
    std::vector<double> out;
    for (double tick = std::ceil(low_ / step) * step; tick <= high_; tick += step) {
      out.push_back(std::abs(tick) < step / 1e6 ? 0 : tick);
    }
    return out;
  }

  bool log_;
  double from_, to_;  // pixels
  double low_ = 0, high_ = 0;
  bool is_empty_ = true;
};

std::string text_at(double x, double y, const std::string& words, const char* anchor, const std::string& more = "") {
  return cat("<text x=\"", pixel(x), "\" y=\"", pixel(y), "\" text-anchor=\"", anchor, "\"", more, ">", escaped(words),
             "</text>\n");
}

std::string line_between(double x1, double y1, double x2, double y2, const char* colour) {
  return cat("<path d=\"M", pixel(x1), " ", pixel(y1), "L", pixel(x2), " ", pixel(y2), "\" stroke=\"", colour,
             "\"/>\n");
}

std::string axes_svg(const LineChart& chart, const Axis& x, const Axis& y) {
  const double right = kWidth - kRight, bottom = kHeight - kBottom;
  std::string out;
  for (const double tick : y.ticks()) {
    out += line_between(kLeft, y.at(tick), right, y.at(tick), "#ddd");
    out += text_at(kLeft - 8, y.at(tick) + 4, number(tick), "end");
  }
  for (const double tick : chart.x_ticks.empty() ? x.ticks() : chart.x_ticks) {
    out += line_between(x.at(tick), bottom, x.at(tick), bottom + 5, "#333");
    out += text_at(x.at(tick), bottom + 20, number(tick), "middle");
  }
  out += line_between(kLeft, bottom, right, bottom, "#333");
  out += text_at((kLeft + right) / 2, kHeight - 12, chart.x_label, "middle");
  const double middle = (kTop + bottom) / 2;
  out += text_at(18, middle, chart.y_label, "middle", cat(" transform=\"rotate(-90 18 ", pixel(middle), ")\""));
  return out;
}

std::string series_svg(const ChartSeries& series, const char* colour, const Axis& x, const Axis& y) {
  std::string path, marks;
  for (const auto& [a, b] : series.points) {
    if (!x.shows(a) || !y.shows(b)) continue;
    path += cat(path.empty() ? "M" : "L", pixel(x.at(a)), " ", pixel(y.at(b)));
    if (series.marks) {
      marks += cat("<circle cx=\"", pixel(x.at(a)), "\" cy=\"", pixel(y.at(b)), "\" r=\"4\" fill=\"", colour, "\"/>\n");
    }
  }
  return path.empty() ? "" : cat("<path d=\"", path, "\" fill=\"none\" stroke=\"", colour, "\"/>\n", marks);
}

/// Names beside a square of their colour, in rows below the title.
struct Legend {
  explicit Legend(const std::vector<ChartSeries>& series) {
    double x = kLeft;
    for (std::size_t i = 0; i < series.size(); ++i) {
      const double width = 34 + 7.2 * static_cast<double>(series[i].name.size());
      if (x > kLeft && x + width > kWidth - kRight) {
        x = kLeft;
        ++rows;
      }
      const double y = kTop + kLegendRow * (rows - 1);
      svg += cat("<path d=\"M", pixel(x), " ", pixel(y), "h10v10h-10z\" fill=\"", kColours[i % kColours.size()],
                 "\"/>\n", text_at(x + 15, y + 9, series[i].name, "start"));
      x += width;
    }
  }
  std::string svg;
  int rows = 1;
};

}  // namespace

std::string to_svg(const LineChart& chart) {
  const Legend legend(chart.series);
  const bool has_legend = chart.series.size() > 1;
  Axis x(chart.log_x, kLeft, kWidth - kRight);
  Axis y(chart.log_y, kHeight - kBottom, kTop + (has_legend ? kLegendRow * legend.rows : 0));
  for (const auto& series : chart.series) {
    for (const auto& [a, b] : series.points) {
      if (!x.shows(a) || !y.shows(b)) continue;
      x.include(a);
      y.include(b);
    }
  }
  x.widen();
  y.widen();
  std::string out = cat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, " ", kHeight,
                        "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#333\" stroke-width=\"1.5\">\n",
                        "<rect width=\"", kWidth, "\" height=\"", kHeight, "\" fill=\"#fff\"/>\n");
  out += text_at(kWidth / 2, 22, chart.title, "middle", " font-size=\"15\"");
  out += axes_svg(chart, x, y);
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    out += series_svg(chart.series[i], kColours[i % kColours.size()], x, y);
  }
  if (has_legend) out += legend.svg;
  return out + "</svg>\n";
}

std::string text_bar(double value, double low, double high, int width) {
  const double share = high > low ? (value - low) / (high - low) : 0;
  const int length = 1 + static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * (width - 1)));
  return std::string(static_cast<std::size_t>(length), '#');
}

}  // namespace ingot
