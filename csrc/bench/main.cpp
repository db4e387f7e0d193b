// Benchmarks of the engine without Python; see csrc/bench/README.md.
#include <exception>
#include <iostream>

#include "bench/bench.hpp"

int main(int argc, char** argv) try {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  pyoptim::bench::add_rules();
  pyoptim::bench::add_small();
  pyoptim::bench::add_kernels();
  pyoptim::bench::add_gemm();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
