// Kernels with one mistake each, and a few sound ones, beside them those whose blocks wait for one another
// (broken_meetings.cu) and uses of memory (broken_uses.cu), run under the thread order of GRADSTEP_EMULATION_SEED.
// Prints one JSON object: for each kernel what the emulation said ("" for nothing) and what came out of it (NaN as
// null). test/cuda_emulation.spec.ts knows what must stand there.
#include <cstdio>
#include <cstdlib>

#include "attempt.h"
#include "broken_meetings.h"
#include "broken_uses.h"
#include "cuda/launch.h"
#include "cuda/ptx.cuh"
#include "cuda/reduce.h"
#include "cuda/vec.h"

namespace gradstep::cuda {
namespace {

__global__ void reverse_kernel(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = tile[kAttemptThreads - 1 - threadIdx.x];
}

__global__ void reverse_without_barrier(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = tile[kAttemptThreads - 1 - threadIdx.x];
}

// Sound only while lower lanes run first.
__global__ void scan_in_order(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = threadIdx.x == 0 ? 0.f : tile[threadIdx.x - 1] + 1.f;
  x[threadIdx.x] = tile[threadIdx.x];
}

__global__ void sum_kernel(float* x) {
  const float total = block_sum<kAttemptThreads>(x[threadIdx.x]);
  x[threadIdx.x] = total;
}

__global__ void sum_dynamic(float* x) {
  float* partial = dynamic_shared<float>();
  partial[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  if (threadIdx.x != 0) return;
  float total = 0.f;
  for (int i = 0; i < kAttemptThreads; i++) total += partial[i];
  x[0] = total;
}

__global__ void past_dynamic_shared(float* x) {
  dynamic_shared<float>()[threadIdx.x + 4096] = 1.f;
  x[0] = 0.f;
}

__global__ void variables_beside_dynamic_shared(float* x) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x] = 1.f;
  dynamic_shared<float>()[threadIdx.x] = 1.f;
  __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x];
}

// What comes of work on a GPU of some compute capability.
template <typename Work>
Result on_gpu(const char* capability, Work work) {
  setenv("GRADSTEP_EMULATION_CAPABILITY", capability, 1);
  const Result result = work();
  unsetenv("GRADSTEP_EMULATION_CAPABILITY");
  return result;
}

// Whether a kernel gets so much of shared memory.
Result shared_memory_on(const char* capability, int bytes) {
  const Result result = on_gpu(capability, [=] {
    return attempt([=](cudaStream_t stream, float* x) {
      GRADSTEP_CUDA(cudaFuncSetAttribute(sum_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
      launch_cooperating(stream, sum_dynamic, dim3(1), dim3(kAttemptThreads), static_cast<size_t>(bytes), x);
    });
  });
  GRADSTEP_CUDA(cudaFuncSetAttribute(sum_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 48 << 10));
  return result;
}

__global__ void collectives(float* x) {
  const int lane = threadIdx.x % kWarp;
  const float up = __shfl_up_sync(kAllLanes, static_cast<float>(lane), 1);
  const float down = __shfl_down_sync(kAllLanes, static_cast<float>(lane), 2, 16);
  const float first = __shfl_sync(kAllLanes, static_cast<float>(lane), 3, 8);
  const unsigned even = __ballot_sync(kAllLanes, lane % 2 == 0);
  const bool any = __any_sync(kAllLanes, lane == 31), all = __all_sync(kAllLanes, lane < 31);
  __syncwarp();
  x[threadIdx.x] = up + 100.f * down + 10000.f * first + (even == 0x55555555u && any && !all ? 0.5f : 0.f);
}

// a [16, k] and b [k, 8] of whole numbers; the lanes' shares as the PTX ISA numbers them.
__device__ float of_a(int row, int column) { return static_cast<float>((row * 16 + column) % 29 - 14); }
__device__ float of_b(int row, int column) { return static_cast<float>((row * 8 + column) % 23 - 11); }

// Writes four elements of c as the ISA numbers them: c0 and c1 are columns 2t, 2t + 1 of row g, c2 and c3 of row g + 8;
// of the 16 rows those from `first` on.
__device__ void write_product(float* x, int first, const float (&upper)[2], const float (&lower)[2]) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  for (int i = 0; i < 4; i++) {
    const int row = (i < 2 ? g : g + 8) - first, column = t * 2 + i % 2;
    if (row >= 0 && row < 8) x[row * 8 + column] = i < 2 ? upper[i] : lower[i - 2];
  }
}

template <int kFirst>
__global__ void product_bfloat16(float* x) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 8; i += 2) {
    const int row = i < 2 || (i >= 4 && i < 6) ? g : g + 8, column = t * 2 + (i < 4 ? 0 : 8);
    a[i / 2] = round_to_bfloat16s(of_a(row, column), of_a(row, column + 1));
  }
  for (int i = 0; i < 4; i += 2) {
    const int row = t * 2 + (i < 2 ? 0 : 8);
    b[i / 2] = round_to_bfloat16s(of_b(row, g), of_b(row + 1, g));
  }
  float upper[2] = {1.f, 1.f}, lower[2] = {1.f, 1.f};
  mma_bfloat16(upper, lower, a, b[0], b[1]);
  write_product(x, kFirst, upper, lower);
}

