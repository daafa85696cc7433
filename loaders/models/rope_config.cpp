#include "loaders/models/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loaders/files/json.h"

namespace attend {
namespace {

constexpr RealRange kPositive{.min = 0.0, .max = 1e9, .above_min = true};

class RopeReader {
 public:
  RopeReader(const ConfigReader& config, const RopeOptions& options)
      : config_(config),
        options_(options),
        parameters_(config.optional_object({"rope_parameters", "rope_scaling"})) {}

  RopeConfig read() {
    result_.max_positions = options_.positions;
    refuse_per_layer();
    theta_ = own("rope_theta", 10000.0, {.min = 1.0, .max = 1e12, .above_min = true});
    const std::string type = read_type();
    read_dims();
    result_.rope.theta = static_cast<float>(theta_);
    for (std::int64_t i = 0; i < result_.rope.dims; i += 2) {
      const float exponent = static_cast<float>(i) / static_cast<float>(result_.rope.dims);
      wavelengths_.push_back(std::pow(static_cast<float>(theta_), exponent));
    }
    for (const float wavelength : wavelengths_) result_.rope.inv_freq.push_back(1.0F / wavelength);
    if (type == "linear") linear();
    if (type == "dynamic") dynamic();
    if (type == "llama3") llama3();
    if (type == "yarn") yarn();
    if (type == "longrope") longrope();
    return std::move(result_);
  }

 private:
  // A value of rope_parameters, or of the top level, where it stood before.
  double own(const char* key, double fallback, RealRange range) const {
    const double top = config_.optional_real(key, fallback, range);
    return parameters_ ? parameters_->optional_real(key, top, range) : top;
  }

  double required(const char* key) const { return parameters_->required_real(key, kPositive); }

  void refuse_per_layer() const {
    if (!parameters_) return;
    for (const char* key : {"full_attention", "sliding_attention"}) {
      if (parameters_->has(key))
        parameters_->refuse("CFG_ROPE", key, "a rotation of its own per kind of layer is not supported");
    }
  }

  std::string read_type() const {
    if (!parameters_) return "default";
    std::vector<std::string> types = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};
    if (options_.phi3_spellings) types = {"default", "longrope", "su", "yarn"};
    const std::string type =
        parameters_->optional_choice({"rope_type", "type"}, "default", types, "CFG_ROPE");
    return options_.phi3_spellings && (type == "su" || type == "yarn") ? "longrope" : type;
  }

  void read_dims() {
    const double partial = own("partial_rotary_factor", 1.0, {.min = 0.0, .max = 1.0, .above_min = true});
    if (partial != 1.0 && !options_.partial) {
      config_.refuse("CFG_ROPE", "partial_rotary_factor",
                     fmt::format("this architecture rotates whole heads, found {}", partial));
    }
    result_.rope.dims = static_cast<std::int64_t>(static_cast<double>(options_.head_dim) * partial);
    if (result_.rope.dims % 2 == 0 && result_.rope.dims > 0) return;
    config_.refuse("CFG_ROPE", "head_dim",
                   fmt::format("the rotation needs an even number of elements of each head, found {} of {}",
                               result_.rope.dims, options_.head_dim));
    result_.rope.dims = 2;
  }

  // The length of training: beside the parameters (Phi-3), among them, or the limit itself.
  std::int64_t original_positions() const {
    const ConfigKey key = "original_max_position_embeddings";
    const IntRange range{2, kPositionsRange.max};
    const std::int64_t inner = parameters_->optional_int(key, std::max(options_.positions, range.min), range);
    return config_.optional_int(key, inner, range);
  }

  void linear() {
    const auto factor = static_cast<float>(required("factor"));
    for (float& frequency : result_.rope.inv_freq) frequency /= factor;
  }

  void dynamic() {
    const double factor = required("factor");
    if (result_.rope.dims < 4) {
      config_.refuse("CFG_ROPE", "head_dim",
                     "rope_type dynamic needs at least 4 rotated elements of each head");
    }
    result_.rope.dynamic_from = options_.positions;
    result_.rope.factor = static_cast<float>(factor);
    extend(factor * static_cast<double>(options_.positions));
  }

