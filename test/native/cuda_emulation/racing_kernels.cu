// Kernels whose threads use the same memory with nothing in between, and sound ones beside them, prepared as races.h
// says. Prints one JSON object: for each kernel what the emulation said ("" for nothing). test/cuda_emulation.spec.ts
// knows what must stand there.
#include <cstdio>
#include <string>
#include <vector>

#include "cuda/group_barrier.h"
#include "cuda/handles.h"
#include "cuda/launch.h"
#include "cuda/reduce.h"

namespace gradstep::cuda {
namespace {

constexpr int kAttemptThreads = 64;
constexpr unsigned kCluster = 3;

template <bool kBarrier>
__global__ void reverse(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  x[threadIdx.x] = tile[kAttemptThreads - 1 - threadIdx.x];
}

// The barrier at the end keeps the next turn's writes from this turn's reads.
template <bool kBarrier>
__global__ void reverse_twice(float* x) {
  __shared__ float tile[kAttemptThreads];
  for (int turn = 0; turn < 2; turn++) {
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = tile[kAttemptThreads - 1 - threadIdx.x];
    if (kBarrier) __syncthreads();
  }
}

// Lanes of a warp; a vote does not order what they write and read.
template <bool kBarrier>
__global__ void neighbour(float* x) {
  float* const tile = dynamic_shared<float>();
  tile[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) {
    __syncwarp();
  } else {
    static_cast<void>(__any_sync(kAllLanes, true));
  }
  x[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// A __syncwarp orders the lanes of its own warp only.
__global__ void other_warp(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  x[threadIdx.x] = tile[threadIdx.x ^ kWarp];
}

__global__ void counts_of_lanes(float* x) {
  __shared__ float count;
  if (threadIdx.x == 0) count = 0.f;
  __syncthreads();
  for (unsigned lane = 0; lane < kWarp; lane++) {
    if (threadIdx.x == lane) count += 1.f;
    __syncwarp();
  }
  __syncthreads();
  x[threadIdx.x] = count;
}

__global__ void blocks_write_one_place(float* x) { x[0] = static_cast<float>(threadIdx.x); }
__global__ void blocks_read_one_place(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x + 1] = x[0]; }
__global__ void own_places(float* x) { x[blockIdx.x * blockDim.x + threadIdx.x] += 1.f; }
__global__ void next_place(float* x) { x[threadIdx.x] = x[threadIdx.x + 1]; }
__global__ void own_bytes(float* x) { reinterpret_cast<uint8_t*>(x)[threadIdx.x] = static_cast<uint8_t>(threadIdx.x); }
// Twice, so that what others have read of a word could be taken for this thread's part of it.
__global__ void own_halves(float* x) {
  for (int turn = 0; turn < 2; turn++) reinterpret_cast<uint16_t*>(x)[threadIdx.x]++;
}
__global__ void count_atomically(float* x) { atomicAdd(reinterpret_cast<int*>(x), 1); }

// Arrivals are counted in the last number.
template <bool kBarrier>
__global__ void pass_around(float* x) {
  GroupBarrier all(reinterpret_cast<unsigned*>(x + 4 * kAttemptThreads - 1), gridDim.x);
  if (threadIdx.x == 0) x[blockIdx.x] = 1.f;
  if (kBarrier) {
    all.arrive();
    all.wait();
  }
  const float got = x[(blockIdx.x + 1) % gridDim.x];
  all.arrive();
  all.wait();
  if (threadIdx.x == 0) x[blockIdx.x] = got;
}

// Between arriving and waiting, a block writes what the others may not have read yet.
__global__ void hurry(float* x) {
  GroupBarrier all(reinterpret_cast<unsigned*>(x + 4 * kAttemptThreads - 1), gridDim.x);
  const float got = x[(blockIdx.x + 1) % gridDim.x];
  all.arrive();
  if (threadIdx.x == 0) x[blockIdx.x] = got;
  all.wait();
}

// Two groups of blocks: those whose numbers are even, and the others. Nobody has waited for the next block.
template <unsigned kDistance>
__global__ void read_from(float* x) {
  GroupBarrier own(reinterpret_cast<unsigned*>(x + 4 * kAttemptThreads - 1 - blockIdx.x % 2), gridDim.x / 2);
  if (threadIdx.x == 0) x[blockIdx.x] = 1.f;
  own.arrive();
  own.wait();
  const float got = x[(blockIdx.x + kDistance) % gridDim.x];
  if (threadIdx.x == 0) x[kAttemptThreads + blockIdx.x] = got;
}

void meet_in_cluster() {
  arrive_in_cluster();
  wait_for_cluster();
}

// Turns in which every block stores a number in the next one's shared memory, each in one of so many places.
template <int kPlaces, bool kBarrier>
__global__ void pass_in_turns(float* x) {
  float4* const got = dynamic_shared<float4>();
  if (threadIdx.x == 0) got[0] = make_float4(1.f, 1.f, 1.f, 1.f);
  meet_in_cluster();
  float total = 0.f;
  for (int turn = 0; turn < 4; turn++) {
    total += got[turn % kPlaces].x;
    const float4 given = make_float4(total, 1.f, 1.f, 1.f);
    if (threadIdx.x == 5) store_in_block(got + (turn + 1) % kPlaces, (blockIdx.x + 1) % kCluster, given);
    if (kBarrier) meet_in_cluster();
  }
  if (!kBarrier) meet_in_cluster();
  if (threadIdx.x == 0) x[blockIdx.x] = total;
}

// Between arriving and waiting a thread writes what another one reads.
__global__ void hurry_in_cluster(float* x) {
  float4* const tile = dynamic_shared<float4>();
  arrive_in_cluster();
  if (threadIdx.x == 0) tile[0] = make_float4(1.f, 1.f, 1.f, 1.f);
  wait_for_cluster();
  x[blockIdx.x * kAttemptThreads + threadIdx.x] = tile[0].x;
}

// The next block of the cluster, or of the grid.
template <bool kOwn>
__global__ void read_next(float* x) {
  if (threadIdx.x == 0) x[blockIdx.x] = 1.f;
  meet_in_cluster();
  const unsigned first = kOwn ? blockIdx.x / kCluster * kCluster : 0, blocks = kOwn ? kCluster : gridDim.x;
  const float got = x[first + (blockIdx.x - first + 1) % blocks];
  if (threadIdx.x == 0) x[kAttemptThreads + blockIdx.x] = got;
}

__global__ void half_a_tile(float* x) {
  __shared__ float tile[kAttemptThreads];
  if (threadIdx.x < kAttemptThreads / 2) tile[threadIdx.x] = 1.f;
  __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x];
}

__global__ void copy(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }

template <typename Work>
void attempt(const char* name, Work work, const char* end = ",") {
  std::string error;
  try {
    const OwnedStream stream = make_stream();
    const DeviceMemory memory(4 * kAttemptThreads * sizeof(float), "a test");
    float* const x = reinterpret_cast<float*>(memory.data());
    const std::vector<float> host(4 * kAttemptThreads);
    GRADSTEP_CUDA(cudaMemcpy(x, host.data(), memory.bytes(), cudaMemcpyHostToDevice));
    work(stream.get(), x);
    GRADSTEP_CUDA(cudaStreamSynchronize(stream.get()));
  } catch (const Error& failure) {
    error = failure.what();
  }
  printf("\"%s\": \"%s\"%s\n", name, error.c_str(), end);
}

void run(const char* name, void (*kernel)(float*), size_t shared_bytes = 0) {
  attempt(name, [=](cudaStream_t stream, float* x) {
    launch_cooperating(stream, kernel, dim3(1), dim3(kAttemptThreads), shared_bytes, x);
  });
}

void run_plain(const char* name, void (*kernel)(float*), unsigned blocks = 2, unsigned threads = kAttemptThreads) {
  attempt(name, [=](cudaStream_t stream, float* x) { launch(stream, kernel, dim3(blocks), dim3(threads), x); });
}

void run_at_once(const char* name, void (*kernel)(float*)) {
  attempt(name, [=](cudaStream_t stream, float* x) {
    launch_at_once(stream, kernel, dim3(4), dim3(kAttemptThreads), 16, x);
  });
}

void run_clusters(const char* name, void (*kernel)(float*)) {
  attempt(name, [=](cudaStream_t stream, float* x) {
    launch_clusters(stream, kernel, dim3(2 * kCluster), kCluster, dim3(kAttemptThreads), 2 * sizeof(float4), x);
  });
}

int main_of_test() {
  printf("{\n");
  run("reverse", reverse<true>);
  run("reverse without a barrier", reverse<false>);
  run("reverse twice", reverse_twice<true>);
  run("reverse twice with one barrier", reverse_twice<false>);
  run("neighbour", neighbour<true>, kAttemptThreads * sizeof(float));
  run("neighbour after a vote", neighbour<false>, kAttemptThreads * sizeof(float));
  run("another warp after a barrier of warps", other_warp);
  run("lanes in turns", counts_of_lanes);
  run("half a tile", half_a_tile);
  run_plain("blocks write one place", blocks_write_one_place, 2, 1);
  run_plain("threads write one place", blocks_write_one_place, 1, 2);
  run_plain("blocks read one place", blocks_read_one_place);
  run_plain("own places", own_places);
  run_plain("next place", next_place, 1);
  run_plain("own bytes", own_bytes, 1);
  run_plain("own halves", own_halves, 1);
  run_plain("count atomically", count_atomically);
  run_at_once("pass around", pass_around<true>);
  run_at_once("pass around without a barrier", pass_around<false>);
  run_at_once("write before others were waited for", hurry);
  run_at_once("read what another group wrote", read_from<1>);
  run_at_once("read what the own group wrote", read_from<2>);
  run_clusters("pass in turns", pass_in_turns<2, true>);
  run_clusters("pass in turns in one place", pass_in_turns<1, true>);
  run_clusters("pass in turns without a barrier", pass_in_turns<2, false>);
  run_clusters("write while the cluster meets", hurry_in_cluster);
  run_clusters("read what the own cluster wrote", read_next<true>);
  run_clusters("read what another cluster wrote", read_next<false>);
  attempt("fresh memory", [](cudaStream_t stream, float* x) {
    const DeviceMemory fresh(kAttemptThreads * sizeof(float), "a test");
    launch(stream, copy, dim3(1), dim3(kAttemptThreads), reinterpret_cast<float*>(fresh.data()), x);
  });
  attempt(
      "filled memory",
      [](cudaStream_t stream, float* x) {
        const DeviceMemory fresh(kAttemptThreads * sizeof(float), "a test");
        GRADSTEP_CUDA(cudaMemsetAsync(fresh.data(), 0, fresh.bytes(), stream));
        launch(stream, copy, dim3(1), dim3(kAttemptThreads), reinterpret_cast<float*>(fresh.data()), x);
      },
      "");
  printf("}\n");
  return 0;
}

}  // namespace
}  // namespace gradstep::cuda

int main() { return gradstep::cuda::main_of_test(); }
