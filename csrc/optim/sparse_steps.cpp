// Steps with row-sparse gradients.
#include <stdexcept>

#include "optim/optimizer.hpp"
#include "optim/sparse_grad.hpp"

namespace pyoptim {

bool Optimizer::supports_row_grad() const {
  return first_variant_->supports_row_grad && !options_.fused.any();
}

StepInfo Optimizer::step(const Gradient* grads, double grad_scale) {
  if (!supports_row_grad())
    throw std::invalid_argument(std::string(first_variant_->name) +
                                ": this optimizer takes no gradients of rows");
  // Clears the rows at the end of this step.
  const struct Reset {
    std::vector<std::uint8_t>& by_rows;
    ~Reset() { by_rows.clear(); }
  } reset{by_rows_};
  by_rows_.assign(tensors_.size(), 0);
  coalesced_.resize(tensors_.size());
  std::vector<const void*> dense(tensors_.size());
  const bool measured = options_.clip_norm > 0 || options_.skip_nonfinite;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    const Tensor& tensor = tensors_[i];
    dense[i] = grads[i].values;
    if (grads[i].rows == nullptr) continue;
    by_rows_[i] = 1;
    CoalescedRows& rows = coalesced_[i];
    const std::size_t count = shapes_[i].empty() ? 0 : shapes_[i].front();
    rows.coalesce(grads[i], count, count > 0 ? tensor.size / count : 0, tensor.dtype);
    dense[i] = measured ? rows.gather(options_.threads) : grads[i].values;
    if (dense[i] == nullptr)
      dense[i] = &rows;  // a gradient without rows is not the same as no gradient
  }
  return step(dense.data(), grad_scale);
}

const CoalescedRows* Optimizer::rows_of(std::size_t tensor) const {
  return by_rows_.empty() || by_rows_[tensor] == 0 ? nullptr : &coalesced_[tensor];
}

ArrayView Optimizer::values_of(const void* const* grads, std::size_t tensor) const {
  const CoalescedRows* const rows = rows_of(tensor);
  const std::size_t size =
      rows == nullptr ? tensors_[tensor].size : rows->size() * rows->row_length();
  return {grads[tensor], size, tensors_[tensor].dtype};
}

}  // namespace pyoptim