  void llama3() {
    const auto factor = static_cast<float>(required("factor"));
    const double low = required("low_freq_factor");
    const double high = required("high_freq_factor");
    if (high <= low) {
      parameters_->refuse("CFG_ROPE", "high_freq_factor",
                          fmt::format("expected more than low_freq_factor ({}), found {}", low, high));
    }
    const auto original = static_cast<double>(original_positions());
    const auto low_wavelength = static_cast<float>(original / low);
    const auto high_wavelength = static_cast<float>(original / high);
    for (float& frequency : result_.rope.inv_freq) {
      const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
      const float scaled = wavelength > low_wavelength ? frequency / factor : frequency;
      const bool medium = wavelength >= high_wavelength && wavelength <= low_wavelength;
      const float smooth = (static_cast<float>(original) / wavelength - static_cast<float>(low)) /
                           static_cast<float>(high - low);
      frequency = medium ? (1 - smooth) * scaled / factor + smooth * scaled : scaled;
    }
  }

  void yarn() {
    const auto original = static_cast<double>(original_positions());
    const double factor =
        parameters_->optional_real("factor", static_cast<double>(options_.positions) / original, kPositive);
    const auto magnitude = [&](double scale) {
      return factor <= 1 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
    };
    const double mscale = parameters_->optional_real("mscale", 0.0, {.min = 0.0, .max = 1e6});
    const double mscale_all = parameters_->optional_real("mscale_all_dim", 0.0, {.min = 0.0, .max = 1e6});
    const bool both = mscale != 0 && mscale_all != 0;
    result_.rope.scale = static_cast<float>(parameters_->optional_real(
        "attention_factor", both ? magnitude(mscale) / magnitude(mscale_all) : magnitude(1.0), kPositive));
    const auto [low, high] = yarn_range(original);
    for (std::size_t i = 0; i < wavelengths_.size(); ++i) {
      const float ramp = std::clamp(
          (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0F, 1.0F);
      const float extrapolated = 1 - ramp;
      result_.rope.inv_freq[i] = 1.0F / (static_cast<float>(factor) * wavelengths_[i]) * (1 - extrapolated) +
                                 1.0F / wavelengths_[i] * extrapolated;
    }
    extend(factor * original);
  }

  // The pairs between which frequencies go over from kept to interpolated.
  std::pair<double, double> yarn_range(double original) const {
    const double fast = parameters_->optional_real("beta_fast", 32.0, kPositive);
    const double slow = parameters_->optional_real("beta_slow", 1.0, kPositive);
    const auto dims = static_cast<double>(result_.rope.dims);
    const auto pair_of = [&](double rotations) {
      return dims * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta_));
    };
    double low = pair_of(fast);
    double high = pair_of(slow);
    if (parameters_->optional_bool("truncate", true)) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, dims - 1);
    if (low == high) high += 0.001;
    return {low, high};
  }

  void longrope() {
    const auto original = static_cast<double>(original_positions());
    const double factor =
        parameters_->optional_real("factor", static_cast<double>(options_.positions) / original, kPositive);
    const double usual = factor <= 1.0 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
    result_.rope.scale = static_cast<float>(parameters_->optional_real("attention_factor", usual, kPositive));
    result_.rope.dynamic_from = static_cast<std::int64_t>(original);
    result_.rope.inv_freq = stretched("short_factor");
    result_.rope.long_inv_freq = stretched("long_factor");
  }

  std::vector<float> stretched(const char* key) const {
    const JsonValue* factors = parameters_->find(key);
    if (factors == nullptr || !factors->is_array() || factors->size() != wavelengths_.size()) {
      parameters_->refuse("CFG_ROPE", key,
                          fmt::format("expected a list of {} numbers, found {}", wavelengths_.size(),
                                      factors == nullptr ? "nothing" : factors->describe()));
      return wavelengths_;
    }
    std::vector<float> frequencies;
    for (std::size_t i = 0; i < wavelengths_.size(); ++i) {
      const JsonValue& value = factors->elements()[i];
      const std::optional<double> number = value.to_double();
      if (!number || !(*number > 0)) {
        parameters_->refuse("CFG_ROPE", key, "expected numbers above 0, found " + value.describe());
        return wavelengths_;
      }
      frequencies.push_back(1.0F / (static_cast<float>(*number) * wavelengths_[i]));
    }
    return frequencies;
  }

  void extend(double positions) {
    const auto longest = static_cast<double>(kPositionsRange.max);
    result_.max_positions =
        std::max(options_.positions, static_cast<std::int64_t>(std::min(positions, longest)));
  }

  const ConfigReader& config_;
  RopeOptions options_;
  std::optional<ConfigReader> parameters_;
  double theta_ = 10000.0;
  std::vector<float> wavelengths_;  // over 2 pi, of each pair
  RopeConfig result_;
};

}  // namespace

RopeConfig read_rope(const ConfigReader& config, const RopeOptions& options) {
  return RopeReader(config, options).read();
}

}  // namespace attend
