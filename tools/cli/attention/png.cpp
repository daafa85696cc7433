#include "tools/cli/attention/png.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "attend/error.h"

namespace attend::cli {
namespace {

// Palette: heat colours, then paper and ink.
constexpr int kHeatColours = 254;
constexpr std::uint8_t kPaper = 254;
constexpr std::uint8_t kInk = 255;

constexpr int kLargestCell = 24;
constexpr int kWidestMap = 480;  // pixels, as long as cells have one
constexpr int kMargin = 12;
constexpr int kGlyphColumns = 3;
constexpr int kGlyphRows = 5;
constexpr int kDot = 2;       // pixels of a glyph's dot
constexpr int kTitleDot = 4;  // of a head's number
constexpr int kDigitWidth = (kGlyphColumns + 1) * kDot;
constexpr int kDigitHeight = kGlyphRows * kDot;
constexpr int kTickGap = 6;

// Digits, three dots wide, rows from the top, the leftmost dot the highest of three bits.
constexpr std::array<std::array<std::uint8_t, kGlyphRows>, 10> kDigits = {{{7, 5, 5, 5, 7},
                                                                           {2, 6, 2, 2, 7},
                                                                           {7, 1, 7, 4, 7},
                                                                           {7, 1, 7, 1, 7},
                                                                           {5, 5, 7, 1, 1},
                                                                           {7, 4, 7, 1, 7},
                                                                           {7, 4, 7, 5, 7},
                                                                           {7, 1, 2, 2, 2},
                                                                           {7, 5, 7, 5, 7},
                                                                           {7, 5, 7, 1, 7}}};

class Canvas {
 public:
  Canvas(std::int64_t width, std::int64_t height) : width_(width), height_(height) {
    if (width * height > kMostPixels) {
      throw Error("ATTENTION_SIZE", "--png",
                  fmt::format("the picture would have {} x {} pixels, more than the {} million that it may "
                              "have; ask for one head (--head) or a shorter input",
                              width, height, kMostPixels >> 20));
    }
    pixels_.assign(static_cast<std::size_t>(width * height), kPaper);
  }

  // What lies beyond the picture is cut off.
  void fill(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, std::uint8_t colour) {
    width = std::min(width, width_ - x);
    height = std::min(height, height_ - y);
    if (width <= 0) return;
    for (std::int64_t row = y; row < y + height; ++row)
      std::memset(&pixels_[static_cast<std::size_t>(row * width_ + x)], colour,
                  static_cast<std::size_t>(width));
  }

  void number(std::int64_t x, std::int64_t y, std::int64_t value, int dot = kDot) {
    for (const char digit : fmt::format("{}", value)) {
      const auto& glyph = kDigits[static_cast<std::size_t>(digit - '0')];
      for (int row = 0; row < kGlyphRows; ++row) {
        for (int column = 0; column < kGlyphColumns; ++column) {
          if ((glyph[static_cast<std::size_t>(row)] >> (kGlyphColumns - 1 - column) & 1) == 0) continue;
          fill(x + column * dot, y + row * dot, dot, dot, kInk);
        }
      }
      x += (kGlyphColumns + 1) * dot;
    }
  }

  void write(const std::string& path) const {
    std::array<std::uint8_t, 256 * 3> palette{};
    for (int i = 0; i < 256; ++i) {
      const Rgb colour = i == kPaper ? Rgb{255, 255, 255}
                         : i == kInk ? Rgb{60, 60, 67}
                                     : heat_colour(static_cast<float>(i) / (kHeatColours - 1));
      const auto at = static_cast<std::size_t>(i) * 3;
      palette[at] = colour.red;
      palette[at + 1] = colour.green;
      palette[at + 2] = colour.blue;
    }
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(width_);
    image.height = static_cast<png_uint_32>(height_);
    image.format = PNG_FORMAT_RGB_COLORMAP;
    image.colormap_entries = 256;
    if (png_image_write_to_file(&image, path.c_str(), 0, pixels_.data(), 0, palette.data()) == 0)
      throw Error("OUTPUT", path, std::string("cannot be written: ") + image.message);
  }

