// A step without the engine, which takes the time of the kernels alone.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "rules/kernel_table.hpp"

namespace pyoptim::bench {

/// Calls the kernel of an elementwise rule for each float32 span, with the default weight decay.
class BareKernels {
 public:
  BareKernels(const RuleInfo& rule, std::vector<double> hyper, double lr, std::vector<Span> spans)
      : update_(rule.update[int(DType::float32)][0]),
        hyper_(std::move(hyper)),
        spans_(std::move(spans)),
        step_{0, lr, scalars_, rule.defaults.weight_decay} {
    rule.initial_scalars(hyper_.data(), lr, scalars_);
    if (rule.defaults.decoupled_weight_decay && !rule.fused_weight_decay)
      preprocess_.keep = 1 - lr * rule.defaults.weight_decay;
  }
  BareKernels(const BareKernels&) = delete;
  BareKernels& operator=(const BareKernels&) = delete;

  void step() {
    ++step_.count;
    for (const Span& span : spans_) update_(hyper_.data(), step_, preprocess_, &span, 1, nullptr);
  }

 private:
  Update update_;
  std::vector<double> hyper_;
  std::vector<Span> spans_;
  double scalars_[max_scalars] = {};
  Step step_;
  Preprocess preprocess_;
};

}  // namespace pyoptim::bench
