#pragma once

/// Marks what the Python, Cython and native faces may link to; everything else is hidden.
#define PYOPTIM_API __attribute__((visibility("default")))
