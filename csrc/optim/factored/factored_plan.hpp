// The plan of a step of rules with factored states.
#pragma once

#include <memory>
#include <vector>

#include "core/export.hpp"

namespace pyoptim {

struct Run;

/// The work of runs with one tensor each.
class PYOPTIM_API FactoredPlan {
 public:
  FactoredPlan();
  ~FactoredPlan();
  FactoredPlan(const FactoredPlan&) = delete;
  FactoredPlan& operator=(const FactoredPlan&) = delete;

  /// Allocates the memory of the runs. Does not allocate again for runs of the same tensors.
  void prepare(const std::vector<Run>& runs, int threads);
  /// Runs the plan in one parallel region, without allocation.
  void execute();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace pyoptim
