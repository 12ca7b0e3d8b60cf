// embedding and its gradient on CUDA. The gradient adds without atomics, in a fixed order: one block sorts (index,
// position) pairs by index, a stable radix sort of 8 bits a pass; then every run of 16 sorted pairs is added up column
// by column. A word's first piece writes its row; pieces that began in an earlier run are carried, and one thread a
// column adds a word's carries to its row. The order of the terms is that of the positions, in groups of 16. What is
// looked up, and dy, may be stored in bfloat16.
#include "core/state.h"
#include "cuda/divide.h"
#include "cuda/pack.h"
#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "cuda/stored.h"
#include "generated/args/embedding.h"

namespace gradstep::cuda {
namespace {

constexpr int kSortThreads = 1024;
constexpr int kSortWarps = kSortThreads / kWarp;
constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;
constexpr int kRun = 16;  // sorted pairs a thread adds up

struct Lookup {
  const float* table;      // [vocabulary, width]
  const int32_t* indices;  // [n]
  const int32_t* state;
  int32_t* flag;
  Stored y;  // [n, width]
  int32_t n, vocabulary, row_size, code;
  Divider packs;     // of a row
  Divider of_table;  // indices
};

__device__ inline bool in_table(int32_t index, int32_t vocabulary) { return index >= 0 && index < vocabulary; }

// Called by one thread that found a wrong index: sets the flag unless an earlier one does.
__device__ void flag_index(const Lookup& e, int32_t at) {
  for (int32_t i = 0; i < at; i++) {
    if (!in_table(e.indices[i], e.vocabulary)) return;
  }
  if (e.flag[0] != kFlagNone) return;
  e.flag[1] = at / e.row_size;
  e.flag[2] = e.indices[at];
  e.flag[3] = e.state[kStateStep];
  e.flag[0] = e.code;
}

template <int kWidth>
__global__ void __launch_bounds__(kThreads) embedding_kernel(Lookup e, int64_t threads, int32_t width) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread >= threads) return;
  uint32_t pack;
  const int32_t i = static_cast<int32_t>(e.packs.divide(static_cast<uint32_t>(thread), pack));
  const int32_t index = e.indices[i];
  Pack<float, kWidth> row{};
  if (in_table(index, e.vocabulary)) {
    const int64_t first = static_cast<int64_t>(e.of_table.quotient(i)) * e.vocabulary;  // row of its table
    row = load_pack<kWidth>(e.table + (first + index) * width + pack * kWidth);
  } else if (pack == 0 && e.flag != nullptr) {
    flag_index(e, i);
  }
  store_narrow(e.y + (static_cast<int64_t>(i) * width + pack * kWidth), row);
}

// Lanes of the warp whose digit is this lane's; lanes that are not `valid` have none.
__device__ inline unsigned peers_of(uint32_t digit, bool valid) {
  unsigned peers = __ballot_sync(kAllLanes, valid);
#pragma unroll
  for (int bit = 0; bit < kDigitBits; bit++) {
    const bool set = (digit >> bit & 1) != 0;
    const unsigned with = __ballot_sync(kAllLanes, set);
    peers &= set ? with : ~with;
  }
  return peers;
}

struct Pairs {
  int32_t* keys;
  int32_t* positions;
};

// Where each warp's first element of each digit goes: counts become exclusive sums, digit by digit, warp by warp.
__device__ inline void place_digits(uint32_t (&counts)[kSortWarps][kDigits], uint32_t (&totals)[kDigits / kWarp]) {
  const int digit = threadIdx.x, lane = threadIdx.x % kWarp;
  uint32_t total = 0, through = 0;
  if (digit < kDigits) {
    for (int w = 0; w < kSortWarps; w++) total += counts[w][digit];
    through = total;
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const uint32_t before = __shfl_up_sync(kAllLanes, through, distance);
      if (lane >= distance) through += before;
    }
    if (lane == kWarp - 1) totals[digit / kWarp] = through;
  }
  __syncthreads();
  if (digit < kDigits) {
    uint32_t at = through - total;
    for (int g = 0; g < digit / kWarp; g++) at += totals[g];
    for (int w = 0; w < kSortWarps; w++) {
      const uint32_t count = counts[w][digit];
      counts[w][digit] = at;
      at += count;
    }
  }
  __syncthreads();
}

