// The kernels of norms, losses and layers, on one thread, compared with bandwidth loops.
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "bench/bench.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"
#include "foreach/foreach.hpp"
#include "losses/mean_loss.hpp"
#include "nn/layers.hpp"

namespace pyoptim::bench {
namespace {

constexpr std::size_t columns = 64;
constexpr DType float_dtypes[] = {DType::float32, DType::float64};

/// Arrays of the same size, with room for elements of 8 bytes.
class Arrays {
 public:
  Arrays(DType dtype, std::size_t size, std::size_t count) : memory_(lay_out(size, count)) {
    for (const std::size_t at : offsets_) fill(memory_.data() + at, dtype, size);
  }
  [[nodiscard]] void* operator[](std::size_t index) const {
    return memory_.data() + offsets_[index];
  }

 private:
  std::size_t lay_out(std::size_t size, std::size_t count) {
    Layout layout;
    for (std::size_t k = 0; k < count; ++k) offsets_.push_back(layout.place(size * sizeof(double)));
    return layout.size();
  }

  std::vector<std::size_t> offsets_;
  Arena memory_;
};

/// Registers benchmarks for sizes in cache and in memory. make(isa, size) returns a function
/// without arguments.
template <class Make>
void add_sizes(const std::string& name, DType dtype, Traffic traffic, const Make& make) {
  for (const int exponent : exponents)
    for (const Isa isa : available_isas())
      add(name + "/" + name_of(dtype) + "/2^" + std::to_string(exponent) + "/" + isa_name(isa),
          [=](benchmark::State& state) {
            const std::size_t size = std::size_t{1} << exponent;
            BandwidthLoop loop(isa, dtype, {traffic}, size, 1);
            const FloatEnvironment environment;
            compare_with_bandwidth(state, loop, size, make(isa, size));
          });
}

void add_norms() {
  for (const DType dtype : all_dtypes) {
    add_sizes("square_sum", dtype, {1, 0}, [=](Isa isa, std::size_t size) {
      return [=, kernels = &foreach_table[isa][int(dtype)],
              values = std::make_shared<Arrays>(dtype, size, 1)] {
        benchmark::DoNotOptimize(kernels->square_sum((*values)[0], size));
      };
    });
    add_sizes("max_magnitude", dtype, {1, 0}, [=](Isa isa, std::size_t size) {
      return [=, kernels = &foreach_table[isa][int(dtype)],
              values = std::make_shared<Arrays>(dtype, size, 1)] {
        benchmark::DoNotOptimize(kernels->max_magnitude((*values)[0], size));
      };
    });
  }
}

void add_losses() {
  const LossTable& table = loss_table[Isa::baseline];
  for (std::size_t i = 0; i < table.size; ++i)
    for (const DType dtype : float_dtypes) {
      const LossInfo& loss = table.item[i];
      std::vector<double> parameters;
      for (std::size_t k = 0; k < loss.field_count; ++k)
        parameters.push_back(loss.fields[k].initial);
      add_sizes(loss.name, dtype, {loss.of_rows ? 2U : 3U, 1},
                [=, of_rows = loss.of_rows](Isa isa, std::size_t size) {
                  const auto arrays = std::make_shared<Arrays>(dtype, size, 3);
                  const auto labels =
                      std::make_shared<std::vector<std::int64_t>>(size / columns, 1);
                  LossBatch batch{};
                  batch.scores = (*arrays)[0];
                  batch.targets = of_rows ? nullptr : (*arrays)[1];
                  batch.labels = labels->data();
                  batch.grad = (*arrays)[2];
                  batch.scale = 1;
                  batch.rows = size / columns;
                  batch.columns = columns;
                  return [=, owners = std::pair(arrays, labels),
                          evaluate = loss_table[isa].item[i].evaluate[int(dtype)]] {
                    benchmark::DoNotOptimize(evaluate(parameters.data(), batch));
                  };
                });
    }
}

void add_activation(const std::string& name, std::size_t activation, DType dtype) {
  add_sizes(name + "/forward", dtype, {2, 2}, [=](Isa isa, std::size_t size) {
    const auto arrays = std::make_shared<Arrays>(dtype, size, 2);
    return [=, forward = layer_table[isa][int(dtype)].forward[activation],
            zeros = std::vector<double>(columns)] {
      forward({.z = (*arrays)[0],
               .bias = zeros.data(),
               .skip = nullptr,
               .a = (*arrays)[1],
               .dropout = {},
               .first_row = 0,
               .rows = size / columns,
               .columns = columns});
    };
  });
}

void add_layers() {
  constexpr const char* names[activation_count] = {"identity", "relu", "leaky_relu", "tanh",
                                                   "sigmoid",  "gelu", "silu"};
  for (const DType dtype : float_dtypes) {
    for (std::size_t i = 0; i < activation_count; ++i) add_activation(names[i], i, dtype);
    add_sizes("layer/backward", dtype, {2, 1}, [=](Isa isa, std::size_t size) {
      const auto arrays = std::make_shared<Arrays>(dtype, size, 2);
      return [=, backward = layer_table[isa][int(dtype)].backward,
              sums = std::make_shared<std::vector<double>>(columns)] {
        backward((*arrays)[0], (*arrays)[1], sums->data(), size / columns, columns);
      };
    });
  }
}

}  // namespace

void add_kernels() {
  add_norms();
  add_losses();
  add_layers();
}

}  // namespace pyoptim::bench
