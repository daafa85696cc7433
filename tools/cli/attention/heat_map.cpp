#include "tools/cli/attention/heat_map.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "tools/cli/attention/labels.h"

namespace attend::cli {
namespace {

constexpr int kLeastWidth = 40;
constexpr int kMostWidth = 240;
constexpr int kLabelWidth = 16;   // of rows
constexpr int kLabelHeight = 10;  // of columns, whose labels stand upright
constexpr int kCell = 2;
constexpr int kWeightWidth = 5;       // " 0.83"
constexpr float kLeastShare = 0.02F;  // of the largest weight; less leaves a cell empty
constexpr std::array<const char*, 6> kShades = {"  ", "··", "░░", "▒▒", "▓▓", "██"};

class Drawing {
 public:
  Drawing(const Panel& panel, const TextStyle& style) : panel_(panel), style_(style) {
    for (const std::string& label : panel.rows)
      label_width_ = std::max(label_width_, std::min(display_width(label), kLabelWidth));
  }

  std::vector<std::string> lines() {
    lines_.push_back(panel_.title);
    lines_.push_back(legend());
    const int room = style_.width - label_width_ - 1 - kWeightWidth;
    const auto fit = static_cast<std::size_t>(std::max(1, room / kCell));
    for (std::size_t first = 0; first < panel_.columns.size(); first += fit) {
      lines_.emplace_back();
      block(first, std::min(fit, panel_.columns.size() - first));
    }
    return std::move(lines_);
  }

 private:
  std::string cell(float weight) const {
    const float share = panel_.largest > 0 ? weight / panel_.largest : 0.0F;
    if (style_.colour) {
      const Rgb colour = heat_colour(share);
      return fmt::format("\x1b[48;2;{};{};{}m  \x1b[0m", colour.red, colour.green, colour.blue);
    }
    if (share < kLeastShare) return kShades.front();
    const auto steps = static_cast<float>(kShades.size() - 1);
    return kShades[std::min(kShades.size() - 1, 1 + static_cast<std::size_t>(share * steps))];
  }

  std::string legend() const {
    std::string line = "weights 0 ";
    for (int i = 0; i <= 5; ++i)
      line += cell(panel_.largest * std::max(0.0F, (static_cast<float>(i) - 0.5F) / 5.0F));
    line += fmt::format(" {:.2f}", panel_.largest);
    return line + (panel_.rows.size() > 1 ? "; beside each row its largest" : "");
  }

  // The labels of keys, from top to bottom, ending right above their columns.
  void header(std::size_t first, std::size_t count) {
    std::vector<std::vector<std::string>> labels;
    std::size_t height = 0;
    for (std::size_t c = first; c < first + count; ++c) {
      std::vector<std::string> label = characters(panel_.columns[c]);
      if (label.size() > kLabelHeight) {
        label.resize(kLabelHeight - 1);
        label.emplace_back("…");
      }
      height = std::max(height, label.size());
      labels.push_back(std::move(label));
    }
    for (std::size_t line = 0; line < height; ++line) {
      std::string text = padded("", label_width_ + 1);
      for (const std::vector<std::string>& label : labels) {
        const std::size_t above = height - label.size();
        text += padded(line < above ? "" : label[line - above], kCell);
      }
      lines_.push_back(std::move(text));
    }
  }

  void block(std::size_t first, std::size_t count) {
    header(first, count);
    for (std::size_t r = 0; r < panel_.rows.size(); ++r) {
      std::string line = padded(panel_.rows[r], label_width_) + " ";
      float largest = 0;
      for (std::size_t c = first; c < first + count; ++c) {
        line += cell(panel_.at(r, c));
        largest = std::max(largest, panel_.at(r, c));
      }
      lines_.push_back(line + fmt::format(" {:.2f}", largest));
    }
  }

  const Panel& panel_;
  TextStyle style_;
  int label_width_ = 1;
  std::vector<std::string> lines_;
};

}  // namespace

TextStyle terminal_style() {
  TextStyle style;
  winsize size{};
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  if (terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    style.width = std::clamp(static_cast<int>(size.ws_col), kLeastWidth, kMostWidth);
  const char* no_colour = std::getenv("NO_COLOR");  // https://no-color.org
  style.colour = terminal && (no_colour == nullptr || *no_colour == '\0');
  return style;
}

std::vector<std::string> draw_heat_map(const Panel& panel, const TextStyle& style) {
  return Drawing(panel, style).lines();
}

}  // namespace attend::cli
