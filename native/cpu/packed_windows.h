// The windows of an image as the left operand of a packed product: strips of cpu/packed_strips.h, from numbers in
// either type, rounded to bfloat16 where asked.
#pragma once

#include <cstdint>

#include "cpu/stored.h"
#include "cpu/windows.h"

namespace gradstep::cpu {

// Of the transposed matrix: columns (positions of the kernel and channels) first … and rows (pixels of the result) k …
void pack_window_columns(const Windows& windows, Stored image, bool round, float* to, int64_t first, int64_t count,
                         int64_t k, int64_t depth);

}  // namespace gradstep::cpu
