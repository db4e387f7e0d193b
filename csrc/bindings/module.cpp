#include "bindings/bindings.hpp"
#include "bindings/exceptions.hpp"
#include "core/dispatch.hpp"

// Multi-phase initialization. Objects of the engine belong to one interpreter and its lock. Free
// threading is not declared, so the lock stays.
PYBIND11_MODULE(_core_of_main, module, pybind11::multiple_interpreters::not_supported()) {
  using namespace pyoptim::bindings;
  module.doc() = "The compiled engine of pyoptim.";
  // pybind11's own exceptions are left to its own translator.
  pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const pybind11::builtin_exception&) {
      throw;
    } catch (const pybind11::error_already_set&) {
      throw;
    } catch (...) {
      raise_in_python();
    }
  });
  pyoptim::active_isa();  // an unavailable PYOPTIM_ISA fails on import
  bind_config(module);
  bind_rules(module);
  bind_memory(module);
  bind_step_info(module);
  bind_fused_options(module);
  bind_optimizer(module);
  bind_nn(module);
  bind_embedding(module);
  bind_nn_norm(module);
  bind_nn_network(module);
  bind_losses(module);
  bind_gemm(module);
  bind_solvers(module);
  bind_spmm(module);
  bind_linear(module);
  bind_gather(module);
  bind_tensors(module);
  bind_foreach(module);
  bind_xxh64(module);
}

// Python before 3.12 does not know what a module supports, and later versions ask isolated
// interpreters only. Without this check, pybind11 would wait for the lock of another interpreter
// forever.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_main();
  PyErr_SetString(PyExc_ImportError,
                  "pyoptim: subinterpreters are not supported; import it in the main interpreter, "
                  "or use a process for each task");
  return nullptr;
}
