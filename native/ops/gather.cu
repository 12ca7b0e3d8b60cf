// gather, scatter and advance on CUDA: where a step's batch comes from and where results go. The slot table, the row
// order and the cursor are read from device memory, so that a captured step serves the whole run. A row that does not
// exist becomes zeros (gather) or is left out (scatter); of several, the first in the batch is the one that is told.
#include "core/state.h"
#include "cuda/bfloat16.h"
#include "cuda/prepare.h"
#include "generated/args/gather.h"
#include "ops/gather.h"

namespace gradstep::cuda {
namespace {

constexpr int kGatherThreads = 128;

// Rows that can be used as rows of `elements` numbers of type `dtype`: none where the slot holds something else.
__device__ inline int64_t usable_rows(const Slot& slot, DType dtype, int64_t elements) {
  return slot.data != nullptr && slot.dtype == dtype && slot.row_elements == elements ? slot.rows : 0;
}

// {code, position in the pass of the row that is missing, cursor, step}.
__device__ inline void flag_row(int32_t* flag, const int32_t* state, int32_t place) {
  if (flag[0] != kFlagNone) return;
  flag[1] = state[kStateCursor] + place;
  flag[2] = state[kStateCursor];
  flag[3] = state[kStateStep];
  flag[0] = kFlagRowRange;
}

struct Gather {
  const Slot* data;
  const Slot* order;  // null: rows in order
  const int32_t* state;
  int32_t* flag;
  void* y;  // [rows, elements]
  int64_t elements;
  DType source, result;
};

// The row of the data set that becomes row `place` of the batch, or -1.
__device__ inline int64_t source_row(const Gather& g, int32_t place) {
  int64_t row = static_cast<int64_t>(g.state[kStateCursor]) + place;
  if (g.order) {
    if (row < 0 || row >= usable_rows(*g.order, DType::kInt32, 1)) return -1;
    row = static_cast<const int32_t*>(g.order->data)[row];
  }
  return row >= 0 && row < usable_rows(*g.data, g.source, g.elements) ? row : -1;
}

template <typename To, typename From, int kWidth>
__device__ inline Pack<To, kWidth> cast(const Pack<From, kWidth>& in) {
  Pack<To, kWidth> out;
#pragma unroll
  for (int k = 0; k < kWidth; k++) out.v[k] = static_cast<To>(in.v[k]);
  return out;
}

// Element `at`… of y, in its type.
template <typename From, int kWidth>
__device__ inline void store_cast(const Gather& g, int64_t at, const Pack<From, kWidth>& in) {
  if (g.result == DType::kInt32) {
    store_pack(static_cast<int32_t*>(g.y) + at, cast<int32_t>(in));
  } else if (g.result == DType::kBfloat16) {
    store_narrow(static_cast<Bfloat16*>(g.y) + at, cast<float>(in));
  } else {
    store_pack(static_cast<float*>(g.y) + at, cast<float>(in));
  }
}

// Grid: x rows of the batch, y pieces of a row. kWidth elements a thread at a time.
template <typename From, int kWidth>
__global__ void __launch_bounds__(kGatherThreads) gather_kernel(Gather g) {
  const int32_t place = static_cast<int32_t>(blockIdx.x);
  const int64_t row = source_row(g, place);
  if (row < 0 && blockIdx.y == 0 && threadIdx.x == 0) {
    bool first = true;
    for (int32_t i = 0; first && i < place; i++) first = source_row(g, i) >= 0;
    if (first) flag_row(g.flag, g.state, place);
  }
  const From* from = static_cast<const From*>(g.data->data);
  const int64_t packs = g.elements / kWidth, first = (row < 0 ? 0 : row) * packs;
  const int64_t stride = static_cast<int64_t>(gridDim.y) * kGatherThreads;
  for (int64_t pack = static_cast<int64_t>(blockIdx.y) * kGatherThreads + threadIdx.x; pack < packs; pack += stride) {
    Pack<From, kWidth> in{};
    if (row >= 0) in = load_pack<kWidth>(from + (first + pack) * kWidth);
    store_cast(g, (place * packs + pack) * kWidth, in);
  }
}

using GatherKernel = void (*)(Gather);

template <typename From>
GatherKernel by_width(bool wide) {
  return wide ? gather_kernel<From, 4> : gather_kernel<From, 1>;
}

GatherKernel by_source(int32_t source, bool wide) {
  if (source == GatherArgs::kSourceInt32) return by_width<int32_t>(wide);
  if (source == GatherArgs::kSourceUint8) return by_width<uint8_t>(wide);
  return by_width<float>(wide);
}

struct Scatter {
  const float* x;  // [rows, elements]
  const Slot* to;
  const int32_t* state;
  int32_t* flag;
  int64_t elements;
};

// Grid: x rows, y pieces of a row.
template <int kWidth>
__global__ void __launch_bounds__(kGatherThreads) scatter_kernel(Scatter s) {
  const int32_t place = static_cast<int32_t>(blockIdx.x);
  const int64_t cursor = s.state[kStateCursor];
  const int64_t row = cursor + place;
  const int64_t rows = usable_rows(*s.to, DType::kFloat32, s.elements);
  if (row < 0 || row >= rows) {
    // Positions ascend, so the first one that is missing is either the batch's first or the one behind the last row.
    if ((place == 0 || row == rows) && blockIdx.y == 0 && threadIdx.x == 0) flag_row(s.flag, s.state, place);
    return;
  }
  float* to = static_cast<float*>(s.to->data);
  const int64_t packs = s.elements / kWidth, stride = static_cast<int64_t>(gridDim.y) * kGatherThreads;
  for (int64_t pack = static_cast<int64_t>(blockIdx.y) * kGatherThreads + threadIdx.x; pack < packs; pack += stride) {
    store_pack(to + (row * packs + pack) * kWidth, load_pack<kWidth>(s.x + (place * packs + pack) * kWidth));
  }
}

__global__ void __launch_bounds__(1) advance_kernel(Advance advance) { advance(); }

struct RowGrid {
  bool wide;
  dim3 grid;
  RowGrid(int64_t rows, int64_t elements) : wide(elements % 4 == 0) {
    const int64_t pieces = (elements + kGatherThreads * 4 - 1) / (kGatherThreads * 4);
    grid = dim3(static_cast<unsigned>(rows), static_cast<unsigned>(pieces < 1 ? 1 : (pieces > 64 ? 64 : pieces)));
  }
};

int64_t rows_of(const Tensor& t) { return t.rank > 0 ? t.dims[0] : 1; }

}  // namespace

Step gather(Prepare& prepare, const GatherArgs& args) {
  constexpr DType kSources[] = {DType::kFloat32, DType::kInt32, DType::kUint8};
  const int64_t rows = rows_of(args.y);
  if (rows == 0) return [](cudaStream_t) {};
  Gather g{};
  g.data = prepare.slots() + args.slot;
  g.order = args.index_slot < 0 ? nullptr : prepare.slots() + args.index_slot;
  g.state = prepare.at<int32_t>(args.state);
  g.flag = prepare.at<int32_t>(args.flag);
  g.y = prepare.at<char>(args.y);
  g.elements = args.y.size() / rows;
  g.source = kSources[args.source];
  g.result = args.y.dtype;
  const RowGrid on(rows, g.elements);
  const GatherKernel kernel = by_source(args.source, on.wide);
  return [=](cudaStream_t stream) { launch(stream, kernel, on.grid, dim3(kGatherThreads), g); };
}

Step scatter(Prepare& prepare, const ScatterArgs& args) {
  const int64_t rows = rows_of(args.x);
  if (rows == 0) return [](cudaStream_t) {};
  const Scatter s{prepare.at(args.x), prepare.slots() + args.slot, prepare.at<int32_t>(args.state),
                  prepare.at<int32_t>(args.flag), args.x.size() / rows};
  const RowGrid on(rows, s.elements);
  const auto kernel = on.wide ? scatter_kernel<4> : scatter_kernel<1>;
  return [=](cudaStream_t stream) { launch(stream, kernel, on.grid, dim3(kGatherThreads), s); };
}

Step advance(Prepare& prepare, const AdvanceArgs& args) {
  return [advance = advance_of(prepare, args)](cudaStream_t stream) {
    launch(stream, advance_kernel, dim3(1), dim3(1), advance);
  };
}

}  // namespace gradstep::cuda
