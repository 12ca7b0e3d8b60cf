// The kernels of map, for any chain of scalar functions: a Chain says how many inputs and outputs it has, and computes
// out[] from in[], packs of neighbouring elements. Chains that occur often are compiled (generated/map_chains.cuh), the
// others are interpreted (map_interpreter.cuh). Along the last dimension every input either goes along with the domain
// or stands still (core/map_plan.h), so where that divides by four a thread takes four neighbours at a time: 16 bytes,
// 8 where they are stored in bfloat16, or one number for all four. A type is the same for all threads of a launch, so
// kernels branch on it around loads and stores.
#pragma once

#include <cuda_runtime.h>

#include "core/map_plan.h"
#include "cuda/bfloat16.h"
#include "cuda/divide.h"
#include "cuda/launch.h"
#include "cuda/reduce.h"

namespace gradstep::cuda {

constexpr int kMapThreads = 128;

// What a launch works on; a domain has fewer than 2^31 elements. With a row reduction it is [rows, length], and the
// sums of the first result over `slice_length` elements each go to `sums` [rows, slices].
struct MapLaunch {
  const void* inputs[kMapInputs];
  void* outputs[kMapOutputs];  // null: not wanted as a whole
  uint32_t strides[kMapInputs][kMaxRank];
  Divider by[kMaxRank];  // the domain's dimensions
  int32_t input_count, rank;
  DType dtypes[kMapInputs];
  uint32_t still;   // bit k is set where input k is one number along the last dimension
  uint32_t narrow;  // bit k is set where output k is stored in bfloat16; bit 0 holds for the sums
  bool wide;        // four neighbours at a time
  uint32_t size, rows, length, slices, slice_length;
  Divider by_slices;
  int32_t team_bits;  // 2 to the power of this many threads share a slice of a row: up to 32, or the block
  float scale;
  void* sums;
};

// Immediates of the tape: what a compiled chain leaves open.
struct Immediates {
  float v[kTapeImmediates];
};

// A compiled chain with its immediates, as a kernel takes it.
template <typename Formula>
struct Compiled {
  static constexpr int kInputs = Formula::kInputs, kOutputs = Formula::kOutputs;
  Immediates immediates;

  template <int kWidth>
  __device__ void operator()(const Pack<float, kWidth> (&in)[kMapInputs],
                             Pack<float, kWidth> (&out)[kMapOutputs]) const {
#pragma unroll
    for (int e = 0; e < kWidth; e++) {
      float from[kMapInputs], to[kMapOutputs];
#pragma unroll
      for (int k = 0; k < kInputs; k++) from[k] = in[k].v[e];
      Formula::apply(from, immediates.v, to);
#pragma unroll
      for (int k = 0; k < kOutputs; k++) out[k].v[e] = to[k];
    }
  }
};

__device__ inline float load_as_float(const void* data, DType dtype, uint32_t at) {
  if (dtype == DType::kInt32) return static_cast<float>(static_cast<const int32_t*>(data)[at]);
  if (dtype == DType::kUint8) return static_cast<float>(static_cast<const uint8_t*>(data)[at]);
  if (dtype == DType::kBfloat16) return widened(static_cast<const Bfloat16*>(data)[at]);
  return static_cast<const float*>(data)[at];
}

// Where element i of the domain stands in every input.
template <int kInputs>
__device__ inline void find_inputs(const MapLaunch& m, uint32_t i, uint32_t (&offsets)[kMapInputs]) {
#pragma unroll
  for (int k = 0; k < kInputs; k++) offsets[k] = 0;
  uint32_t rest = i;
  if (m.rank > 1) {
#pragma unroll
    for (int d = kMaxRank - 1; d > 0; d--) {
      if (d >= m.rank) continue;
      uint32_t at;
      rest = m.by[d].divide(rest, at);
#pragma unroll
      for (int k = 0; k < kInputs; k++) offsets[k] += at * m.strides[k][d];
    }
  }
#pragma unroll
  for (int k = 0; k < kInputs; k++) offsets[k] += rest * m.strides[k][0];
}

// Four neighbours as they lie in memory: first all inputs are asked for, then the numbers are made of what came.
struct RawFour {
  // Bytes: in the first word; bfloat16: in the first two. A number that stands still: in the first.
  Pack<uint32_t, 4> words;

