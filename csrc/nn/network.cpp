#include "nn/network.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/arena.hpp"
#include "core/parallel.hpp"
#include "core/row_blocks.hpp"
#include "core/text.hpp"
#include "foreach/foreach.hpp"
#include "nn/norm.hpp"

namespace pyoptim {
namespace {

constexpr double norm_eps = 1e-5;             // added to variances before their square root
constexpr std::size_t rows_at_a_time = 4096;  // of scores

std::size_t rows_of(const Inputs& x) {
  return std::visit([](const auto& matrix) { return matrix.rows; }, x);
}

Inputs rows_between(const Inputs& x, std::size_t begin, std::size_t end, std::size_t item) {
  if (const auto* const sparse = std::get_if<CsrMatrix>(&x)) {
    CsrMatrix part = *sparse;
    part.starts += begin;
    part.rows = end - begin;
    return part;
  }
  StridedMatrix part = std::get<StridedMatrix>(x);
  part.data = static_cast<const std::byte*>(part.data) +
              std::ptrdiff_t(begin) * part.row_stride * std::ptrdiff_t(item);
  part.rows = end - begin;
  return part;
}

StridedMatrix strided(const Matrix& m) {
  return {m.data, m.rows, m.columns, std::ptrdiff_t(m.columns), 1};
}
StridedMatrix transposed(const StridedMatrix& m) {
  return {m.data, m.columns, m.rows, m.column_stride, m.row_stride};
}

void multiply_inputs(const Inputs& x, const Matrix& weight, void* out) {
  if (const auto* const sparse = std::get_if<CsrMatrix>(&x))
    spmm(*sparse, weight, out);
  else
    gemm(std::get<StridedMatrix>(x), strided(weight), out, std::ptrdiff_t(weight.columns),
         weight.dtype);
}

const void* skip_of(const DenseLayer& layer, const Inputs& x) {
  return layer.residual ? std::get<StridedMatrix>(x).data : nullptr;
}

/// Converts between bfloat16 and float32, on several threads if the array is large.
void convert(ForeachUpdate ForeachKernels::*operation, const ForeachSpan& whole) {
  constexpr std::size_t grain = 1024, max_piece = std::size_t{1} << 18;
  const auto kernel = foreach_table.current()[int(DType::bfloat16)].*operation;
  const Team team(whole.size, 0);
  parallel_for(team.threads(), whole.size, grain, max_piece,
               [&](std::size_t begin, std::size_t end) {
                 ForeachSpan part = whole;
                 for (void** const values : {&part.param, &part.copy})
                   if (*values != nullptr) *values = static_cast<std::uint16_t*>(*values) + begin;
                 part.wide = static_cast<float*>(part.wide) + begin;
                 part.size = end - begin;
                 kernel(part, 1, 0);
               });
}

/// Converts a bfloat16 weight to float32.
void widen(const Matrix& weight, float* wide) {
  convert(&ForeachKernels::load_params, {.param = weight.data,
                                         .grad = nullptr,
                                         .wide = wide,
                                         .copy = nullptr,
                                         .size = weight.rows * weight.columns});
}

bool is_narrow(const DenseLayer& layer) { return layer.weight.dtype == DType::bfloat16; }

template <class F>
void normalize_columns(const Matrix& z, const DenseLayer& layer) {
  const auto* const mean = static_cast<const F*>(layer.running_mean);
  const auto* const variance = static_cast<const F*>(layer.running_variance);
  const auto* const norm_weight = static_cast<const F*>(layer.norm_weight);
  for (std::size_t j = 0; j < z.columns; ++j) {
    const F factor = norm_weight[j] / std::sqrt(variance[j] + F(norm_eps));
    F* value = static_cast<F*>(z.data) + j;
    for (std::size_t i = 0; i < z.rows; ++i, value += z.columns)
      *value = (*value - mean[j]) * factor;
  }
}

/// Normalizes with running statistics.
void normalize_columns(const Matrix& z, const DenseLayer& layer) {
  if (z.dtype == DType::float64)
    normalize_columns<double>(z, layer);
  else
    normalize_columns<float>(z, layer);
}

/// sums <- sums + terms
void add(const Matrix& terms, void* sums) {
  const auto add_all = [&]<class F>(F* to) {
    const F* const from = static_cast<const F*>(terms.data);
    for (std::size_t i = 0; i < terms.rows * terms.columns; ++i) to[i] += from[i];
  };
  if (terms.dtype == DType::float64)
    add_all(static_cast<double*>(sums));
  else
    add_all(static_cast<float*>(sums));
}

}  // namespace

/// The running statistics of all layers. The destructor restores them, unless they were accepted.
class Network::Statistics {
 public:
  explicit Statistics(Network& network) : network_(network) { copy<true>(); }
  ~Statistics() {
    if (!stays_) copy<false>();
  }
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;
  void stay() { stays_ = true; }

