// Shared memory of the block that runs: the __shared__ variables of all kernels, and the dynamic piece, which ends
// where an unreadable page begins. Filled with NaN patterns, so that what no thread wrote shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device_memory.h"

namespace emulation {

// Before block number `block` of a grid. All kernels' variables lie in one piece, of which a kernel writes little: what
// its blocks write is looked for after the first and then after every 16th, and only that is filled again in between.
void poison_shared(uint64_t block);

// Where the __shared__ variables lie, and the dynamic pieces that there are so far.
Range shared_variables();
std::vector<Range> dynamic_shared_pieces();

// How many bytes of the __shared__ variables no longer hold what poison_shared filled them with, in whole words.
size_t shared_in_use();

// `bytes` divides by 16. `place`: which of the blocks that run at once; they have pieces of their own.
void poison_dynamic_shared(size_t bytes, size_t place);
void* dynamic_shared_begin(size_t bytes, size_t place);
// Whether an address that faulted lies just past a dynamic piece.
bool is_past_dynamic_shared(const void* address);

}  // namespace emulation
