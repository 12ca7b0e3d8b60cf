// Pooling attributes of either pooling op as the two axes of ops/pool.h.
#pragma once

#include "generated/tensor.h"
#include "ops/pool.h"

namespace gradstep::cpu {

struct PoolGeometry {
  int64_t n, c;
  PoolAxis h, w;

  int64_t windows() const { return n * h.windows * w.windows; }
  int64_t positions() const { return n * h.size * w.size; }
};

// `x` is the larger tensor [N, H, W, C], `y` the pooled one.
template <typename Args>
PoolGeometry pool_geometry(const Args& args, const Tensor& x, const Tensor& y) {
  return {x.dims[0],
          x.dims[3],
          {x.dims[1], y.dims[1], args.pool_h, args.stride_h, args.pad_top},
          {x.dims[2], y.dims[2], args.pool_w, args.stride_w, args.pad_left}};
}

}  // namespace gradstep::cpu
