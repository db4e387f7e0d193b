# cython: language_level=3
"""Steps without Python: `Stepper` drives an optimizer of pyoptim from Cython under nogil."""

from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport NAN
from libc.stdint cimport int64_t
from libcpp cimport bool


cdef extern from "<string_view>" namespace "std" nogil:
    cdef cppclass string_view:
        string_view(const char *)

cdef extern from "engine/optimizer.hpp" namespace "pyoptim" nogil:
    cdef cppclass StepInfo:
        int64_t step
        double grad_norm
        bool measured
        bool skipped

    cdef cppclass Optimizer:
        StepInfo step(const void *const *grads, double grad_scale) except +
        void set(size_t group, string_view name, double value) except +


cdef class Stepper:
    """Steps an optimizer from Cython, without the GIL.

    The optimizer stays whole: its arrays, settings, state_dict() and step count are the same seen
    from Python. While a Stepper steps, nothing else may step or load the optimizer.

    Parameters
    ----------
    optimizer : pyoptim.Optimizer
        Its settings must be numbers; change them with `set`. A schedule that is set later is not
        followed.
    grads : list of arrays, optional
        What step() reads, one array a parameter, of its dtype and shape, C-contiguous. Needed
        unless the optimizer is over Parameters, which have gradients of their own.

    Methods (for Cython)
    --------------------
    step() : one step on `grads`; returns 1, or 0 if it was skipped (skip_nonfinite).
    step_scaled(grad_scale) : the same, gradients multiplied by grad_scale.
    step_on(pointers, grad_scale) : one step on other buffers, one a parameter; NULL skips one.
    set(group, name, value) : sets a hyper-parameter, b"lr" for example.
    grad_norm() : the norm of the last step's gradients; NaN unless clip_norm or skip_nonfinite.
    """

    def __cinit__(self, optimizer, grads=None):
        self._engine = NULL
        self._grads = NULL
        native = optimizer._native
        if optimizer.scheduled:
            raise ValueError("Stepper needs settings that are numbers, not schedules; "
                             "set them with Stepper.set")
        self.optimizer = optimizer
        self._native = native
        self._arrays = tuple(native.checked_grads(grads))
        addresses = [array.ctypes.data for array in self._arrays]
        self._count = len(addresses)
        self._grads = <const void **> PyMem_Malloc(max(1, self._count) * sizeof(void *))
        if self._grads == NULL:
            raise MemoryError()
        for i in range(self._count):
            self._grads[i] = <const void *> <size_t> addresses[i]
        self._grad_norm = NAN
        self._engine = PyCapsule_GetPointer(native.engine(), b"pyoptim.Optimizer")

    @property
    def grads(self):
        """The gradients that step() reads."""
        return list(self._arrays)

    def __dealloc__(self):
        PyMem_Free(self._grads)

    cdef int step(self) except -1 nogil:
        return self.step_on(self._grads, 1.0)

    cdef int step_scaled(self, double grad_scale) except -1 nogil:
        return self.step_on(self._grads, grad_scale)

    cdef int step_on(self, const void *const *grads, double grad_scale) except -1 nogil:
        cdef StepInfo info = (<Optimizer *> self._engine).step(grads, grad_scale)
        self._grad_norm = info.grad_norm if info.measured else NAN
        return 0 if info.skipped else 1

    cdef int set(self, size_t group, const char *name, double value) except -1 nogil:
        (<Optimizer *> self._engine).set(group, string_view(name), value)
        return 1

    cdef double grad_norm(self) noexcept nogil:
        return self._grad_norm

    def run(self, Py_ssize_t steps):
        """Makes so many steps on the same gradients, without the GIL; returns those not skipped."""
        cdef Py_ssize_t made = 0
        with nogil:
            for _ in range(steps):
                made += self.step()
        return made