 private:
  template <bool Save>
  void copy() {
    std::byte* at = network_.statistics_.data();
    for (const DenseLayer& layer : network_.layers_) {
      if (layer.norm != Norm::batch) continue;
      const std::size_t bytes = layer.weight.columns * item_size(network_.dtype_);
      for (void* const values : {layer.running_mean, layer.running_variance}) {
        Save ? std::memcpy(at, values, bytes) : std::memcpy(values, at, bytes);
        at += bytes;
      }
    }
  }

  Network& network_;
  bool stays_ = false;
};

Network::Network(std::vector<DenseLayer> layers, DType dtype)
    : layers_(std::move(layers)), dtype_(dtype) {
  if (layers_.empty()) throw std::invalid_argument("layers: expected at least one, got none");
  std::size_t wide = 0, statistics = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const DenseLayer& layer = layers_[i];
    const Matrix& weight = layer.weight;
    const std::string name = "layers[" + std::to_string(i) + "]: ";
    if (i > 0 && weight.rows != layers_[i - 1].weight.columns)
      throw std::invalid_argument(name + "expected " +
                                  std::to_string(layers_[i - 1].weight.columns) + " inputs, got " +
                                  std::to_string(weight.rows));
    if (layer.residual && weight.rows != weight.columns)
      throw std::invalid_argument(name + "a residual layer needs as many inputs as outputs, got " +
                                  std::to_string(weight.rows) + " and " +
                                  std::to_string(weight.columns));
    if (!(layer.dropout >= 0 && layer.dropout < 1))
      throw std::invalid_argument(name + "dropout must be in [0, 1), got " + text(layer.dropout));
    // The identity stores no derivative, but the norm and dropout need one.
    if (layer.activation == Activation::identity && (layer.dropout > 0 || layer.norm != Norm::none))
      throw std::invalid_argument(name + "norm and dropout need an activation, got identity");
    wide_at_.push_back(wide);
    if (is_narrow(layer)) wide += 2 * weight.rows * weight.columns;
    if (layer.norm != Norm::batch) continue;
    has_batch_norm_ = true;
    statistics += 2 * weight.columns * item_size(dtype_);
  }
  wide_.resize(wide);
  statistics_.resize(statistics);
}

void Network::check(const Inputs& x) const {
  const std::size_t rows = rows_of(x);
  check_kind(x);
  if (rows < min_batch_size())
    throw std::invalid_argument(std::string("x: expected at least ") +
                                (has_batch_norm_ ? "two rows, as batch norm needs" : "one row") +
                                ", got " + std::to_string(rows));
}

void Network::check_kind(const Inputs& x) const {
  if (adds_inputs() && std::holds_alternative<CsrMatrix>(x))
    throw std::invalid_argument("x: a residual first layer takes no sparse rows");
}

void Network::grow(std::size_t rows) {
  if (rows <= capacity_) return;
  const std::size_t item = item_size(dtype_);
  Layout layout;
  std::vector<Offsets> offsets;
  for (const DenseLayer& layer : layers_) {
    const std::size_t bytes = rows * layer.weight.columns * item;
    Offsets at{};
    layout.next_loop();
    at.z = layout.place(bytes);
    at.a = layer.activation == Activation::identity ? at.z : layout.place(bytes);
    at.normal = layer.norm == Norm::none ? at.z : layout.place(bytes);
    if (layer.norm != Norm::none)
      at.factors = layout.place(std::max(rows, layer.weight.columns) * sizeof(double));
    offsets.push_back(at);
  }
  capacity_ = 0;
  memory_.allocate(layout.size());
  offsets_ = std::move(offsets);
  capacity_ = rows;
}

Network::Values Network::values(std::size_t layer) const {
  std::byte* const data = memory_.data();
  const Offsets& at = offsets_[layer];
  return {data + at.normal, data + at.z, data + at.a, reinterpret_cast<double*>(data + at.factors)};
}

