include(${CMAKE_CURRENT_LIST_DIR}/pyoptimTargets.cmake)

# pyoptim.hpp needs C++20. A project in C has no features of C++ that could be asked for.
get_property(pyoptim_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
if("CXX" IN_LIST pyoptim_languages)
  set_property(TARGET pyoptim::pyoptim APPEND PROPERTY INTERFACE_COMPILE_FEATURES cxx_std_20)
endif()
unset(pyoptim_languages)
