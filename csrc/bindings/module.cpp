#include "bindings/bindings.hpp"
#include "bindings/exceptions.hpp"
#include "core/dispatch.hpp"

// Initialised in two phases. Objects of the engine belong to one interpreter and its lock: nothing
// is said of running without the lock, which keeps it.
PYBIND11_MODULE(_core_of_main, module, pybind11::multiple_interpreters::not_supported()) {
  using namespace pyoptim::bindings;
  module.doc() = "The compiled engine of pyoptim.";
  // Exceptions that are pybind11's own are for its own translator.
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
  pyoptim::active_isa();  // an unavailable PYOPTIM_ISA is an error on import
  bind_config(module);
  bind_rules(module);
  bind_memory(module);
  bind_step_info(module);
  bind_extras(module);
  bind_optimizer(module);
  bind_layers(module);
  bind_factors(module);
  bind_norms(module);
  bind_network(module);
  bind_losses(module);
  bind_products(module);
  bind_solvers(module);
  bind_sparse(module);
  bind_linear(module);
  bind_take(module);
  bind_tensors(module);
  bind_vectors(module);
  bind_checksum(module);
}

// Python before 3.12 does not know what a module supports, and later ones ask only isolated
// interpreters. pybind11 would wait for the lock of another interpreter for ever.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return PyInit__core_of_main();
  PyErr_SetString(PyExc_ImportError,
                  "pyoptim: subinterpreters are not supported; import it in the main interpreter, "
                  "or use a process for each task");
  return nullptr;
}
