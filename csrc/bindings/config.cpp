#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "core/dispatch.hpp"
#include "core/threads.hpp"

namespace pyoptim::bindings {

void bind_config(py::module_& module) {
  module.attr("__version__") = PYOPTIM_VERSION;
  module.attr("compiler") = __VERSION__;
  module.attr("serial_below") = serial_below;
  module.attr("max_threads") = max_threads;
  module.def(
      "instruction_set", [] { return isa_name(active_isa()); },
      "Returns the instruction set in use.");
  module.def(
      "instruction_sets",
      [] {
        std::vector<std::string> names;
        for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
        return names;
      },
      "Returns the instruction sets that this processor can run, best last.");
  module.def("set_instruction_set", &use_isa, py::arg("name"),
             "Sets the instruction set of optimizers and models created from now on.");
  module.def("num_threads", &thread_count, "Returns the default number of threads.");
  module.def("thread_limit", &thread_limit,
             "Returns the largest number of threads that OMP_NUM_THREADS can set.");
  module.def("set_num_threads", &set_thread_count, py::arg("count"),
             "Sets the default number of threads; 0 is the automatic choice.");
  module.def(
      "usable_processors", &usable_processors,
      "Returns the number of processors that affinity and cgroup quota leave to this process.");
  module.def("in_forked_child", &in_forked_child,
             "Returns whether this process was forked and therefore stays serial.");
}

}  // namespace pyoptim::bindings
