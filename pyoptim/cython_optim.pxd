"""The Cython face of pyoptim: steps without Python, under nogil.

cimport Stepper, make it from an optimizer, and call step() in your own loop:

    from pyoptim.cython_optim cimport Stepper

    cdef Stepper stepper = Stepper(pyoptim.Adam(params))
    with nogil:
        for i in range(steps):
            ...                       # write the gradients
            stepper.step()

No header of pyoptim is needed to compile this.
"""

cdef class Stepper:
    cdef void *_engine
    cdef const void **_grads
    cdef Py_ssize_t _count
    cdef readonly object optimizer
    cdef object _native
    cdef tuple _arrays

    cdef int step(self) except -1 nogil
    cdef int step_scaled(self, double grad_scale) except -1 nogil
    cdef int step_on(self, const void *const *grads, double grad_scale) except -1 nogil
    cdef int set(self, size_t group, const char *name, double value) except -1 nogil
    cdef double grad_norm(self) noexcept nogil
    cdef double _grad_norm