 private:
  std::int64_t width_, height_;
  std::vector<std::uint8_t> pixels_;
};

std::int64_t digits(std::size_t count) {
  return static_cast<std::int64_t>(fmt::format("{}", count > 0 ? count - 1 : 0).size()) * kDigitWidth;
}

// Where a tile's parts lie: ticks of rows, then the map; above it the head's number and ticks of columns.
struct Layout {
  std::int64_t cell = 1;
  std::int64_t left = 0, top = 0;
  std::int64_t width = 0, height = 0;  // of a tile with its ticks
  std::size_t tick = 1;                // tokens between two ticks

  explicit Layout(const Panel& panel) {
    const auto longest = static_cast<std::int64_t>(std::max(panel.rows.size(), panel.columns.size()));
    cell = std::clamp<std::int64_t>(kWidestMap / std::max<std::int64_t>(longest, 1), 1, kLargestCell);
    const std::int64_t room = std::max<std::int64_t>(digits(panel.columns.size()), kDigitHeight) + 2 * kDot;
    while (static_cast<std::int64_t>(tick) * cell < room) tick = tick == 1 ? 5 : tick * 2;
    left = digits(panel.rows.size()) + kTickGap;
    top = kGlyphRows * kTitleDot + kDigitHeight + 3 * kTickGap;
    width = left + cell * static_cast<std::int64_t>(panel.columns.size());
    height = top + cell * static_cast<std::int64_t>(panel.rows.size());
  }
};

void draw(Canvas& canvas, const Layout& layout, const Panel& panel, std::int64_t x, std::int64_t y,
          std::int64_t number) {
  const std::int64_t gap = layout.cell >= 8 ? 1 : 0;
  canvas.number(x + layout.left, y, number, kTitleDot);
  for (std::size_t c = 0; c < panel.columns.size(); c += layout.tick) {
    canvas.number(x + layout.left + static_cast<std::int64_t>(c) * layout.cell + gap,
                  y + layout.top - kDigitHeight - kTickGap, static_cast<std::int64_t>(c));
  }
  for (std::size_t r = 0; r < panel.rows.size(); ++r) {
    const std::int64_t row = y + layout.top + static_cast<std::int64_t>(r) * layout.cell;
    if (r % layout.tick == 0)
      canvas.number(x, row + std::max<std::int64_t>(0, (layout.cell - kDigitHeight) / 2),
                    static_cast<std::int64_t>(r));
    for (std::size_t c = 0; c < panel.columns.size(); ++c) {
      const float share = panel.largest > 0 ? panel.at(r, c) / panel.largest : 0.0F;
      const auto colour = static_cast<std::uint8_t>(std::lround(share * (kHeatColours - 1)));
      canvas.fill(x + layout.left + static_cast<std::int64_t>(c) * layout.cell, row, layout.cell - gap,
                  layout.cell - gap, colour);
    }
  }
}

}  // namespace

void write_png(const std::string& path, const std::vector<Panel>& panels) {
  const Layout layout(panels.front());
  const auto count = static_cast<std::int64_t>(panels.size());
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const std::int64_t rows = (count + columns - 1) / columns;
  Canvas canvas(kMargin + columns * (layout.width + 2 * kMargin),
                kMargin + rows * (layout.height + 2 * kMargin));
  for (std::int64_t i = 0; i < count; ++i) {
    draw(canvas, layout, panels[static_cast<std::size_t>(i)],
         kMargin + i % columns * (layout.width + 2 * kMargin),
         kMargin + i / columns * (layout.height + 2 * kMargin), panels[static_cast<std::size_t>(i)].number);
  }
  canvas.write(path);
}

}  // namespace attend::cli