Matrix Network::wide_weight(std::size_t layer) const {
  const Matrix& weight = layers_[layer].weight;
  if (!is_narrow(layers_[layer])) return weight;
  return {const_cast<float*>(wide_.data()) + wide_at_[layer], weight.rows, weight.columns,
          DType::float32};
}

void* Network::wide_grad(std::size_t layer) const {
  const Matrix weight = wide_weight(layer);
  if (!is_narrow(layers_[layer])) return layers_[layer].weight_grad;
  return static_cast<float*>(weight.data) + weight.rows * weight.columns;
}

/// Allocates the memory of the backward pass that the network does not have itself, so that it
/// cannot fail after it wrote the first gradient.
void Network::reserve(const Inputs& x, bool with_input_grad) const {
  const std::size_t rows = rows_of(x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const DenseLayer& layer = layers_[i];
    const Matrix d{values(i).z, rows, layer.weight.columns, dtype_};
    const std::size_t sums = layer.norm == Norm::batch ? 3 : 1;
    ColumnSums::reserve(d, sums);
    if (i > 0 || with_input_grad)
      reserve_gemm(strided(d), transposed(strided(wide_weight(i))), dtype_);
    if (i > 0)
      reserve_gemm(transposed(strided({values(i - 1).a, rows, layer.weight.rows, dtype_})),
                   strided(d), dtype_);
    else if (const auto* const sparse = std::get_if<CsrMatrix>(&x))
      reserve_spmm_transposed(*sparse);
    else
      reserve_gemm(transposed(std::get<StridedMatrix>(x)), strided(d), dtype_);
  }
}

void Network::forward(std::size_t layer, const Inputs& x, const Dropout& dropout) const {
  const DenseLayer& it = layers_[layer];
  const Values to = values(layer);
  const Matrix weight = wide_weight(layer);
  const Matrix z{to.z, rows_of(x), weight.columns, dtype_};
  Matrix normal = z;
  normal.data = to.normal;
  if (is_narrow(it)) widen(it.weight, static_cast<float*>(weight.data));
  multiply_inputs(x, weight, to.normal);
  if (it.norm == Norm::layer)
    layer_norm(normal, it.norm_weight, to.z, to.factors, norm_eps);
  else if (it.norm == Norm::batch)
    batch_norm(normal, it.norm_weight, to.z, to.factors, norm_eps,
               {it.running_mean, it.running_variance, batch_norm_momentum});
  layer_forward(it.activation, z, it.bias, to.a, skip_of(it, x), dropout);
}

void Network::backward(std::size_t layer, const Inputs& x, const Matrix& d,
                       void* input_grad) const {
  const DenseLayer& it = layers_[layer];
  const Values from = values(layer);
  const Matrix weight = wide_weight(layer);
  Matrix by_z = d;  // the gradient by z
  if (it.activation == Activation::identity) {
    layer_backward(d, nullptr, it.bias_grad);
  } else {
    by_z.data = from.z;
    layer_backward(d, from.z, it.bias_grad);
  }
  if (it.norm == Norm::layer)
    layer_norm_backward(by_z, from.normal, it.norm_weight, from.factors, it.norm_weight_grad);
  else if (it.norm == Norm::batch)
    batch_norm_backward(by_z, from.normal, it.norm_weight, from.factors, it.norm_weight_grad);
  void* const weight_grad = wide_grad(layer);
  if (const auto* const sparse = std::get_if<CsrMatrix>(&x))
    spmm_transposed(*sparse, by_z, weight_grad);
  else
    gemm(transposed(std::get<StridedMatrix>(x)), strided(by_z), weight_grad,
         std::ptrdiff_t(weight.columns), dtype_);
  if (is_narrow(it))
    convert(&ForeachKernels::round_scaled, {.param = nullptr,
                                            .grad = nullptr,
                                            .wide = weight_grad,
                                            .copy = it.weight_grad,
                                            .size = weight.rows * weight.columns});
  if (input_grad == nullptr) return;
  gemm(strided(by_z), transposed(strided(weight)), input_grad, std::ptrdiff_t(weight.rows), dtype_);
  if (it.residual) add(d, input_grad);
}

