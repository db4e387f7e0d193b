// A step of rules that keep states for the rows and columns of matrices, cut over threads.
#pragma once

#include <memory>
#include <vector>

#include "core/export.hpp"

namespace pyoptim {

struct Run;

/// The work of runs of one tensor each.
class PYOPTIM_API FactoredPlan {
 public:
  FactoredPlan();
  ~FactoredPlan();
  FactoredPlan(const FactoredPlan&) = delete;
  FactoredPlan& operator=(const FactoredPlan&) = delete;

  /// Takes all memory that the runs need; again for runs of the same tensors allocates nothing.
  void prepare(const std::vector<Run>& runs, int threads);
  /// Does the work in one parallel region, and allocates nothing.
  void execute();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace pyoptim