// One block. Leaves the pairs in `a` after an odd number of passes, in `b` after an even one. Keys are rows of all
// tables, of `vocabulary` rows each; wrong indices come last, as the number of rows, `end_key`.
__global__ void __launch_bounds__(kSortThreads)
    sort_kernel(const int32_t* indices, int32_t n, int32_t vocabulary, Divider of_table, int32_t end_key,
                int32_t passes, Pairs a, Pairs b) {
  __shared__ uint32_t counts[kSortWarps][kDigits];
  __shared__ uint32_t totals[kDigits / kWarp];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int32_t share = (n + kSortThreads - 1) / kSortThreads * kWarp;
  const int32_t begin = min(n, warp * share), end = min(n, begin + share);
  for (int32_t pass = 0; pass < passes; pass++) {
    const Pairs to = pass % 2 == 0 ? a : b, from = pass % 2 == 0 ? b : a;
    const auto key_of = [&](int32_t i) {
      if (i >= end) return end_key;
      if (pass > 0) return from.keys[i];
      if (!in_table(indices[i], vocabulary)) return end_key;
      return static_cast<int32_t>(of_table.quotient(i)) * vocabulary + indices[i];
    };
    for (int i = threadIdx.x; i < kSortWarps * kDigits; i += kSortThreads) counts[i / kDigits][i % kDigits] = 0;
    __syncthreads();
    for (int32_t base = begin; base < end; base += kWarp) {
      const uint32_t digit = static_cast<uint32_t>(key_of(base + lane)) >> (pass * kDigitBits) & (kDigits - 1);
      const unsigned peers = peers_of(digit, base + lane < end);
      if (base + lane < end && __ffs(peers) == lane + 1) counts[warp][digit] += __popc(peers);
      __syncwarp();
    }
    __syncthreads();
    place_digits(counts, totals);
    for (int32_t base = begin; base < end; base += kWarp) {
      const int32_t i = base + lane, key = key_of(i);
      const uint32_t digit = static_cast<uint32_t>(key) >> (pass * kDigitBits) & (kDigits - 1);
      const unsigned peers = peers_of(digit, i < end);
      const uint32_t at = counts[warp][digit] + __popc(peers & ((1u << lane) - 1));
      __syncwarp();
      if (i < end) {
        if (__ffs(peers) == lane + 1) counts[warp][digit] += __popc(peers);
        to.keys[at] = key;
        to.positions[at] = pass > 0 ? from.positions[i] : i;
      }
      __syncwarp();
    }
    __syncthreads();
  }
}

struct EmbeddingGrad {
  Stored dy;            // [n, width]
  const int32_t* keys;  // sorted
  const int32_t* positions;
  float* dtable;   // [rows, width]
  float* carries;  // [runs, width]: what a run adds to the word that its predecessor ended with
  int32_t n, rows, width, runs;
  bool accumulate;
  Divider packs;  // of a row

  __device__ bool carried(int32_t run) const { return run > 0 && keys[run * kRun] == keys[run * kRun - 1]; }
};

// A thread a run and pack of columns. dtable holds zeros, or what is added to.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) add_runs_kernel(EmbeddingGrad s, int64_t threads) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread >= threads) return;
  uint32_t pack;
  const int32_t run = static_cast<int32_t>(s.packs.divide(static_cast<uint32_t>(thread), pack));
  const int32_t column = static_cast<int32_t>(pack) * kWidth;
  const int32_t begin = run * kRun, end = min(s.n, begin + kRun);
  bool carried = s.carried(run);
  int32_t key = s.keys[begin];
  Pack<float, kWidth> total{};
  const auto flush = [&] {
    if (key >= s.rows) return;
    float* to =
        carried ? s.carries + static_cast<int64_t>(run) * s.width : s.dtable + static_cast<int64_t>(key) * s.width;
    if (!carried && s.accumulate) {
      const Pack<float, kWidth> old = load_pack<kWidth>(to + column);
#pragma unroll
      for (int k = 0; k < kWidth; k++) total.v[k] += old.v[k];
    }
    store_pack(to + column, total);
  };
#pragma unroll 4
  for (int32_t i = begin; i < end; i++) {
    const int32_t next = s.keys[i];
    const auto row = load_stored<kWidth>(s.dy, static_cast<int64_t>(s.positions[i]) * s.width + column);
    if (next != key) {
      flush();
      total = {};
      key = next;
      carried = false;
    }
    const Pack<float, kWidth> terms = row.wide(s.dy.narrow);
#pragma unroll
    for (int k = 0; k < kWidth; k++) total.v[k] += terms.v[k];
  }
  flush();
}

