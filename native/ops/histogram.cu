// histogram on CUDA, without atomics: the elements are cut into slices, one warp each. A warp takes 32 elements at a
// time; lanes that hit the same cell add their weights up in lane order, and the first of them adds the sum to the
// slice's own counts. A second launch adds the slices up in order; a single slice counts straight into the totals. The
// order of additions depends on the shape and the device only.
#include <algorithm>

#include "cuda/prepare.h"
#include "cuda/reduce.h"
#include "generated/args/histogram.h"
#include "ops/histogram.h"

namespace gradstep::cuda {
namespace {

constexpr int64_t kSmallestSlice = 512;             // elements
constexpr int64_t kPartialCells = 2 * 1024 * 1024;  // of all slices: 16 MB

// Every lane of the warp calls it; cell -1 counts nowhere.
__device__ inline void add_cell(double* cells, int32_t cell, float weight) {
  const int32_t lane = threadIdx.x % kWarp;
  double sum = 0;
  bool first = cell >= 0;
  for (int32_t other = 0; other < kWarp; other++) {
    const int32_t its_cell = __shfl_sync(kAllLanes, cell, other);
    const float its_weight = __shfl_sync(kAllLanes, weight, other);
    if (its_cell != cell) continue;
    sum += its_weight;
    first = first && other >= lane;
  }
  if (first) cells[cell] += sum;
  __syncwarp();
}

template <typename Column, typename Row>
__device__ void raise_first(const Histogram<Column, Row>& h, const int32_t* state, int32_t* flag, int64_t i,
                            int32_t problem) {
  for (int64_t earlier = 0; earlier < i; earlier++) {
    if (h.entry(earlier).problem != kFlagNone) return;
  }
  h.raise(flag, state, i, problem);
}

// cells: one table of counts a slice where `own` is set (they begin at 0), else the totals.
template <typename Column, typename Row>
__global__ void __launch_bounds__(kWarp) count_kernel(Histogram<Column, Row> h, const int32_t* state, int32_t* flag,
                                                      double* cells, int64_t slice_length, bool own) {
  const int64_t slice = blockIdx.x;
  const int32_t lane = threadIdx.x;
  if (own) {
    cells += slice * h.cells();
    for (int64_t i = lane; i < h.cells(); i += kWarp) cells[i] = 0;
    __syncwarp();
  }
  const int64_t end = min((slice + 1) * slice_length, h.n);
  for (int64_t base = slice * slice_length; base < end; base += kWarp) {
    const int64_t i = base + lane;
    typename Histogram<Column, Row>::Entry e{kFlagNone, -1, 0.f, 0.f};
    if (i < end) e = h.entry(i);
    if (e.problem != kFlagNone) raise_first(h, state, flag, i, e.problem);
    add_cell(cells, e.cell, e.here);
    if (__any_sync(kAllLanes, e.beyond != 0.f)) {
      add_cell(cells, e.beyond != 0.f ? e.cell + h.columns : -1, e.beyond);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    add_slices_kernel(const double* partial, double* total, int64_t cells, int64_t slices) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= cells) return;
  double sum = 0;
  for (int64_t s = 0; s < slices; s++) sum += partial[s * cells + i];
  total[i] += sum;
}

template <typename Column, typename Row>
Step histogram_step(Prepare& prepare, const HistogramArgs& args) {
  const int64_t n = args.column.size();
  const Histogram<Column, Row> h{prepare.at<Column>(args.column),
                                 prepare.at<Row>(args.row),
                                 prepare.at(args.weights),
                                 n,
                                 args.weights.present() ? n / args.weights.size() : 1,
                                 args.groups,
                                 args.rows,
                                 args.columns,
                                 args.place};
  const int32_t* state = prepare.at<int32_t>(args.state);
  int32_t* flag = prepare.at<int32_t>(args.flag);
  double* total = prepare.at<double>(args.total) + args.at;
  const int64_t cells = h.cells();
  // More slices than elements per cell would spend their time on clearing and adding up counts.
  const int64_t wanted = std::min(
      {n / kSmallestSlice, static_cast<int64_t>(8 * prepare.multiprocessors()), 4 * n / cells, kPartialCells / cells});
  if (wanted <= 1) {
    return [=](cudaStream_t stream) {
      launch_cooperating(stream, count_kernel<Column, Row>, dim3(1), dim3(kWarp), 0, h, state, flag, total, n, false);
    };
  }
  const int64_t slice_length = (n + wanted - 1) / wanted;
  const int64_t slices = (n + slice_length - 1) / slice_length;
  const Workspace workspace = prepare.workspace(static_cast<size_t>(slices * cells) * sizeof(double));
  return [=](cudaStream_t stream) {
    double* partial = static_cast<double*>(workspace.data());
    launch_cooperating(stream, count_kernel<Column, Row>, blocks_for(slices, 1), dim3(kWarp), 0, h, state, flag,
                       partial, slice_length, true);
    launch(stream, add_slices_kernel, blocks_for(cells, kThreads), dim3(kThreads), partial, total, cells, slices);
  };
}

}  // namespace

Step histogram(Prepare& prepare, const HistogramArgs& args) {
  const bool whole_rows = args.row.present() && args.row.dtype == DType::kInt32;
  if (args.column.dtype == DType::kInt32) {
    return whole_rows ? histogram_step<int32_t, int32_t>(prepare, args) : histogram_step<int32_t, float>(prepare, args);
  }
  return whole_rows ? histogram_step<float, int32_t>(prepare, args) : histogram_step<float, float>(prepare, args);
}

}  // namespace gradstep::cuda