  __device__ void load(const void* data, DType dtype, bool still, uint32_t at) {
    if (dtype == DType::kUint8) {
      const uint8_t* from = static_cast<const uint8_t*>(data) + at;
      words.v[0] = still ? *from : *reinterpret_cast<const uint32_t*>(from);
    } else if (dtype == DType::kBfloat16) {
      const uint16_t* from = static_cast<const uint16_t*>(data) + at;
      if (still) {
        words.v[0] = *from;
      } else {
        const Pack<uint32_t, 2> pairs = load_pack<2>(reinterpret_cast<const uint32_t*>(from));
        words.v[0] = pairs.v[0];
        words.v[1] = pairs.v[1];
      }
    } else if (still) {
      words.v[0] = static_cast<const uint32_t*>(data)[at];
    } else {
      words = load_pack<4>(static_cast<const uint32_t*>(data) + at);
    }
  }

  __device__ Pack<float, 4> floats(DType dtype, bool still) const {
    Pack<float, 4> result;
    if (dtype == DType::kFloat32) {
#pragma unroll
      for (int e = 0; e < 4; e++) result.v[e] = __uint_as_float(still ? words.v[0] : words.v[e]);
    } else if (dtype == DType::kBfloat16) {
      const uint32_t first = words.v[0], second = still ? first : words.v[1];
      result.v[0] = __uint_as_float(first << 16);
      result.v[1] = __uint_as_float(still ? first << 16 : first & 0xffff0000u);
      result.v[2] = __uint_as_float(second << 16);
      result.v[3] = __uint_as_float(still ? first << 16 : second & 0xffff0000u);
    } else if (dtype == DType::kInt32) {
#pragma unroll
      for (int e = 0; e < 4; e++)
        result.v[e] = static_cast<float>(static_cast<int32_t>(still ? words.v[0] : words.v[e]));
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) result.v[e] = static_cast<float>(words.v[0] >> (still ? 0 : 8 * e) & 0xff);
    }
    return result;
  }
};

// A compiled chain has as many inputs as it names, a tape may have fewer than there could be.
template <int kInputs>
__device__ inline bool is_there(const MapLaunch& m, int k) {
  return kInputs < kMapInputs || k < m.input_count;
}

// Every input's values at elements i… of the domain, of which `left` are there; 0 where there is no input.
template <int kInputs, int kWidth>
__device__ inline void load_inputs(const MapLaunch& m, uint32_t i, uint32_t left,
                                   Pack<float, kWidth> (&in)[kMapInputs]) {
  uint32_t offsets[kMapInputs];
  find_inputs<kInputs>(m, i, offsets);
  if constexpr (kWidth == 4) {
    if (left >= 4) {
      RawFour raw[kInputs > 0 ? kInputs : 1] = {};
#pragma unroll
      for (int k = 0; k < kInputs; k++) {
        if (is_there<kInputs>(m, k)) raw[k].load(m.inputs[k], m.dtypes[k], m.still >> k & 1u, offsets[k]);
      }
#pragma unroll
      for (int k = 0; k < kInputs; k++) {
        in[k] = raw[k].floats(m.dtypes[k], m.still >> k & 1u);
      }
      return;
    }
  }
#pragma unroll
  for (int k = 0; k < kInputs; k++) {
    in[k] = {};
    if (!is_there<kInputs>(m, k)) continue;
#pragma unroll
    for (int e = 0; e < kWidth; e++) {
      // Whoever is not there is a copy of the first.
      const uint32_t there = static_cast<uint32_t>(e) < left ? e : 0;
      in[k].v[e] = load_as_float(m.inputs[k], m.dtypes[k], offsets[k] + (m.still >> k & 1u ? 0 : there));
    }
  }
}

