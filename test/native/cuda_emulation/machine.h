// The machine that the emulation pretends to be, by environment variables that are read anew at every question:
//   GRADSTEP_EMULATION_DEVICES     how many GPUs it has; 1 without it
//   GRADSTEP_EMULATION_CAPABILITY  their compute capabilities, such as "9.0,7.5"; the last one is that of all further
//                                  GPUs; 9.0 without it
//   GRADSTEP_EMULATION_DRIVER      the CUDA version that its driver supports, such as 12040; 0: it has none; the
//                                  runtime's own without it
//   GRADSTEP_EMULATION_CUBLAS      what is wrong with its cuBLAS; nothing without it
//   GRADSTEP_EMULATION_CUDNN       the file of its cuDNN; without it, it has none
//   GRADSTEP_EMULATION_PRODUCTS    the algorithms that its cuBLAS has for products, such as "forward,backward", the
//                                  orders in which terms may be added; the first one is what it proposes, the last one
//                                  what is found to be the fastest; "forward" without it
//   GRADSTEP_EMULATION_ROUNDING    "none": its cuBLAS multiplies what it is given though it might round that, as it may
// How much memory its GPUs have: device_memory.h.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace emulation {

int device_count();
int driver_version();
std::string cublas_problem();
std::string cudnn_library();
std::vector<std::string> product_algorithms();
bool cublas_rounds();

struct Capability {
  int major, minor;
};
Capability capability(int device);
// What a block may have of shared memory where its kernel asks for more than the usual 48 KB (CUDA C++ Programming
// Guide, "Technical Specifications per Compute Capability").
size_t shared_opt_in(int device);

}  // namespace emulation
