#pragma once

/// Marks symbols that the Python, Cython and native interfaces link to. All others are hidden.
#define PYOPTIM_API __attribute__((visibility("default")))
