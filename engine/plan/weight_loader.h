// Reads a model's weights into the form in which they are computed with: packed matrices, vectors, tables.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "attend/tensor.h"
#include "engine/graph/graph.h"
#include "engine/model/weight_store.h"
#include "engine/onednn/dense.h"

namespace attend {

// A product with its weights: y = act(x W^T + b), and the variant that adds into its destination.
struct DenseLayer {
  std::shared_ptr<const PackedWeights> weights;
  std::vector<float> bias;  // empty: none
  int spec = -1;
  int spec_add = -1;

  const float* bias_or_null() const { return bias.empty() ? nullptr : bias.data(); }
};

// Rows of an embedding: as stored, quantised, or out of the output matrix that shares the tensor.
class EmbeddingTable {
 public:
  explicit EmbeddingTable(std::shared_ptr<const PackedWeights> packed) : packed_(std::move(packed)) {}
  // `scales`: of the rows, where they are i8.
  explicit EmbeddingTable(Tensor rows, std::vector<float> scales = {})
      : rows_(std::move(rows)), scales_(std::move(scales)) {}
  // dst[dim] = scale * row
  void gather(std::int64_t row, float scale, float* dst) const;

 private:
  Tensor rows_;
  std::vector<float> scales_;
  std::shared_ptr<const PackedWeights> packed_;
};

// In which precision the weights of products are kept.
enum class Precision : std::uint8_t {
  automatic,  // bf16 where the checkpoint is bf16 and this machine gains by it, else f32
  f32,
  bf16,
  int8,
};

// How many bytes of packed matrices each precision has.
using PrecisionBytes = std::map<DType, std::uint64_t>;

class WeightLoader {
 public:
  // `progress` is called with the fraction of the checkpoint's bytes read so far, from any thread, one call
  // at a time; it may be empty.
  WeightLoader(const WeightStore& store, DenseLibrary& library, Precision precision,
               std::function<void(double)> progress);

  // Tells which tensors are output matrices, so that an embedding of the same tensor shares their memory.
  void note_linear(const Graph& graph);

  // The rows of `roles` one under another, as one product: {"q", "k", "v"} or {""} for a plain linear.
  DenseLayer dense(const Node& node, const std::vector<std::string>& roles, std::int64_t in, Act act,
                   DenseSpec::Combine combine = DenseSpec::none);
  // Lets `first` write its rows in the precision in which `second`, which alone reads them, computes.
  void hand_over(DenseLayer& first, DenseLayer& second);
  // A vector (bias, norm weight) as f32; `offset` is added to each element.
  std::vector<float> vector(const Node& node, std::string_view role, float offset = 0.0F);
  EmbeddingTable embedding(const Node& node);
  // What is computed instead of stored: made once for all nodes that name the same `key`.
  std::shared_ptr<const std::vector<float>> computed(const std::string& key,
                                                     const std::function<std::vector<float>()>& make);

  std::uint64_t packed_bytes() const { return packed_bytes_; }
  const PrecisionBytes& matrix_bytes() const { return matrix_bytes_; }

 private:
  class Part;  // a matrix, or a slice of one, that is packed with others

  void read_floats(const TensorInfo& tensor, std::int64_t first, std::int64_t count, float* dst);
  // The elements [first, first + count) as they are stored. From any thread.
  void read_stored(const TensorInfo& tensor, std::int64_t first, std::int64_t count, std::byte* dst);
  EmbeddingTable quantized_table(const TensorInfo& tensor);
  const TensorInfo& info(const WeightRef& ref) const;
  DType precision_of(const std::vector<const WeightRef*>& parts, std::int64_t in, std::int64_t out);
  std::shared_ptr<const PackedWeights> pack(int spec, const std::vector<const WeightRef*>& parts,
                                            std::int64_t in);

  const WeightStore& store_;
  DenseLibrary& library_;
  Precision precision_;
  std::function<void(double)> progress_;
  std::map<std::string, DenseSpec, std::less<>> output_matrices_;
  std::map<std::string, std::shared_ptr<const PackedWeights>> packed_;
  std::map<std::string, std::shared_ptr<const std::vector<float>>> computed_;
  std::uint64_t total_bytes_ = 0;
  std::mutex mutex_;  // of read_bytes_ and the calls of progress_
  std::uint64_t read_bytes_ = 0;
  std::uint64_t packed_bytes_ = 0;
  PrecisionBytes matrix_bytes_;
};

// Converts `count` elements of a floating dtype to f32.
void convert_to_f32(DType dtype, const std::byte* src, std::int64_t count, float* dst);

}  // namespace attend
