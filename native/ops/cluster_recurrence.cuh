// All turns of a recurrence in one kernel (turn_loop.cuh) each of whose groups of blocks is a cluster, from compute
// capability 9.0 on: blocks store what they make straight in each other's shared memory, rounded, where the next turn's
// product takes it, and meet at the cluster's barrier. Clusters need not be there at once, so there may be any number
// of rows. It takes recurrent kernels that fit the shared memory of a cluster's blocks: eight of them, or sixteen where
// the device has such clusters.
//
// A block holds the operand of this turn and that of the next. What it stores in another one at a turn goes where that
// one's product read at the turn before: behind a barrier. At the last turn nobody stores, so whatever is stored in a
// block has come at a barrier that it has waited for when it ends.
#pragma once

#include "ops/turn_loop.cuh"

namespace gradstep::cuda {

constexpr int kPortableBlocks = 8, kMostBlocks = 16;  // of a cluster

template <typename Run, typename Product>
class ClusterExchange {
 public:
  using Held = typename Product::Held;

  __device__ ClusterExchange(const Run& run, const TurnSplit& p)
      : run_(run),
        p_(p),
        place_(p, run.s),
        held_(reinterpret_cast<Held*>(dynamic_shared<unsigned char>() + held_offset<Product>(p))) {}

  // The first operand, where there is one, comes from device memory. Where nobody will store, beyond the depth and the
  // rows, there must be zeros; and nobody may store before they are there.
  __device__ void begin() const {
    const float* const first = run_.operand(0);
    for (int32_t at = 0; at < place_.rows; at += kProductRows) {
      const float* const rows =
          first == nullptr ? nullptr : first + static_cast<int64_t>(place_.begin + at) * p_.product.depth;
      hold_operand<Product>(p_.product, rows, first == nullptr ? 0 : place_.rows - at, held(0, at));
      hold_operand<Product>(p_.product, nullptr, 0, held(1, at));
    }
    arrive_in_cluster();
  }
  __device__ void wait(int) const { wait_for_cluster(); }
  __device__ const Held* operand(int turn, int32_t at) const { return held(turn, at); }

  // Threads of four neighbouring units of a row gather them, and each stores them in every fourth block.
  __device__ void hand_on(int turn, const Units<1>& here, bool inside,
                          const Pack<float, 1> (&brought)[kBrought<Run>]) const {
    const int32_t row = static_cast<int32_t>(here.row) - place_.begin;
    Held* const to = held(turn + 1, row);
#pragma unroll
    for (int g = 0; g < kBrought<Run>; g++) {
      Pack<float, 4> terms;
#pragma unroll
      for (int k = 0; k < 4; k++) terms.v[k] = __shfl_sync(kAllLanes, brought[g].v[0], k, 4);
      if (!inside) continue;
      const Held four = Product::hold(terms, p_.product.precision);
      const int32_t at = held_at(row % kProductRows, g * run_.s.units + here.unit / 4 * 4);
#pragma unroll
      for (int32_t first = 0; first < kMostBlocks; first += 4) {
        const int32_t block = first + here.unit % 4;
        if (block < p_.blocks) store_in_block(to + at, static_cast<unsigned>(block), four);
      }
    }
  }
  __device__ void arrive() const { arrive_in_cluster(); }

 private:
  __device__ Held* held(int turn, int32_t row) const {
    return held_ + static_cast<int64_t>(turn % 2 * p_.eights() + row / kProductRows) * p_.product.held();
  }

  const Run& run_;
  const TurnSplit& p_;
  TurnPlace place_;
  Held* held_;
};

template <typename Run, typename Product>
__global__ void __launch_bounds__(kPersistentThreads, 1) cluster_kernel(Run run, TurnSplit p) {
  if constexpr (!Product::kAvailable || !kHasClusters) {
    trap();
  } else {
    ClusterExchange<Run, Product> exchange(run, p);
    make_turns<Product>(run, p, exchange);
  }
}

// Nanoseconds of a turn, by what is known of an H100: 350 for the barrier and for what is stored to arrive, and 250 for
// eight rows beside the product, the warps' sums and what comes from other blocks, 20 bytes in a nanosecond. That more
// than eight blocks take 300 more is a guess, so that they are taken only where they bring much.
template <typename Product>
double cluster_nanoseconds(const TurnSplit& p) {
  const double received = operand_bytes<Product>(p) * (p.blocks - 1) / p.blocks, sums = 8. * p.product.sums();
  return (p.blocks > kPortableBlocks ? 650 : 350) +
         p.eights() * (250 + received / 20 + Product::nanoseconds(p.product) + sums / kSharedBytes);
}

template <typename Run>
struct ClusterPlan {
  TurnSplit split;
  void (*kernel)(Run, TurnSplit);
  int64_t shared_bytes;
};

// A kernel that was compiled for older devices, and is translated for this one when it is loaded, has no clusters.
template <typename Kernel>
bool is_compiled_with_clusters(Kernel kernel) {
  cudaFuncAttributes attributes{};
  GRADSTEP_CUDA(cudaFuncGetAttributes(&attributes, kernel));
  return attributes.ptxVersion >= 90;
}

// Where there are more clusters than run at a time, some come after the others.
template <typename Run>
ClusterPlan<Run> cluster_plan(const Prepare& prepare, const Sequence& s, Precision precision) {
  return with_product(prepare, precision, [&](auto product) -> ClusterPlan<Run> {
    using Product = decltype(product);
    const auto kernel = cluster_kernel<Run, Product>;
    if (!can_be_split(s) || !prepare.clusters() || !is_compiled_with_clusters(kernel)) return {{}, kernel, 0};
    const auto most_bytes = static_cast<int>(prepare.grid_shared_bytes());
    GRADSTEP_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most_bytes));
    GRADSTEP_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
    const TurnSplit split = quickest_split<Run>(s, precision, true, [&](const TurnSplit& p, double least) -> double {
      const int64_t bytes = shared_bytes<Product>(p);
      const double turn = cluster_nanoseconds<Product>(p);
      if (p.blocks > kMostBlocks || bytes > most_bytes || turn >= least) return INFINITY;
      const int at_a_time = active_clusters(kernel, static_cast<unsigned>(p.blocks), dim3(kPersistentThreads),
                                            static_cast<size_t>(bytes));
      return at_a_time == 0 ? INFINITY : turn * ((p.groups + at_a_time - 1) / at_a_time);
    });
    return {split, kernel, shared_bytes<Product>(split)};
  });
}

}  // namespace gradstep::cuda
