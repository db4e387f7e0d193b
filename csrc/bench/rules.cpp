// A step of every variant of every rule over one array, compared with its bandwidth loop.
#include "bench/bench.hpp"
#include "bench/variants.hpp"
#include "core/dispatch.hpp"
#include "optim/optimizer.hpp"

namespace pyoptim::bench {
namespace {

struct Case {
  Variant variant;
  DType dtype;
  int exponent;
  Isa isa;
  int threads;

  [[nodiscard]] std::string name() const {
    return variant.name + "/" + name_of(dtype) + "/2^" + std::to_string(exponent) + "/" +
           isa_name(isa) + "/threads:" + std::to_string(threads);
  }
};

void run(benchmark::State& state, const Case& of) {
  const std::size_t side = std::size_t{1} << (of.exponent / 2), size = side * side;
  Layout layout;
  const std::size_t param_at = layout.place(size * item_size(of.dtype));
  const std::size_t grad_at = layout.place(size * item_size(of.dtype));
  const Arena memory(layout.size());
  void* const param = memory.data() + param_at;
  void* const grad = memory.data() + grad_at;
  fill(param, of.dtype, size);
  fill(grad, of.dtype, size);
  use_isa(isa_name(of.isa));
  const TensorSpec tensor{"p", param, size, of.dtype, grad, {side, side}};
  const Variant& variant = of.variant;
  Optimizer optimizer(variant.rule->name, {{variant.settings, {tensor}}}, {.threads = of.threads});
  BandwidthLoop loop(of.isa, of.dtype, passes_of(*variant.rule), size, of.threads);
  const void* const grads[] = {grad};
  compare_with_bandwidth(state, loop, size, [&] { optimizer.step(grads); });
}

}  // namespace

void add_rules() {
  for (const Variant& variant : variants())
    for (const DType dtype : all_dtypes)
      for (const int exponent : exponents)
        for (const Isa isa : available_isas())
          for (const int threads : thread_counts(std::size_t{1} << exponent)) {
            const Case of{variant, dtype, exponent, isa, threads};
            add(of.name(), [=](benchmark::State& state) { run(state, of); });
          }
}

}  // namespace pyoptim::bench
