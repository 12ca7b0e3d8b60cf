#include <memory>

#include "broken_meetings.h"
#include "cuda/group_barrier.h"
#include "cuda/launch.h"
#include "cuda/ptx.cuh"

namespace gradstep::cuda {
namespace {

constexpr unsigned kCluster = 3;

// Of all blocks, or of one of so many groups of them.
GroupBarrier barrier(unsigned* arrivals, unsigned groups = 1) {
  return {arrivals + blockIdx.x * groups / gridDim.x, gridDim.x / groups};
}

// Every block takes what the next one left.
__global__ void pass_around(float* x, unsigned* arrivals) {
  GroupBarrier all = barrier(arrivals);
  x[blockIdx.x] = static_cast<float>(blockIdx.x) + 10.f;
  all.arrive();
  all.wait();
  const float got = x[(blockIdx.x + 1) % gridDim.x];
  all.arrive();
  all.wait();
  x[blockIdx.x] = got;
}
__global__ void pass_around_without_barrier(float* x, unsigned* arrivals) {
  GroupBarrier all = barrier(arrivals);
  x[blockIdx.x] = static_cast<float>(blockIdx.x) + 10.f;
  all.arrive();
  all.wait();
  x[blockIdx.x] = x[(blockIdx.x + 1) % gridDim.x];
}
// Two groups of two blocks, which swap so many times what they have.
__global__ void swap_in_groups(float* x, unsigned* arrivals) {
  GroupBarrier own = barrier(arrivals, 2);
  for (unsigned turn = 0; turn <= blockIdx.x / 2 * 2; turn++) {
    const float got = x[blockIdx.x ^ 1];
    own.arrive();
    own.wait();
    x[blockIdx.x] = got + 1.f;
    own.arrive();
    own.wait();
  }
}
// A group reads what the other one makes of it, which nothing orders.
__global__ void read_the_other_group(float* x, unsigned* arrivals) {
  GroupBarrier own = barrier(arrivals, 2);
  for (int turn = 0; turn < 3; turn++) {
    own.arrive();
    own.wait();
    x[blockIdx.x] = x[blockIdx.x ^ 2] + 1.f;
  }
}
__global__ void own_dynamic_shared(float* x, unsigned* arrivals) {
  float* mine = dynamic_shared<float>();
  GroupBarrier all = barrier(arrivals);
  if (threadIdx.x == 0) mine[0] = static_cast<float>(blockIdx.x);
  all.arrive();
  all.wait();
  if (threadIdx.x == 0) x[blockIdx.x] = mine[0] + (mine[1] != mine[1] ? 0.5f : 0.f);
}
__global__ void grid_barrier_for_some(float* x, unsigned* arrivals) {
  GroupBarrier all = barrier(arrivals);
  if (blockIdx.x != 1) {
    all.arrive();
    all.wait();
  }
  x[blockIdx.x] = 1.f;
}
__global__ void grid_barrier_for_some_threads(float* x, unsigned* arrivals) {
  GroupBarrier all = barrier(arrivals);
  if (threadIdx.x < 40) all.arrive();
  x[0] = 1.f;
}
__global__ void shared_variable_at_once(float* x, unsigned* arrivals) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = 1.f;
  GroupBarrier all = barrier(arrivals);
  all.arrive();
  all.wait();
  x[threadIdx.x] = tile[threadIdx.x];
}

void meet_in_cluster() {
  arrive_in_cluster();
  wait_for_cluster();
}
// The four numbers that a block has in its shared memory.
float4* four() { return dynamic_shared<float4>(); }
unsigned next_in_cluster() { return (blockIdx.x + 1) % kCluster; }
float4 four_of_block() {
  const float first = 100.f + 4.f * static_cast<float>(blockIdx.x);
  return make_float4(first, first + 1.f, first + 2.f, first + 3.f);
}
void store_four(float* x) {
  if (threadIdx.x < 4) x[4 * blockIdx.x + threadIdx.x] = reinterpret_cast<float*>(four())[threadIdx.x];
}

// Every block gets the numbers of the one before, in its cluster.
__global__ void pass_in_cluster(float* x) {
  meet_in_cluster();
  if (threadIdx.x == 3) store_in_block(four(), next_in_cluster(), four_of_block());
  meet_in_cluster();
  store_four(x);
}
__global__ void read_before_meeting(float* x) {
  if (threadIdx.x == 0) *four() = make_float4(0.f, 0.f, 0.f, 0.f);
  meet_in_cluster();
  if (threadIdx.x == 3) store_in_block(four(), next_in_cluster(), four_of_block());
  store_four(x);
  meet_in_cluster();
}
__global__ void store_before_meeting(float* x) {
  if (threadIdx.x == 3) store_in_block(four(), next_in_cluster(), four_of_block());
  meet_in_cluster();
  store_four(x);
}
__global__ void store_and_leave(float* x) {
  meet_in_cluster();
  if (threadIdx.x == 3) store_in_block(four(), next_in_cluster(), four_of_block());
  x[0] = 1.f;
}
// To another place, in another block than there are.
template <int kFloats, unsigned kBlock>
__global__ void store_elsewhere(float*) {
  meet_in_cluster();
  if (threadIdx.x == 3) {
    store_in_block(reinterpret_cast<float4*>(dynamic_shared<float>() + kFloats), kBlock, four_of_block());
  }
  meet_in_cluster();
}
__global__ void meeting_for_some(float*) {
  if (threadIdx.x < 40) meet_in_cluster();
  __syncthreads();
}
// Those that have returned are not waited for.
__global__ void meeting_without_some(float* x) {
  if (threadIdx.x >= 40) return;
  meet_in_cluster();
  x[blockIdx.x] = 1.f;
}
__global__ void arrive_twice(float*) {
  arrive_in_cluster();
  arrive_in_cluster();
  wait_for_cluster();
}
__global__ void wait_without_arriving(float*) { wait_for_cluster(); }
__global__ void arrive_and_leave(float*) { arrive_in_cluster(); }

// The counts of arrivals, zero in the beginning, lie in memory of their own.
Result at_once(void (*kernel)(float*, unsigned*), unsigned blocks = 4, unsigned threads = kAttemptThreads,
               bool apart = false) {
  std::unique_ptr<DeviceMemory> arrivals;
  return attempt([&](cudaStream_t stream, float* x) {
    arrivals = std::make_unique<DeviceMemory>(2 * sizeof(unsigned), "a test");
    unsigned* const counts = reinterpret_cast<unsigned*>(arrivals->data());
    GRADSTEP_CUDA(cudaMemsetAsync(counts, 0, arrivals->bytes(), stream));
    if (apart) {
      launch_cooperating(stream, kernel, dim3(blocks), dim3(threads), 2 * sizeof(float), x, counts);
    } else {
      launch_at_once(stream, kernel, dim3(blocks), dim3(threads), 2 * sizeof(float), x, counts);
    }
  });
}

Result clustered(void (*kernel)(float*), unsigned blocks = 2 * kCluster, unsigned cluster = kCluster) {
  return attempt([=](cudaStream_t stream, float* x) {
    launch_clusters(stream, kernel, dim3(blocks), cluster, dim3(kAttemptThreads), sizeof(float4), x);
  });
}

// In blocks that need not be there at once.
Result apart(void (*kernel)(float*)) {
  return attempt([=](cudaStream_t stream, float* x) {
    launch_cooperating(stream, kernel, dim3(1), dim3(kAttemptThreads), sizeof(float4), x);
  });
}

}  // namespace