double Network::loss_and_grad(const Inputs& x, const LossCall& loss, const Draws& draws,
                              void* input_grad) {
  check(x);
  const std::size_t rows = rows_of(x);
  const std::lock_guard lock(training_);
  grow(rows);
  reserve(x, input_grad != nullptr);
  Statistics statistics(*this);
  const auto outputs_of = [&](std::size_t layer) {
    return Matrix{values(layer).a, rows, layers_[layer].weight.columns, dtype_};
  };
  const auto inputs_of = [&](std::size_t layer) {
    return layer == 0 ? x : Inputs(strided(outputs_of(layer - 1)));
  };
  std::uint64_t draw = draws.first;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    forward(i, inputs_of(i), {layers_[i].dropout, draws.seed, draw});
    if (layers_[i].dropout > 0) ++draw;
  }
  LossCall call = loss;
  call.scores = outputs_of(layers_.size() - 1);
  call.grad = call.scores.data;
  call.hessian = nullptr;
  const double value = mean_loss(call);
  if (std::isfinite(value)) statistics.stay();
  for (std::size_t i = layers_.size(); i-- > 0;)
    backward(i, inputs_of(i), outputs_of(i), i == 0 ? input_grad : outputs_of(i - 1).data);
  return value;
}

void Network::pass_through(std::size_t layer, const Inputs& x, const Matrix& weight,
                           void* out) const {
  const DenseLayer& it = layers_[layer];
  const Matrix z{out, rows_of(x), weight.columns, dtype_};
  multiply_inputs(x, weight, out);
  if (it.norm == Norm::layer)
    layer_norm(z, it.norm_weight, out, nullptr, norm_eps);
  else if (it.norm == Norm::batch)
    normalize_columns(z, it);
  layer_forward(it.activation, z, it.bias, out, skip_of(it, x));
}

void Network::scores(const Inputs& x, void* out) const {
  check_kind(x);
  const std::size_t rows = rows_of(x), item = item_size(dtype_);
  const std::size_t height = std::min(rows, rows_at_a_time);
  std::size_t width = 0;
  for (const DenseLayer& layer : layers_) width = std::max(width, layer.weight.columns);
  // Layers write to two buffers alternately, and the last layer to the result.
  const std::size_t bytes = layers_.size() > 1 ? height * width * item : 0;
  ScratchBuffer memory[2];
  for (ScratchBuffer& each : memory) each.allocate(bytes);
  const std::unique_ptr<float[]> wide(new float[wide_.size()]);
  std::vector<Matrix> weights;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    weights.push_back(layers_[i].weight);
    if (!is_narrow(layers_[i])) continue;
    weights[i].data = wide.get() + wide_at_[i];
    weights[i].dtype = dtype_;
    widen(layers_[i].weight, wide.get() + wide_at_[i]);
  }
  for (std::size_t begin = 0; begin < rows; begin += height) {
    const std::size_t end = std::min(begin + height, rows);
    Inputs inputs = rows_between(x, begin, end, item);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      void* const to = i + 1 < layers_.size()
                           ? static_cast<void*>(memory[i % 2].data())
                           : static_cast<std::byte*>(out) + begin * outputs() * item;
      pass_through(i, inputs, weights[i], to);
      inputs = strided({to, end - begin, weights[i].columns, dtype_});
    }
  }
}

void Network::estimate_statistics(const Inputs& x, double momentum) {
  check(x);
  const std::size_t rows = rows_of(x);
  const std::lock_guard lock(training_);
  grow(rows);
  Statistics statistics(*this);
  Inputs inputs = x;
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    const DenseLayer& layer = layers_[i];
    const Values to = values(i);
    const Matrix weight = wide_weight(i);
    if (is_narrow(layer)) widen(layer.weight, static_cast<float*>(weight.data));
    if (layer.norm != Norm::batch) {
      pass_through(i, inputs, weight, to.z);
    } else {
      multiply_inputs(inputs, weight, to.normal);
      batch_norm({to.normal, rows, weight.columns, dtype_}, layer.norm_weight, to.z, to.factors,
                 norm_eps, {layer.running_mean, layer.running_variance, momentum});
      layer_forward(layer.activation, {to.z, rows, weight.columns, dtype_}, layer.bias, to.z,
                    skip_of(layer, inputs));
    }
    inputs = strided({to.z, rows, weight.columns, dtype_});
  }
  statistics.stay();
}

}  // namespace pyoptim