template <int kFirst>
__global__ void product_tf32(float* x) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; i++) a[i] = round_to_tf32(of_a(i % 2 == 0 ? g : g + 8, i < 2 ? t : t + 4));
  for (int i = 0; i < 2; i++) b[i] = round_to_tf32(of_b(i == 0 ? t : t + 4, g));
  float upper[2] = {1.f, 1.f}, lower[2] = {1.f, 1.f};
  mma_tf32(upper, lower, a, b[0], b[1]);
  write_product(x, kFirst, upper, lower);
}

// Number `column` of row `row` of four blocks of eight rows is 8 * row + column. Writes what lanes got of two blocks,
// the lower number of each pair + 1000 times the upper.
template <bool kTransposed>
__global__ void blocks_of_rows(float* x) {
  __shared__ __align__(16) uint16_t rows[32][8];
  for (int i = 0; i < 8; i++) rows[threadIdx.x][i] = static_cast<uint16_t>(8 * threadIdx.x + i);
  __syncwarp();
  uint32_t block[4];
  if (kTransposed) {
    ldmatrix_transposed(block, rows[threadIdx.x]);
  } else {
    ldmatrix(block, rows[threadIdx.x]);
  }
  for (int i = 0; i < 2; i++) {
    const uint32_t pair = block[1 + 2 * i];
    x[32 * i + threadIdx.x] = static_cast<float>((pair & 0xffffu) + 1000 * (pair >> 16));
  }
}

__global__ void round_operands(float* x) {
  const float nan = __uint_as_float(0x7f800001u);  // its upper half alone would be infinite
  const float given[8] = {128.5f, 129.5f, -129.5f, nan, 1024.5f, -1026.5f, 1024.25f, nan};
  for (int i = 0; i < 4; i += 2) {
    const uint32_t pair = round_to_bfloat16s(given[i], given[i + 1]);
    x[i] = __uint_as_float(pair << 16);
    x[i + 1] = __uint_as_float(pair & 0xffff0000u);
  }
  for (int i = 4; i < 8; i++) x[i] = __uint_as_float(round_to_tf32(given[i]));
}

// Adds 16 or 8 ones to what 25 bits, or one fewer, lie above: ones that are cut off one by one do not add up.
__global__ void small_terms(float* x) {
  const uint32_t ones = 0x3f803f80u, one = 0x3f800000u, a[4] = {ones, ones, ones, ones},
                 a_tf32[4] = {one, one, one, one};
  const float before[4] = {33554432.f, 16777216.f, -33554432.f, 33554432.f};
  for (int i = 0; i < 4; i++) {
    float upper[2] = {before[i], before[i]}, lower[2] = {};
    if (i < 3) {
      mma_bfloat16(upper, lower, a, ones, ones);
    } else {
      mma_tf32(upper, lower, a_tf32, one, one);
    }
    if (threadIdx.x == 0) x[i] = upper[0];
  }
}

__global__ void product_in_half_a_warp(float* x) {
  const uint32_t a[4] = {};
  float upper[2] = {}, lower[2] = {};
  if (threadIdx.x < 16) mma_bfloat16(upper, lower, a, 0, 0);
  x[threadIdx.x] = upper[0] + lower[0];
}

__global__ void block_at_an_odd_place(float* x) {
  __shared__ __align__(16) uint16_t rows[32][9];
  uint32_t block[4];
  ldmatrix(block, rows[threadIdx.x]);
  x[threadIdx.x] = static_cast<float>(block[0]);
}

// Blocks of four numbers in reverse, every second one zeros, in two groups of copies.
template <bool kWaits>
__global__ void copy_in_reverse(float* x) {
  __shared__ __align__(16) float tile[kAttemptThreads];
  for (int half = 0; half < 2; half++) {
    const int at = half * kAttemptThreads / 2 + 4 * static_cast<int>(threadIdx.x);
    if (threadIdx.x < kAttemptThreads / 8) copy_async<16>(&tile[at], &x[at], threadIdx.x % 2 == 0);
    commit_copies();
  }
  await_copies<1>();
  __syncthreads();
  if (threadIdx.x < kAttemptThreads / 2) x[kAttemptThreads / 2 - 1 - threadIdx.x] = tile[threadIdx.x];
  if (kWaits) await_copies<0>();
  __syncthreads();
  if (threadIdx.x >= kAttemptThreads / 2)
    x[kAttemptThreads + kAttemptThreads / 2 - 1 - threadIdx.x] = tile[threadIdx.x];
  __syncthreads();
  await_copies<0>();
}