// The thread of a word's first carried run adds all of the word's carries to its row.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) add_carries_kernel(EmbeddingGrad s, int64_t threads) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread >= threads) return;
  uint32_t pack;
  const int32_t run = static_cast<int32_t>(s.packs.divide(static_cast<uint32_t>(thread), pack));
  const int32_t key = s.keys[run * kRun];
  if (key >= s.rows || !s.carried(run) || (s.carried(run - 1) && s.keys[(run - 1) * kRun] == key)) return;
  const int32_t column = static_cast<int32_t>(pack) * kWidth;
  float* to = s.dtable + static_cast<int64_t>(key) * s.width + column;
  Pack<float, kWidth> total = load_pack<kWidth>(to);
#pragma unroll 4
  for (int32_t r = run; r < s.runs && s.keys[r * kRun] == key; r++) {
    const Pack<float, kWidth> carry = load_pack<kWidth>(s.carries + static_cast<int64_t>(r) * s.width + column);
#pragma unroll
    for (int k = 0; k < kWidth; k++) total.v[k] += carry.v[k];
  }
  store_pack(to, total);
}

// Passes of 8 bits that tell apart the numbers 0 … largest.
int32_t passes_for(uint32_t largest) {
  int32_t passes = 1;
  while (largest >>= kDigitBits) passes++;
  return passes;
}

}  // namespace

Step embedding(Prepare& prepare, const EmbeddingArgs& args) {
  const int32_t width = args.table.dims[1], n = static_cast<int32_t>(args.indices.size());
  const int32_t rows = args.indices.rank > 0 ? args.indices.dims[0] : 1;
  const bool wide = width % 4 == 0;
  const int32_t packs = wide ? width / 4 : width;
  const Lookup e{prepare.at(args.table),
                 prepare.at<int32_t>(args.indices),
                 prepare.at<int32_t>(args.state),
                 prepare.at<int32_t>(args.flag),
                 stored(prepare, args.y),
                 n,
                 args.table.dims[0] / args.tables,
                 n / rows,
                 static_cast<int32_t>(kFlagIndexRange | args.place << kFlagCodeBits),
                 Divider(packs),
                 Divider(n / args.tables)};
  const int64_t threads = static_cast<int64_t>(n) * packs;
  const auto kernel = wide ? embedding_kernel<4> : embedding_kernel<1>;
  return [=](cudaStream_t stream) {
    launch(stream, kernel, blocks_for(threads, kThreads), dim3(kThreads), e, threads, width);
  };
}

Step embedding_dx(Prepare& prepare, const EmbeddingDxArgs& args) {
  const int32_t n = static_cast<int32_t>(args.indices.size()), vocabulary = args.vocabulary;
  const int32_t rows = args.dtable.dims[0];
  const int32_t width = args.dtable.dims[1], runs = (n + kRun - 1) / kRun;
  const int32_t* indices = prepare.at<int32_t>(args.indices);
  const bool wide = width % 4 == 0;
  const int32_t packs = wide ? width / 4 : width;
  const size_t list = (static_cast<size_t>(n) + 15) / 16 * 16;
  const Workspace workspace = prepare.workspace((4 * list + static_cast<size_t>(runs) * width) * sizeof(int32_t));
  EmbeddingGrad s{};
  s.dy = stored(prepare, args.dy);
  s.dtable = prepare.at(args.dtable);
  s.n = n;
  s.rows = rows;
  s.width = width;
  s.runs = runs;
  s.accumulate = args.accumulate_dtable != 0;
  s.packs = Divider(packs);
  const int32_t passes = passes_for(rows);
  const Divider of_table(n / args.tables);
  const size_t bytes = args.dtable.size() * sizeof(float);
  const int64_t threads = static_cast<int64_t>(runs) * packs;
  const auto add_runs = wide ? add_runs_kernel<4> : add_runs_kernel<1>;
  const auto add_carries = wide ? add_carries_kernel<4> : add_carries_kernel<1>;
  return [=](cudaStream_t stream) {
    int32_t* lists = static_cast<int32_t*>(workspace.data());
    const Pairs a{lists, lists + list}, b{lists + 2 * list, lists + 3 * list};
    if (!s.accumulate) GRADSTEP_CUDA(cudaMemsetAsync(s.dtable, 0, bytes, stream));
    launch_cooperating(stream, sort_kernel, dim3(1), dim3(kSortThreads), 0, indices, n, vocabulary, of_table, rows,
                       passes, a, b);
    const Pairs& sorted = passes % 2 == 1 ? a : b;
    EmbeddingGrad at = s;
    at.keys = sorted.keys;
    at.positions = sorted.positions;
    at.carries = reinterpret_cast<float*>(lists + 4 * list);
    launch(stream, add_runs, blocks_for(threads, kThreads), dim3(kThreads), at, threads);
    launch(stream, add_carries, blocks_for(threads, kThreads), dim3(kThreads), at, threads);
  };
}

}  // namespace gradstep::cuda
