#include "tools/cli/head_scales.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "attend/error.h"

namespace attend::cli {
namespace {

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

HeadScale parse(const std::string& text) {
  HeadScale scale;
  std::string_view rest = text;
  bool good = true;
  if (const std::size_t equals = rest.find('='); equals != std::string_view::npos) {
    const std::optional<float> value = number<float>(rest.substr(equals + 1));
    good = value.has_value();
    scale.scale = value.value_or(0.0F);
    rest = rest.substr(0, equals);
  }
  const std::size_t last = rest.rfind(':');
  const std::size_t before = last == std::string_view::npos || last == 0 ? last : rest.rfind(':', last - 1);
  if (last != std::string_view::npos && before != std::string_view::npos && before < last) {
    scale.kind = parse_attention_kind(rest.substr(0, before));
    rest = rest.substr(before + 1);
  }
  const std::size_t colon = rest.find(':');
  const std::optional<std::int64_t> layer = number<std::int64_t>(rest.substr(0, colon));
  const std::optional<std::int64_t> head =
      colon == std::string_view::npos ? std::nullopt : number<std::int64_t>(rest.substr(colon + 1));
  if (!good || !layer || !head) {
    throw usage_error(
        "OPTION_VALUE", "--mask-head",
        "expected LAYER:HEAD, KIND:LAYER:HEAD or either with =SCALE, such as 3:1 or cross:3:1=0.5, found '" +
            text + "'");
  }
  scale.layer = *layer;
  scale.head = *head;
  return scale;
}

}  // namespace

std::vector<OptionSpec> head_scale_options() {
  return {{"mask-head", OptionKind::list, "L:H",
           "take a head out (L:H=0.5: scale it; cross:L:H: of a kind); may be repeated"}};
}

std::vector<HeadScale> parse_head_scales(const Options& options) {
  std::vector<HeadScale> scales;
  for (const std::string& text : options.list("mask-head")) scales.push_back(parse(text));
  return scales;
}

}  // namespace attend::cli
