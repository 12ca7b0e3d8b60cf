// All turns of a recurrence in one kernel (turn_loop.cuh) whose blocks are all on the device at once: those of a group
// hand on what they make through device memory, and count their arrivals there. How many groups there are, and how many
// units a block has, follows from a model of a turn's time. It takes recurrent kernels that fit the shared memory of as
// many blocks as the device has multiprocessors.
#pragma once

#include <algorithm>

#include "cuda/group_barrier.h"
#include "ops/turn_loop.cuh"

namespace gradstep::cuda {

constexpr int kArrivalsApart = 32;  // counters of groups, in lines of their own

template <typename Run, typename Product>
class MemoryExchange {
 public:
  __device__ MemoryExchange(const Run& run, const TurnSplit& p, unsigned* arrivals)
      : run_(run),
        p_(p),
        place_(p, run.s),
        barrier_(arrivals + place_.group * kArrivalsApart, p.blocks),
        held_(reinterpret_cast<typename Product::Held*>(dynamic_shared<unsigned char>() + held_offset<Product>(p))) {}

  __device__ void begin() {}
  __device__ void wait(int turn) const {
    if (turn > 0) {
      barrier_.wait();
    } else {
      __syncthreads();
    }
  }
  __device__ const typename Product::Held* operand(int turn, int32_t at) const {
    hold_operand<Product>(p_.product, run_.operand(turn) + static_cast<int64_t>(place_.begin + at) * p_.product.depth,
                          place_.rows - at, held_);
    return held_;
  }
  __device__ void hand_on(int turn, const Units<1>& here, bool inside,
                          const Pack<float, 1> (&brought)[kBrought<Run>]) const {
    if (inside) store_next(run_, turn, here, brought);
  }
  __device__ void arrive() { barrier_.arrive(); }

 private:
  const Run& run_;
  const TurnSplit& p_;
  TurnPlace place_;
  GroupBarrier barrier_;
  typename Product::Held* held_;
};

template <typename Run, typename Product>
__global__ void __launch_bounds__(kPersistentThreads, 1) persistent_kernel(Run run, TurnSplit p, unsigned* arrivals) {
  if constexpr (!Product::kAvailable) {
    trap();
  } else {
    MemoryExchange<Run, Product> exchange(run, p, arrivals);
    make_turns<Product>(run, p, exchange);
  }
}

// Nanoseconds of a turn, by what is known of an H100, without what all splits have in common, such as the way of a
// count to another block. Arrivals at one address come 5 apart. Eight rows take 400 beside the product, the warps' sums
// and the reading of the operand, at 100 bytes a nanosecond and multiprocessor and 5000 in all, from the second-level
// cache.
template <typename Product>
double turn_nanoseconds(const TurnSplit& p) {
  const double operand = 4. * kProductRows * p.product.depth, sums = 8. * p.product.sums();
  const double read = std::max(operand / 100, operand * p.blocks * p.groups / 5000);
  return 5. * p.blocks + p.eights() * (400 + read + Product::nanoseconds(p.product) + sums / kSharedBytes);
}

// The split, and the kernel for it.
template <typename Run>
struct PersistentPlan {
  TurnSplit split;
  void (*kernel)(Run, TurnSplit, unsigned*);
  int64_t shared_bytes;
};

// All blocks are there at once, as a multiprocessor has room for one of them in any case.
template <typename Run>
PersistentPlan<Run> persistent_plan(const Prepare& prepare, const Sequence& s, Precision precision) {
  return with_product(prepare, precision, [&](auto product) -> PersistentPlan<Run> {
    using Product = decltype(product);
    const TurnSplit split = quickest_split<Run>(s, precision, false, [&](const TurnSplit& p, double) -> double {
      const bool fits = int64_t{p.groups} * p.blocks <= prepare.multiprocessors() &&
                        shared_bytes<Product>(p) <= static_cast<int64_t>(prepare.grid_shared_bytes());
      return fits ? turn_nanoseconds<Product>(p) : INFINITY;
    });
    return {split, persistent_kernel<Run, Product>, shared_bytes<Product>(split)};
  });
}

}  // namespace gradstep::cuda
