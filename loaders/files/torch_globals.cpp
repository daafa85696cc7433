#include "loaders/files/torch_globals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "loaders/files/checked_size.h"
#include "loaders/files/message_text.h"

namespace attend {
namespace {

using Type = PickleValue::Type;

constexpr std::size_t kMaxTensors = std::size_t{1} << 18;
constexpr std::uint64_t kMaxDim = std::uint64_t{1} << 48;

enum class Kind { ordered_dict, size, rebuild_tensor, rebuild_parameter, storage };

struct Global {
  std::string_view module;
  std::string_view name;
  Kind kind;
  DType dtype = DType::f32;
};

constexpr std::array kGlobals = std::to_array<Global>({
    {"collections", "OrderedDict", Kind::ordered_dict},
    {"torch", "Size", Kind::size},
    {"torch._utils", "_rebuild_tensor", Kind::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Kind::rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", Kind::rebuild_parameter},
    {"torch", "DoubleStorage", Kind::storage, DType::f64},
    {"torch", "FloatStorage", Kind::storage, DType::f32},
    {"torch", "HalfStorage", Kind::storage, DType::f16},
    {"torch", "BFloat16Storage", Kind::storage, DType::bf16},
    {"torch", "LongStorage", Kind::storage, DType::i64},
    {"torch", "IntStorage", Kind::storage, DType::i32},
    {"torch", "ShortStorage", Kind::storage, DType::i16},
    {"torch", "CharStorage", Kind::storage, DType::i8},
    {"torch", "ByteStorage", Kind::storage, DType::u8},
    {"torch", "BoolStorage", Kind::storage, DType::boolean},
});

// A storage's number and a tensor's number share the host type: tensors are odd.
PickleValue storage_value(std::size_t index) {
  return {Type::host, static_cast<std::int64_t>(2 * index)};
}
PickleValue tensor_value(std::size_t index) {
  return {Type::host, static_cast<std::int64_t>(2 * index + 1)};
}
bool is_storage(const PickleValue& value) {
  return value.type == Type::host && value.integer % 2 == 0;
}

}  // namespace

int TorchHost::find_global(std::string_view module, std::string_view name) const {
  const auto* found = std::find_if(kGlobals.begin(), kGlobals.end(),
                                   [&](const Global& g) { return g.module == module && g.name == name; });
  return found == kGlobals.end() ? -1 : static_cast<int>(found - kGlobals.begin());
}

const TorchTensor* TorchHost::tensor(const PickleValue& value) const {
  if (value.type != Type::host || is_storage(value)) return nullptr;
  return &tensors_[static_cast<std::size_t>(value.integer / 2)];
}

// ("storage", torch.FloatStorage, "0", "cpu", 1024), before torch 0.4 with a view, later with None at the
// end.
PickleValue TorchHost::load_persistent(PickleMachine& machine, const PickleValue& id) {
  const std::span<const PickleValue> parts = machine.items(id);
  const bool shaped = id.type == Type::tuple && (parts.size() == 5 || parts.size() == 6) &&
                      machine.text(parts[0]) == "storage" && parts[1].type == Type::global &&
                      parts[2].type == Type::string && parts[4].type == Type::integer;
  if (!shaped) machine.refuse("PT_STORAGE", "expected the id of a storage, found " + machine.describe(id));
  const Global& global = kGlobals[static_cast<std::size_t>(parts[1].integer)];
  const std::string_view key = machine.text(parts[2]);
  if (global.kind != Kind::storage) {
    machine.refuse("PT_STORAGE", fmt::format("storage {}: {}.{} is no storage", quote_text(key),
                                             global.module, global.name));
  }
  if (parts.size() == 6 && parts[5].type != Type::none) {
    machine.refuse(
        "PT_STORAGE",
        fmt::format("storage {} is a view of another storage, which is not supported", quote_text(key)));
  }
  const std::int64_t elements = parts[4].integer;
  if (elements < 0 || !checked_mul(static_cast<std::uint64_t>(elements), size_bytes(global.dtype))) {
    machine.refuse("PT_STORAGE", fmt::format("storage {}: a size of {} elements", quote_text(key), elements));
  }
  const TorchStorage storage{std::string(key), global.dtype, static_cast<std::uint64_t>(elements)};
  const auto [place, is_new] = storage_by_key_.emplace(storage.key, storages_.size());
  if (is_new) {
    storages_.push_back(storage);
  } else if (storages_[place->second].dtype != storage.dtype ||
             storages_[place->second].elements != storage.elements) {
    machine.refuse("PT_STORAGE", fmt::format("storage {} is given two types or sizes", quote_text(key)));
  }
  return storage_value(place->second);
}

namespace {

// Sizes and strides as the pickle gives them: as many of each, not negative.
struct View {
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;

