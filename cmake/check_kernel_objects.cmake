# Checks object files that are compiled for one instruction set:
#   cmake -DNM=nm -DISA=avx512 "-DOBJECTS=a.o;b.o" -P check_kernel_objects.cmake
# The linker keeps one of several weak definitions of a name, so a weak function outside of the
# instruction set's own namespace could replace the one that all processors run. A static
# initialiser would run on all processors.
if(NOT OBJECTS)
  message(FATAL_ERROR "no object files given")
endif()
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} ${object} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" lines "${symbols}")
  foreach(line IN LISTS lines)
    # An address, the kind, a mangled name; W, V and u are weak definitions.
    string(REGEX MATCH "^[0-9a-f]+ ([A-Za-z]) (.*)$" line "${line}")
    set(kind "${CMAKE_MATCH_1}")
    set(name "${CMAKE_MATCH_2}")
    if(kind MATCHES "^[WVu]$" AND NOT name MATCHES "^_Z(TV|TI|TS|GV|Z)?NK?7pyoptim[0-9]+${ISA}")
      list(APPEND problems "${object}: weak ${name}")
    endif()
    if(name MATCHES "^_GLOBAL__(sub_)?I_|__cxx_global_var_init")
      list(APPEND problems "${object}: static initialiser ${name}")
    endif()
    if(kind MATCHES "^[TDRB]$")
      set(defines_something TRUE)
    endif()
  endforeach()
endforeach()
if(NOT defines_something)
  list(APPEND problems "${NM} found no symbols")
endif()
if(problems)
  list(JOIN problems "\n  " text)
  message(FATAL_ERROR "objects of ${ISA}:\n  ${text}")
endif()
