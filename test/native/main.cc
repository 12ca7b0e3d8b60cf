// gradstep_native_test             runs every test
// gradstep_native_test NAME        runs the tests whose name contains NAME
// gradstep_native_test --allocations PROGRAM STEPS
//                                  counts allocations while a program runs (allocation_test.cc)
#include <cstring>

#include "allocation_test.h"
#include "harness.h"

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--allocations") == 0) {
    try {
      return gradstep::test::count_allocations(argv[2], std::stoll(argv[3]));
    } catch (const std::exception& error) {
      std::cerr << error.what() << std::endl;
      return 1;
    }
  }
  return gradstep::test::run_tests(argc > 1 ? argv[1] : "");
}
