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
  module.attr("most_threads") = most_threads;
  module.def(
      "instruction_set", [] { return isa_name(active_isa()); }, "The instruction set in use.");
  module.def(
      "instruction_sets",
      [] {
        std::vector<std::string> names;
        for (const Isa isa : available_isas()) names.emplace_back(isa_name(isa));
        return names;
      },
      "The instruction sets this processor can run, best last.");
  module.def("set_instruction_set", &use_isa, py::arg("name"),
             "Chooses the instruction set of optimizers made from now on.");
  module.def("num_threads", &thread_count, "The default number of threads.");
  module.def("thread_limit", &thread_limit,
             "The largest number of threads that OMP_NUM_THREADS can set.");
  module.def("set_num_threads", &set_thread_count, py::arg("count"),
             "Sets the default number of threads; 0 is the automatic choice.");
  module.def("usable_processors", &usable_processors,
             "The processors that affinity and cgroup quota leave to this process.");
  module.def("in_forked_child", &in_forked_child,
             "Whether this process was forked, and therefore stays serial.");
}

}  // namespace pyoptim::bindings
