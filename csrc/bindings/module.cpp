#include "bindings/bindings.hpp"
#include "engine/dispatch.hpp"

PYBIND11_MODULE(_core, module) {
  using namespace pyoptim::bindings;
  module.doc() = "The compiled engine of pyoptim.";
  pyoptim::active_backend();  // an unavailable PYOPTIM_ISA is an error on import
  bind_config(module);
  bind_rules(module);
  bind_memory(module);
  bind_optimizer(module);
  bind_layers(module);
  bind_factors(module);
  bind_norms(module);
  bind_losses(module);
  bind_products(module);
  bind_sparse(module);
  bind_take(module);
  bind_tensors(module);
  bind_vectors(module);
  bind_checksum(module);
}
