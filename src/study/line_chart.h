#pragma once
// A chart with lines as an SVG file, and a bar for a table on a terminal.

#include <string>
#include <utility>
#include <vector>

namespace ingot {

struct ChartSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // in the order in which the line joins them
  bool marks = true;                              // a dot at each point
};

struct LineChart {
  std::string title, x_label, y_label;
  bool log_x = false, log_y = false;
  std::vector<ChartSeries> series;
  std::vector<double> x_ticks = {};  // empty: round numbers
};

/// One self-contained SVG document. Points that are not finite, or not positive on a logarithmic axis, are left out.
std::string to_svg(const LineChart& chart);

/// A bar of at most `width` characters for a value between low (one character) and high (all).
std::string text_bar(double value, double low, double high, int width = 30);

}  // namespace ingot