  std::string str() const {
    return fmt::format("size [{}], stride [{}]", fmt::join(shape, ", "), fmt::join(strides, ", "));
  }
};

View read_view(const PickleMachine& machine, const PickleValue& size, const PickleValue& stride) {
  const std::span<const PickleValue> sizes = machine.items(size);
  const std::span<const PickleValue> strides = machine.items(stride);
  if (sizes.size() > static_cast<std::size_t>(Shape::kMaxRank)) {
    machine.refuse("PT_TENSOR",
                   fmt::format("expected at most {} dimensions, found {}", Shape::kMaxRank, sizes.size()));
  }
  if (strides.size() != sizes.size()) {
    machine.refuse("PT_TENSOR", fmt::format("{} dimensions but {} strides", sizes.size(), strides.size()));
  }
  const auto checked = [&](const PickleValue& value, std::size_t axis) {
    if (value.type != Type::integer || value.integer < 0 ||
        static_cast<std::uint64_t>(value.integer) > kMaxDim) {
      machine.refuse("PT_TENSOR",
                     fmt::format("dimension {}: expected a size and stride from 0 to {}, found {}", axis,
                                 kMaxDim, machine.describe(value)));
    }
    return value.integer;
  };
  View view;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    view.shape.push_back(checked(sizes[axis], axis));
    view.strides.push_back(checked(strides[axis], axis));
  }
  return view;
}

bool is_contiguous(const View& view) {
  std::int64_t expected = 1;
  for (std::size_t axis = view.shape.size(); axis-- > 0;) {
    if (view.shape[axis] != 1 && view.strides[axis] != expected) return false;
    expected *= view.shape[axis];
  }
  return true;
}

// True when the view has no more elements than its storage and its last one lies inside: a view that repeats
// elements could be of any size. Dimensions of empty views are bounded too, so that Shape's product fits.
bool fits(const View& view, std::int64_t first_element, std::uint64_t storage_elements) {
  std::optional<std::uint64_t> last = static_cast<std::uint64_t>(first_element);
  std::optional<std::uint64_t> elements = 1;
  bool empty = false;
  for (std::size_t axis = 0; axis < view.shape.size(); ++axis) {
    const auto dim = static_cast<std::uint64_t>(view.shape[axis]);
    empty = empty || dim == 0;
    if (dim == 0) continue;
    elements = checked_mul(*elements, dim);
    const std::optional<std::uint64_t> span =
        checked_mul(dim - 1, static_cast<std::uint64_t>(view.strides[axis]));
    last = last && span ? checked_add(*last, *span) : std::nullopt;
    if (!elements || !last || *elements > static_cast<std::uint64_t>(INT64_MAX) / 8) return false;
  }
  return empty || (*elements <= storage_elements && *last < storage_elements);
}

}  // namespace

// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata]); v1 ends after stride.
PickleValue TorchHost::rebuild_tensor(PickleMachine& machine, std::span<const PickleValue> args) {
  if (args.size() < 4 || args.size() > 7 || !is_storage(args[0]) || args[1].type != Type::integer ||
      args[1].integer < 0 || args[2].type != Type::tuple || args[3].type != Type::tuple) {
    machine.refuse("PT_TENSOR", "expected a tensor's storage, offset, size and stride, found something else");
  }
  const auto storage_index = static_cast<std::size_t>(args[0].integer / 2);
  const TorchStorage& storage = storages_[storage_index];
  const std::int64_t first_element = args[1].integer;
  View view = read_view(machine, args[2], args[3]);
  if (!fits(view, first_element, storage.elements)) {
    machine.refuse("PT_TENSOR",
                   fmt::format("a tensor of {} from element {} on does not fit its storage {} of {} elements",
                               view.str(), first_element, quote_text(storage.key), storage.elements));
  }
  if (tensors_.size() == kMaxTensors)
    machine.refuse("PT_LIMIT", fmt::format("more than {} tensors", kMaxTensors));
  TorchTensor tensor{storage_index, 0, Shape(view.shape), {}};
  if (tensor.shape.elements() > 0) {
    tensor.first_element = static_cast<std::uint64_t>(first_element);
    if (!is_contiguous(view)) tensor.strides = std::move(view.strides);
  }
  tensors_.push_back(std::move(tensor));
  return tensor_value(tensors_.size() - 1);
}

// OrderedDict() as torch writes it, OrderedDict([[key, value], ...]) as Python 2 did.
PickleValue TorchHost::build_ordered_dict(PickleMachine& machine, std::span<const PickleValue> args) {
  std::vector<PickleValue> entries;
  if (args.size() > 1) machine.refuse("PT_PICKLE", "expected at most one argument of OrderedDict");
  for (const PickleValue& pair : args.empty() ? std::span<const PickleValue>() : machine.items(args[0])) {
    const std::span<const PickleValue> parts = machine.items(pair);
    if (parts.size() != 2)
      machine.refuse("PT_PICKLE", "expected pairs in OrderedDict, found " + machine.describe(pair));
    entries.insert(entries.end(), parts.begin(), parts.end());
  }
  return machine.make_dict(std::move(entries));
}

PickleValue TorchHost::call(PickleMachine& machine, int global, std::span<const PickleValue> args) {
  const Global& function = kGlobals[static_cast<std::size_t>(global)];
  switch (function.kind) {
    case Kind::ordered_dict: return build_ordered_dict(machine, args);
    case Kind::rebuild_tensor: return rebuild_tensor(machine, args);
    case Kind::size:
      if (args.size() == 1 && args[0].type == Type::tuple) return args[0];
      break;
    case Kind::rebuild_parameter:
      if (!args.empty() && tensor(args[0])) return args[0];
      break;
    case Kind::storage: break;
  }
  machine.refuse("PT_PICKLE",
                 fmt::format("a call of {}.{} that builds no tensor", function.module, function.name));
}

}  // namespace attend
