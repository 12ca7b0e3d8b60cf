// Shared memory of the block that runs: the __shared__ variables of all kernels, and the dynamic piece, which ends
// where an unreadable page begins. Filled with NaN patterns, so that what no thread wrote shows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emulation {

// Before block number `block` of a grid. All kernels' variables lie in one piece, of which a kernel writes little: what
// its blocks write is looked for after the first and then after every 16th, and only that is filled again in between.
void poison_shared(uint64_t block);

// `bytes` divides by 16.
void poison_dynamic_shared(size_t bytes);
void* dynamic_shared_begin(size_t bytes);
// Whether an address that faulted lies just past the dynamic piece.
bool is_past_dynamic_shared(const void* address);

}  // namespace emulation
