"""The Cython interface of pyoptim, for steps without the GIL.

Create a Stepper from an optimizer, and call step() in your own loop:

    from pyoptim.cython_optim cimport Stepper

    cdef Stepper stepper = Stepper(pyoptim.Adam(params))
    with nogil:
        for i in range(steps):
            ...                       # write the gradients
            stepper.step()

You need no header and no library of pyoptim to compile or link this.

Parameters are numbered over all groups, in the order the optimizer was given them, and groups as in
optimizer.param_groups. Names are C strings: b"lr". Methods acquire the GIL only to raise. They raise
ValueError for a NULL array, name or size. As with all cdef classes, you must ensure that a variable
of type Stepper is not None. Use a Stepper from one thread at a time, and do not step, load or change
its optimizer while the Stepper is running.

Stability: declarations here may be added, but existing ones do not change. A module compiled against
one version of pyoptim works with all later versions. The methods of Stepper are
compiled into the module that uses them, and call the functions below, which Cython looks up by name
and type when that module is imported: should a version not have them as the module expects, as an
older one may not, the import raises ImportError ("does not export expected C function") or
TypeError ("has wrong signature"). The memory layout of Stepper never changes, and Cython compares
its size.
"""

cimport cython
from libc.stdint cimport int64_t


# What the methods of Stepper call; call these instead.
cdef int stepper_step(Stepper self, double grad_scale) except -1 nogil
cdef int stepper_step_on(
    Stepper self, const void *const *grads, double grad_scale) except -1 nogil
cdef int stepper_step_rows(
    Stepper self, const void *const *grads, const int64_t *const *rows, const size_t *counts,
    double grad_scale) except -1 nogil
cdef int stepper_update_hessian(Stepper self, const void *const *estimates) except -1 nogil
cdef int stepper_set_evaluating(Stepper self, bint evaluating) except -1 nogil
cdef double stepper_get(Stepper self, size_t group, const char *name) except? -1 nogil
cdef int stepper_set(Stepper self, size_t group, const char *name, double value) except -1 nogil
cdef int64_t stepper_steps(Stepper self) noexcept nogil
cdef double stepper_grad_norm(Stepper self) noexcept nogil
cdef bint stepper_skipped(Stepper self) noexcept nogil
cdef size_t stepper_count(Stepper self) noexcept nogil
cdef void *stepper_param(Stepper self, size_t index, size_t *size) except? NULL nogil
cdef const void *stepper_state(
    Stepper self, size_t index, const char *name, size_t *size) except? NULL nogil


@cython.final
cdef class Stepper:
    """Stepper(optimizer, grads=None, *, schedule_steps=1); see help(pyoptim.cython_optim.Stepper).
    """

    cdef readonly object optimizer  # what it was made from
    cdef object _arrays             # the gradients
    cdef object _native             # who owns the memory
    cdef void *_driver

    # ---- Steps -------------------------------------------------------------------------------
    # Return 1, or 0 if the step was skipped (skip_nonfinite). Schedules are followed; they are
    # Python, so that a step may take the GIL for them: see schedule_steps.

    cdef inline int step(self) except -1 nogil:
        """Step on the gradients of the Stepper.

        Raises ValueError if there are none, or a schedule returns a number out of range, and
        RuntimeError in eval mode.
        """
        return stepper_step(self, 1.0)

    cdef inline int step_scaled(self, double grad_scale) except -1 nogil:
        """Step on the gradients times grad_scale, for example 1.0 / batch_size."""
        return stepper_step(self, grad_scale)

    cdef inline int step_on(
            self, const void *const *grads, double grad_scale) except -1 nogil:
        """Step on other gradients, a pointer for each parameter; NULL leaves it unchanged.

        You must ensure that each points to contiguous elements of the parameter's dtype and size.
        Raises ValueError if one overlaps a parameter or a state. zero_grads writes to them.
        """
        return stepper_step_on(self, grads, grad_scale)

    cdef inline int step_rows(
            self, const void *const *grads, const int64_t *const *rows, const size_t *counts,
            double grad_scale) except -1 nogil:
        """Step on gradients that may be row-sparse, like pyoptim.RowGrad.

        If rows[i] is not NULL, it points to counts[i] numbers of rows, counted along the first
        axis, in any order, repeated or not, and grads[i] to as many rows of values; only these rows
        and their states change. counts[i] is not read if rows[i] is NULL. Raises IndexError if a
        row is out of range, and ValueError without support for row-sparse gradients.
        """
        return stepper_step_rows(self, grads, rows, counts, grad_scale)

    cdef inline int update_hessian(self, const void *const *estimates) except -1 nogil:
        """Update the diagonal Hessian, like Optimizer.update_hessian. Pointers are as in step_on.

        Raises ValueError if the rule does not use it.
        """
        return stepper_update_hessian(self, estimates)

    # ---- Eval mode -----------------------------------------------------------------------------

    cdef inline int eval(self) except -1 nogil:
        """Switch to eval mode, like Optimizer.eval."""
        return stepper_set_evaluating(self, True)

    cdef inline int train(self) except -1 nogil:
        """Switch back to train mode. You cannot step in eval mode."""
        return stepper_set_evaluating(self, False)

    # ---- Settings ------------------------------------------------------------------------------

    cdef inline double get(self, size_t group, const char *name) except? -1 nogil:
        """Return a hyperparameter of a group: b"lr", b"weight_decay", b"beta1" ... For a schedule, it
        is the value at the last step. A flag is 0 or 1. Raises ValueError for an unknown name and
        IndexError for an unknown group.
        """
        return stepper_get(self, group, name)

    cdef inline int set(self, size_t group, const char *name, double value) except -1 nogil:
        """Set a hyperparameter from the next step on. Return 1.

        Also raises ValueError, and changes nothing, if the value is out of range or changes which
        states exist, or if the hyperparameter is a schedule.
        """
        return stepper_set(self, group, name, value)

    # ---- Results and states --------------------------------------------------------------------

    cdef inline int64_t steps(self) noexcept nogil:
        """Return the number of steps, including those from Python."""
        return stepper_steps(self)

    cdef inline double grad_norm(self) noexcept nogil:
        """Return the norm of all scaled gradients of the last step before clipping; NaN before the
        first step, and without clip_norm and skip_nonfinite.
        """
        return stepper_grad_norm(self)

    cdef inline bint skipped(self) noexcept nogil:
        """Return whether the last step was skipped because of a nonfinite gradient."""
        return stepper_skipped(self)

    cdef inline size_t count(self) noexcept nogil:
        """Return the number of parameters."""
        return stepper_count(self)

    cdef inline void *param(self, size_t index, size_t *size) except? NULL nogil:
        """Return the address of a parameter, and its number of elements in *size. Raises IndexError
        for an unknown number.
        """
        return stepper_param(self, index, size)

    cdef inline const void *state(
            self, size_t index, const char *name, size_t *size) except? NULL nogil:
        """Return the address of a state of a parameter, and its number of elements in *size.

        Names are those of optimizer.state. Elements are double for parameters of float64, else
        float, in the parameter's order, unless state_dtype is set. Factored second moments have
        their own size. A scalar state is a double, and b"step" an int64_t. The address is valid as
        long as the optimizer exists. Raises ValueError for an unknown name.
        """
        return stepper_state(self, index, name, size)
