// Weights that are stored in 8 bits, each matrix with its scales beside it: w = q * scale.
//
// A matrix "a.weight" of I8 has its scales in "a.weight_scale" of F32, which has the matrix's shape with 1 in
// every dimension but that of the outputs: [out, 1] or, of matrices stored [in, out], [1, out]. The numbers
// are those of quantize_weights() (engine/kernels/quantize.h): stored or quantised at load, same bits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attend/error.h"
#include "engine/model/model_def.h"
#include "engine/model/weight_store.h"

namespace attend {

// Tables of fewer elements that are only looked up (positions, token types) stay as they are stored: nothing
// is gained by rounding them.
inline constexpr std::int64_t kSmallTable = std::int64_t{1} << 20;

// The dimension that counts the outputs of a matrix: each has a scale.
enum class OutputAxis : std::uint8_t { rows, columns };

std::string scale_name(std::string_view weight);
// Whether a tensor is the scales of another.
bool is_scale(const TensorInfo& tensor, const WeightStore& store);
Shape scale_shape(const Shape& weight, OutputAxis axis);

// The tensors that may be stored in 8 bits: those that nothing but products and large tables read, along one
// axis. Whatever else products read in 8 bits is rounded when the model is loaded.
std::map<std::string, OutputAxis> quantizable_tensors(const ModelDef& def);

// What is wrong with the stored 8-bit tensors that the model uses: MODEL_TENSOR_DTYPE where one cannot be in
// 8 bits, QUANT_SCALE_MISSING, QUANT_SCALE_DTYPE, QUANT_SCALE_SHAPE.
std::vector<Issue> check_quantized(const ModelDef& def, const WeightStore& store);

// The scales of all outputs; throws QUANT_SCALE_VALUE for one that is negative or not finite.
std::vector<float> read_scales(const WeightStore& store, const TensorInfo& weight);

}  // namespace attend