// What a copy will overwrite is gone when it begins.
__global__ void copy_over_what_is_read(float* x) {
  __shared__ __align__(16) float tile[4];
  if (threadIdx.x < 4) tile[threadIdx.x] = 1.f;
  __syncthreads();
  if (threadIdx.x == 0) copy_async<4>(&tile[0], &x[8], true);
  __syncthreads();
  if (threadIdx.x < 4) x[threadIdx.x] = tile[threadIdx.x];
  await_copies<0>();
  commit_copies();
  await_copies<0>();
}

__global__ void copy_nobody_waits_for(float* x) {
  __shared__ __align__(16) float tile[4];
  if (threadIdx.x == 3) copy_async<16>(tile, x, true);
}

__global__ void copy_from_an_odd_place(float* x) {
  __shared__ __align__(16) float tile[4];
  copy_async<16>(tile, x + 1, true);
}

__global__ void store_after_end(float* x) { x[kAttemptThreads + (threadIdx.x == 5 ? 0 : -1)] = 1.f; }
__global__ void store_before_begin(float* x) { x[static_cast<int>(threadIdx.x) - 1] = 1.f; }
__global__ void read_far_away(float* x) { x[threadIdx.x] = x[threadIdx.x + 5000]; }
__global__ void store_at(float* x) { x[1] = 1.f; }

__global__ void barrier_for_some(float* x) {
  if (threadIdx.x < 40) __syncthreads();
  x[threadIdx.x] = 1.f;
}

__global__ void barriers_in_branches(float* x) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    x[threadIdx.x] = 1.f;
    __syncthreads();
  }
}

__global__ void shuffle_after_return(float* x) {
  if (threadIdx.x % kWarp == 7) return;
  x[threadIdx.x] = __shfl_xor_sync(kAllLanes, x[threadIdx.x], 1);
}

__global__ void shuffle_from_outside_mask(float* x) {
  if (threadIdx.x % kWarp < 16) x[threadIdx.x] = __shfl_xor_sync(0xffffu, x[threadIdx.x], 16);
}

__global__ void load_odd(float* x) { store4(x + 8, load4(x + 1)); }

__global__ void past_shared_array(float* x, int i) {
  __shared__ float tile[kAttemptThreads];
  tile[threadIdx.x + i] = 1.f;
  __syncthreads();
  x[threadIdx.x] = tile[threadIdx.x];
}

__global__ void overflow(float* x, int large) { x[0] = static_cast<float>(large + static_cast<int>(threadIdx.x) + 1); }

__global__ void last_block_wins(float* x) { x[0] = static_cast<float>(blockIdx.x); }
__global__ void barrier_in_plain_kernel(float* x) {
  __syncthreads();
  x[threadIdx.x] = 1.f;
}
__global__ void divide_by_zero(float* x, int zero) { x[0] = static_cast<float>(7 / zero); }

Result plain(void (*kernel)(float*), unsigned blocks = 1) {
  return attempt(
      [=](cudaStream_t stream, float* x) { launch(stream, kernel, dim3(blocks), dim3(kAttemptThreads), x); });
}

Result cooperating(void (*kernel)(float*), size_t shared_bytes = 0, unsigned threads = kAttemptThreads) {
  return attempt([=](cudaStream_t stream, float* x) {
    launch_cooperating(stream, kernel, dim3(1), dim3(threads), shared_bytes, x);
  });
}

