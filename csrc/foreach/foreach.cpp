#include "foreach/foreach.hpp"

#include <algorithm>
#include <cmath>

#include "core/parallel.hpp"
#include "core/threads.hpp"
#include "foreach/norm.hpp"
#include "simd/element.hpp"

namespace pyoptim {

PYOPTIM_PER_ISA(ForeachTable, foreach_table);

namespace {

constexpr std::size_t grain = 1024;         // elements; a multiple of every SIMD width
constexpr std::size_t max_piece = 1 << 18;  // the largest piece that a thread takes at a time
constexpr double smallest_gradient = 1e-6;  // lower bound of a unit's gradient norm
constexpr double shrink = 0x1p-600;         // scales squares of any double into range

const ForeachKernels& kernels(DType dtype) { return foreach_table.current()[int(dtype)]; }

template <class Pointer>
Pointer moved(Pointer pointer, std::size_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const std::byte,
                                  std::byte>;
  return pointer == nullptr ? nullptr : static_cast<Byte*>(pointer) + bytes;
}

/// The elements [begin, end).
ForeachSpan cut(const ForeachTensor& tensor, std::size_t begin, std::size_t end) {
  const std::size_t item = item_size(tensor.dtype), wide = item_size(state_dtype(tensor.dtype));
  const ForeachSpan& part = tensor.part;
  return {moved(part.param, begin * item), moved(part.grad, begin * item),
          moved(part.wide, begin * wide), moved(part.copy, begin * item), end - begin};
}

/// Calls work(i) for every piece of work, on several threads if there are enough elements.
template <class Work>
void over_pieces(std::size_t count, std::size_t elements, int threads, const Work& work) {
  const Team team(elements, threads);
  parallel_for(team.threads(), count, 1, max_piece / sum_block,
               [&](std::size_t begin, std::size_t end) {
                 for (std::size_t i = begin; i < end; ++i) work(i);
               });
}

template <class T>
double shrunk_square_sum(const ForeachSpan& part, bool adaptive, double eta) {
  const T* const param = static_cast<const T*>(part.param);
  const T* const grad = static_cast<const T*>(part.grad);
  double sum = 0;
  for (std::size_t i = 0; i < part.size; ++i) {
    double value = double(baseline::load(grad[i])) * shrink;
    if (adaptive) value *= std::fabs(double(baseline::load(param[i]))) + eta;
    sum += value * value;
  }
  return sum;
}

/// The sum of squares of shrunk gradients, for sums that overflowed.
double shrunk_square_sum(const ForeachTensor& block, bool adaptive, double eta) {
  switch (block.dtype) {
    case DType::float32:
      return shrunk_square_sum<float>(block.part, adaptive, eta);
    case DType::float64:
      return shrunk_square_sum<double>(block.part, adaptive, eta);
    case DType::bfloat16:
      return shrunk_square_sum<baseline::bfloat16>(block.part, adaptive, eta);
  }
  return 0;
}

}  // namespace

void foreach_update(ForeachUpdate ForeachKernels::*operation,
                    const std::vector<ForeachTensor>& tensors, double a, double b, int threads) {
  std::vector<std::size_t> ends;
  ends.reserve(tensors.size());
  std::size_t total = 0;
  for (const ForeachTensor& tensor : tensors) ends.push_back(total += tensor.part.size);
  const Team team(total, threads);
  parallel_for(team.threads(), total, grain, max_piece, [&](std::size_t begin, std::size_t end) {
    auto i = std::size_t(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin());
    while (begin < end) {
      const std::size_t start = ends[i] - tensors[i].part.size, stop = std::min(ends[i], end);
      if (begin < stop)
        (kernels(tensors[i].dtype).*operation)(cut(tensors[i], begin - start, stop - start), a, b);
      begin = stop;
      ++i;
    }
  });
}

double penalize(const std::vector<ForeachTensor>& tensors, const std::vector<void*>& grads,
                double l1, double l2, int threads) {
  struct Piece {
    ForeachTensor tensor;
    void* grad;
  };
  std::vector<Piece> pieces;
  std::size_t total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [part, dtype] = tensors[i];
    for (std::size_t at = 0; at < part.size; at += sum_block)
      pieces.push_back({{cut(tensors[i], at, std::min(at + sum_block, part.size)), dtype},
                        moved(grads[i], at * item_size(dtype))});
    total += part.size;
  }
  std::vector<double> sums(pieces.size());
  over_pieces(pieces.size(), total, threads, [&](std::size_t i) {
    const auto& [tensor, grad] = pieces[i];
    sums[i] = kernels(tensor.dtype).penalize(tensor.part, grad, l1, l2);
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

double gradient_norm(const std::vector<ForeachTensor>& tensors, bool adaptive, double eta,
                     int threads) {
  std::vector<ForeachTensor> blocks;
  std::size_t total = 0;
  for (const ForeachTensor& tensor : tensors) {
    for (std::size_t at = 0; at < tensor.part.size; at += sum_block)
      blocks.push_back({cut(tensor, at, std::min(at + sum_block, tensor.part.size)), tensor.dtype});
    total += tensor.part.size;
  }
  const auto root_of_sum = [&](const auto& measure) {
    std::vector<double> sums(blocks.size());
    over_pieces(blocks.size(), total, threads,
                [&](std::size_t i) { sums[i] = measure(blocks[i]); });
    const FloatEnvironment environment;
    double sum = 0;
    for (const double part : sums) sum += part;
    return std::sqrt(sum);
  };
  const double norm = root_of_sum([&](const ForeachTensor& block) {
    const ForeachSpan& part = block.part;
    return adaptive
               ? kernels(block.dtype).adaptive_square_sum(part.param, part.grad, eta, part.size)
               : kernels(block.dtype).square_sum(part.grad, part.size);
  });
  if (!std::isinf(norm)) return norm;
  const double rest = root_of_sum(
      [&](const ForeachTensor& block) { return shrunk_square_sum(block, adaptive, eta); });
  return rest == 0 ? norm : rest / shrink;
}

namespace {

/// The norms of all units of a matrix, and the pieces of work that compute them. Sums are over
/// blocks: parts of a row if rows are units, groups of rows if columns are.
class UnitNorms {
 public:
  UnitNorms(const Units& units, const void* values) : units_(&units), values_(values) {
    const std::size_t rows = units.rows, columns = units.columns;
    tall_ = std::max(sum_block / std::max<std::size_t>(1, columns), units.by_columns ? 256UL : 1UL);
    wide_ = units.by_columns ? std::max<std::size_t>(1, columns) : sum_block;
    blocks_down_ = (rows + tall_ - 1) / tall_;
    blocks_across_ = (columns + wide_ - 1) / wide_;
    sums_.resize(units.by_columns ? blocks_down_ * columns : rows * blocks_across_);
  }

  [[nodiscard]] std::size_t pieces() const { return blocks_down_ * blocks_across_; }

  /// Calls work(first row, last row, first column, last column) for a piece.
  template <class Work>
  void over(std::size_t piece, const Work& work) const {
    const std::size_t down = piece / blocks_across_ * tall_,
                      across = piece % blocks_across_ * wide_;
    work(down, std::min(down + tall_, units_->rows), across,
         std::min(across + wide_, units_->columns));
  }

  void measure(std::size_t piece) {
    over(piece, [&](std::size_t top, std::size_t bottom, std::size_t left, std::size_t right) {
      if (units_->by_columns) {
        kernels(units_->tensor.dtype)
            .column_square_sums(at(top * units_->columns), &sums_[top / tall_ * units_->columns],
                                bottom - top, units_->columns);
        return;
      }
      const auto square_sum = kernels(units_->tensor.dtype).square_sum;
      for (std::size_t i = top; i < bottom; ++i)
        sums_[i * blocks_across_ + left / wide_] =
            square_sum(at(i * units_->columns + left), right - left);
    });
  }

  [[nodiscard]] double norm(std::size_t unit) const {
    double sum = 0;
    const std::size_t blocks = units_->by_columns ? blocks_down_ : blocks_across_;
    for (std::size_t i = 0; i < blocks; ++i)
      sum += sums_[units_->by_columns ? i * units_->columns + unit : unit * blocks + i];
    return std::isinf(sum) ? large_norm(unit) : std::sqrt(sum);
  }

 private:
  [[nodiscard]] const void* at(std::size_t element) const {
    return moved(values_, element * item_size(units_->tensor.dtype));
  }

  /// For a unit whose squares overflow.
  [[nodiscard]] double large_norm(std::size_t unit) const {
    if (units_->tensor.dtype != DType::float64)
      return HUGE_VAL;  // squares of other dtypes do not overflow
    const std::size_t count = units_->by_columns ? units_->rows : units_->columns;
    const std::size_t stride = units_->by_columns ? units_->columns : 1;
    const double* const x =
        static_cast<const double*>(values_) + unit * (units_->by_columns ? 1 : units_->columns);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double value = x[i * stride] * shrink;
      sum += value * value;
    }
    return std::sqrt(sum) / shrink;
  }

  const Units* units_;
  const void* values_;
  std::size_t tall_, wide_, blocks_down_, blocks_across_;
  std::vector<double> sums_;
};

/// The factor of each unit's gradient.
std::vector<double> unit_factors(const Units& units, const UnitNorms& params,
                                 const UnitNorms& grads, double clip, double eps, double scale) {
  std::vector<double> factors(units.by_columns ? units.columns : units.rows);
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const double bound = clip * std::max(params.norm(i), eps);
    const double norm = std::max(std::fabs(scale) * grads.norm(i), smallest_gradient);
    factors[i] = norm > bound ? bound / norm : 1;
  }
  return factors;
}

/// The pieces of several matrices in one list of work.
class UnitPieces {
 public:
  explicit UnitPieces(const std::vector<Units>& units) : units_(units) {}

  void add(const UnitNorms& norms) {
    for (std::size_t i = 0; i < norms.pieces(); ++i) pieces_.emplace_back(matrices_, i);
    total_ += units_[matrices_++].tensor.part.size;
  }

  /// Calls work(index of the matrix, piece) for all pieces.
  template <class Work>
  void over(int threads, const Work& work) const {
    over_pieces(pieces_.size(), total_, threads,
                [&](std::size_t i) { work(pieces_[i].first, pieces_[i].second); });
  }

  /// copy <- grad times the factor of its unit.
  void scale(const std::vector<UnitNorms>& norms, const std::vector<std::vector<double>>& factors,
             int threads) const {
    over(threads, [&](std::size_t index, std::size_t piece) {
      const Units& matrix = units_[index];
      const std::size_t columns = matrix.columns;
      norms[index].over(piece, [&](std::size_t top, std::size_t bottom, std::size_t left,
                                   std::size_t right) {
        const ForeachKernels& kernel = kernels(matrix.tensor.dtype);
        if (matrix.by_columns) {
          const ForeachSpan part = cut(matrix.tensor, top * columns, bottom * columns);
          kernel.scale_columns(part.grad, part.copy, factors[index].data(), bottom - top, columns);
          return;
        }
        for (std::size_t row = top; row < bottom; ++row)
          kernel.scale(cut(matrix.tensor, row * columns + left, row * columns + right),
                       factors[index][row], 0);
      });
    });
  }

 private:
  const std::vector<Units>& units_;
  std::vector<std::pair<std::size_t, std::size_t>>
      pieces_;  // the index of the matrix, and the piece
  std::size_t matrices_ = 0, total_ = 0;
};

}  // namespace

void clip_units(const std::vector<Units>& units, double clip, double eps, double scale,
                int threads) {
  std::vector<UnitNorms> params, grads;
  UnitPieces pieces(units);
  for (const Units& matrix : units) {
    params.emplace_back(matrix, matrix.tensor.part.param);
    grads.emplace_back(matrix, matrix.tensor.part.grad);
    pieces.add(params.back());
  }
  pieces.over(threads, [&](std::size_t index, std::size_t piece) {
    params[index].measure(piece);
    grads[index].measure(piece);
  });
  std::vector<std::vector<double>> factors;
  {
    const FloatEnvironment environment;
    for (std::size_t i = 0; i < units.size(); ++i)
      factors.push_back(unit_factors(units[i], params[i], grads[i], clip, eps, scale));
  }
  pieces.scale(params, factors, threads);
}

void limit_norms(const std::vector<Units>& units, double max_piece, int threads) {
  std::vector<Units> in_place = units;
  std::vector<UnitNorms> norms;
  UnitPieces pieces(in_place);
  for (Units& matrix : in_place) {
    matrix.tensor.part.grad = matrix.tensor.part.copy = matrix.tensor.part.param;
    norms.emplace_back(matrix, matrix.tensor.part.param);
    pieces.add(norms.back());
  }
  pieces.over(threads, [&](std::size_t index, std::size_t piece) { norms[index].measure(piece); });
  std::vector<std::vector<double>> factors;
  {
    const FloatEnvironment environment;
    for (std::size_t i = 0; i < in_place.size(); ++i) {
      factors.emplace_back(in_place[i].by_columns ? in_place[i].columns : in_place[i].rows);
      for (std::size_t unit = 0; unit < factors[i].size(); ++unit) {
        const double norm = norms[i].norm(unit);
        factors[i][unit] = norm > max_piece ? max_piece / norm : 1;
      }
    }
  }
  pieces.scale(norms, factors, threads);
}

}  // namespace pyoptim