// The first `left` of the elements.
template <typename T, int kWidth>
__device__ inline void store_first(T* to, const Pack<float, kWidth>& elements, uint32_t left) {
  if (kWidth == 1 || left >= kWidth) {
    store_narrow(to, elements);
    return;
  }
#pragma unroll
  for (int e = 0; e < kWidth; e++) {
    if (static_cast<uint32_t>(e) < left) to[e] = narrowed<T>(elements.v[e]);
  }
}

template <int kFirst, int kOutputs, int kWidth>
__device__ inline void store_outputs(const MapLaunch& m, uint32_t i, uint32_t left,
                                     const Pack<float, kWidth> (&out)[kMapOutputs]) {
#pragma unroll
  for (int k = kFirst; k < kOutputs; k++) {
    if (!m.outputs[k]) continue;
    if (m.narrow >> k & 1u) {
      store_first(static_cast<Bfloat16*>(m.outputs[k]) + i, out[k], left);
    } else {
      store_first(static_cast<float*>(m.outputs[k]) + i, out[k], left);
    }
  }
}

// A pack a thread. Only where every input goes through the domain as through one row may the last pack be cut off.
template <typename Chain, int kWidth>
__global__ void __launch_bounds__(kMapThreads) map_elements(const MapLaunch m, const Chain chain) {
  const uint32_t i = (blockIdx.x * kMapThreads + threadIdx.x) * kWidth;
  if (i >= m.size) return;
  Pack<float, kWidth> in[kMapInputs], out[kMapOutputs];
  load_inputs<Chain::kInputs>(m, i, m.size - i, in);
  chain(in, out);
  store_outputs<0, Chain::kOutputs>(m, i, m.size - i, out);
}

// Row reduction: a team of threads a slice of a row.
template <typename Chain, int kWidth>
__global__ void __launch_bounds__(kMapThreads, 4) map_rows(const MapLaunch m, const Chain chain) {
  const uint32_t team = 1u << m.team_bits, mate = threadIdx.x & (team - 1);
  const uint32_t part = (blockIdx.x * kMapThreads + threadIdx.x) >> m.team_bits;
  uint32_t slice;
  const uint32_t row = m.by_slices.divide(part, slice);
  const bool inside = row < m.rows;
  Pack<float, kWidth> sums{};
  if (inside) {
    const uint32_t begin = row * m.length + slice * m.slice_length;
    const uint32_t end = row * m.length + min((slice + 1) * m.slice_length, m.length);
#pragma unroll 1
    for (uint32_t i = begin + mate * kWidth; i < end; i += team * kWidth) {
      Pack<float, kWidth> in[kMapInputs], out[kMapOutputs];
      load_inputs<Chain::kInputs>(m, i, kWidth, in);
      chain(in, out);
#pragma unroll
      for (int e = 0; e < kWidth; e++) sums.v[e] += out[0].v[e];
      store_outputs<1, Chain::kOutputs>(m, i, kWidth, out);
    }
  }
  float sum = sums.v[0];
  if constexpr (kWidth == 4) sum = (sums.v[0] + sums.v[1]) + (sums.v[2] + sums.v[3]);
  if (team == kMapThreads) {
    sum = block_sum<kMapThreads>(sum);
  } else {
    for (uint32_t distance = team / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(kAllLanes, sum, distance);
    }
  }
  if (!inside || mate != 0) return;
  if (m.narrow & 1u) {
    static_cast<Bfloat16*>(m.sums)[part] = narrowed<Bfloat16>(m.scale * sum);
  } else {
    static_cast<float*>(m.sums)[part] = m.scale * sum;
  }
}

}  // namespace gradstep::cuda