int main_of_test() {
  printf("{\n");
  print("reverse", cooperating(reverse_kernel), ",");
  print("reverse without a barrier", cooperating(reverse_without_barrier), ",");
  print("scan in order", cooperating(scan_in_order), ",");
  print("sum", cooperating(sum_kernel), ",");
  print("sum in dynamic shared memory", cooperating(sum_dynamic, kAttemptThreads * sizeof(float)), ",");
  print("past dynamic shared memory", cooperating(past_dynamic_shared, kAttemptThreads * sizeof(float)), ",");
  print("too much dynamic shared memory", cooperating(sum_dynamic, 64 * 1024), ",");
  print("all of dynamic shared memory", cooperating(sum_dynamic, 48 << 10), ",");
  print("variables beside dynamic shared memory", cooperating(variables_beside_dynamic_shared, (48 << 10) - 256), ",");
  print("variables beside all of dynamic shared memory", cooperating(variables_beside_dynamic_shared, (48 << 10) - 240),
        ",");
  print("as much shared memory as a T4 has", shared_memory_on("7.5", 64 << 10), ",");
  print("more shared memory than a T4 has", shared_memory_on("7.5", 65 << 10), ",");
  print("more shared memory than an RTX 4090 has", shared_memory_on("8.9", 100 << 10), ",");
  print("as much shared memory as an H100 has", shared_memory_on("9.0", 227 << 10), ",");
  print("collectives", cooperating(collectives), ",");
  print("product in bfloat16", cooperating(product_bfloat16<0>, 0, 32), ",");
  print("product in bfloat16, lower rows", cooperating(product_bfloat16<8>, 0, 32), ",");
  print("product in TF32", cooperating(product_tf32<0>, 0, 32), ",");
  print("product in TF32, lower rows", cooperating(product_tf32<8>, 0, 32), ",");
  print("small terms of products", cooperating(small_terms, 0, 32), ",");
  print("blocks of rows", cooperating(blocks_of_rows<false>, 0, 32), ",");
  print("blocks of rows, transposed", cooperating(blocks_of_rows<true>, 0, 32), ",");
  print("rounding", plain(round_operands), ",");
  print("copies beside the thread", cooperating(copy_in_reverse<true>), ",");
  print("copy that is read too early", cooperating(copy_in_reverse<false>), ",");
  print("copy over what is read", cooperating(copy_over_what_is_read), ",");
  print("copy nobody waits for", cooperating(copy_nobody_waits_for), ",");
  print("copy from an odd place", cooperating(copy_from_an_odd_place), ",");
  const auto on_a_t4 = [](void (*kernel)(float*), unsigned threads) {
    return on_gpu("7.5", [=] { return cooperating(kernel, 0, threads); });
  };
  print("product in bfloat16 on a T4", on_a_t4(product_bfloat16<0>, 32), ",");
  print("product in TF32 on a T4", on_a_t4(product_tf32<0>, 32), ",");
  print("blocks of rows on a T4", on_a_t4(blocks_of_rows<false>, 32), ",");
  print("copies beside the thread on a T4", on_a_t4(copy_in_reverse<true>, kAttemptThreads), ",");
  print("product in half a warp", cooperating(product_in_half_a_warp, 0, 32), ",");
  print("block at an odd place", cooperating(block_at_an_odd_place, 0, 32), ",");
  print("store after the end", plain(store_after_end), ",");
  print("store before the begin", plain(store_before_begin), ",");
  print("read far away", plain(read_far_away), ",");
  print("null store", attempt([](cudaStream_t stream, float*) {
          launch_cooperating(stream, store_at, dim3(1), dim3(1), 0, static_cast<float*>(nullptr));
        }),
        ",");
  print("barrier for some", cooperating(barrier_for_some), ",");
  print("barriers in branches", cooperating(barriers_in_branches), ",");
  print("shuffle after return", cooperating(shuffle_after_return), ",");
  print("sum in half a warp", cooperating(sum_kernel, 0, 16), ",");
  print("shuffle from outside the mask", cooperating(shuffle_from_outside_mask), ",");
  print("last block wins", plain(last_block_wins, 1000), ",");
  print("barrier in a plain kernel", plain(barrier_in_plain_kernel), ",");
  print("divide by zero",
        attempt([](cudaStream_t stream, float* x) { launch(stream, divide_by_zero, dim3(1), dim3(1), x, 0); }), ",");
  print("load from an odd place", plain(load_odd), ",");
  print("past an array in shared memory", attempt([](cudaStream_t stream, float* x) {
          launch_cooperating(stream, past_shared_array, dim3(1), dim3(kAttemptThreads), 0, x, 1);
        }),
        ",");
  print("overflow",
        attempt([](cudaStream_t stream, float* x) { launch(stream, overflow, dim3(1), dim3(1), x, 0x7fffffff); }), ",");
  print("time that has not come", attempt([](cudaStream_t stream, float* x) {
          const OwnedEvent begin = make_event(cudaEventDefault), end = make_event(cudaEventDefault);
          GRADSTEP_CUDA(cudaEventRecord(begin.get(), stream));
          launch(stream, store_at, dim3(1), dim3(1), x);
          GRADSTEP_CUDA(cudaEventRecord(end.get(), stream));
          float milliseconds = 0;
          GRADSTEP_CUDA(cudaEventSynchronize(begin.get()));
          GRADSTEP_CUDA(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
        }),
        ",");
  print("too many threads", cooperating(reverse_kernel, 0, 2048), ",");
  print_uses();
  print_meetings();
  print("reverse again", cooperating(reverse_kernel), "");
  printf("}\n");
  return 0;
}

}  // namespace
}  // namespace gradstep::cuda

int main() { return gradstep::cuda::main_of_test(); }