void print_meetings() {
  print("pass around", at_once(pass_around), ",");
  print("pass around without a barrier", at_once(pass_around_without_barrier), ",");
  print("swap in groups", at_once(swap_in_groups), ",");
  print("a group reads the other one", at_once(read_the_other_group), ",");
  print("dynamic shared memory of blocks at once", at_once(own_dynamic_shared), ",");
  print("grid barrier for some blocks", at_once(grid_barrier_for_some), ",");
  print("grid barrier for some threads", at_once(grid_barrier_for_some_threads), ",");
  print("grid barrier in blocks apart", at_once(pass_around, 4, kAttemptThreads, true), ",");
  print("shared variable in blocks at once", at_once(shared_variable_at_once), ",");
  print("parts of warps at once", at_once(pass_around, 4, 40), ",");
  print("too many blocks at once", at_once(pass_around, 5), ",");
  print("pass in clusters", clustered(pass_in_cluster), ",");
  print("a cluster that some have left", clustered(meeting_without_some), ",");
  print("read before the cluster meets", clustered(read_before_meeting), ",");
  print("store before the cluster has begun", clustered(store_before_meeting), ",");
  print("store in a block that may have ended", clustered(store_and_leave), ",");
  print("store past a block's shared memory", clustered(store_elsewhere<4, 1>), ",");
  print("store before a block's shared memory", clustered(store_elsewhere<-4, 1>), ",");
  print("store at an odd place of a block", clustered(store_elsewhere<2, 1>), ",");
  print("store in a block that is not in the cluster", clustered(store_elsewhere<0, kCluster>), ",");
  print("cluster barrier for some threads", clustered(meeting_for_some), ",");
  print("cluster barrier in blocks apart", apart(pass_in_cluster), ",");
  print("arrive twice at a cluster's barrier", clustered(arrive_twice), ",");
  print("wait at a cluster's barrier without arriving", clustered(wait_without_arriving), ",");
  print("arrive at a cluster's barrier and leave", clustered(arrive_and_leave), ",");
  print("too many blocks in a cluster", clustered(pass_in_cluster, 9, 9), ",");
  print("a cluster in part", clustered(pass_in_cluster, kCluster + 1), ",");
}

}  // namespace gradstep::cuda
