// See conv_tiles.h. The kernel lies as [16 outputs][terms][16 pairs][16 outputs][2].
#include "cpu/conv_tiles.h"

#include <algorithm>
#include <cstring>

#include "cpu/parallel.h"
#include "cpu/tile_unit.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 16;              // outputs, and positions of a tile
constexpr int64_t kTerms = 32;              // of a tile
constexpr int64_t kTileElements = 512;      // of bfloat16
constexpr int64_t kMostElements = 1 << 19;  // of bfloat16, of an image and of a kernel: a megabyte each
constexpr int64_t kMost = 64;               // positions at a time: tiles read as far beyond the last

int64_t blocks(int64_t n, int64_t of) { return (n + of - 1) / of; }
size_t whole_lines(int64_t bytes) { return blocks(bytes, 64) * 64; }

}  // namespace

ConvTiles::ConvTiles(const std::vector<ConvAxis>& axes, int64_t images, int64_t in, int64_t out, Kernel kernel,
                     int threads)
    : grid_(axes), images_(images), in_(in), out_(out), out_blocks_(blocks(out, kBlock)), kernel_(kernel) {
  end_ = grid_.positions;
  while (end_ > 0 && grid_.y_at[end_ - 1] < 0) end_--;
  const int64_t phase_elements = grid_elements() / static_cast<int64_t>(grid_.x_at.size());
  for (size_t phase = 0; phase < grid_.x_at.size(); phase++) {
    const std::vector<int32_t>& at = grid_.x_at[phase];
    for (int64_t p = 0; p < grid_.positions;) {
      int64_t n = 1;
      while (at[p] >= 0 && p + n < grid_.positions && at[p + n] == at[p] + n) n++;
      if (at[p] >= 0) runs_.push_back({static_cast<int64_t>(phase) * phase_elements + p * in, at[p] * in, n * in});
      p += n;
    }
  }
  const ConvAxis& last = axes.back();
  const int64_t together = last.stride == 1 && last.dilation == 1 ? last.taps : 1;  // taps whose pixels are neighbours
  for (size_t tap = 0; tap < grid_.taps.size(); tap += together) {
    const int64_t first = grid_.taps[tap].phase * phase_elements + grid_.taps[tap].shift * in;
    for (int64_t term = 0; term < together * in; term += kTerms) {
      terms_.push_back({first + term, static_cast<int64_t>(tap) * in + term, std::min(kTerms, together * in - term)});
    }
  }
  wanted_ = parts_of(images * (grid_.x_pixels * in_ + grid_.y_pixels * out_), threads);
  threads_ = static_cast<int>(std::min<int64_t>(images, wanted_));
}

bool ConvTiles::fits() const {
  return threads_ == wanted_ && std::max(grid_elements(), kernel_elements()) <= kMostElements;
}

// Of all phases, with room for what tiles read beyond a window.
int64_t ConvTiles::grid_elements() const {
  const int64_t phase = (grid_.positions + grid_.reach + kMost) * in_ + kTerms;
  return static_cast<int64_t>(grid_.x_at.size()) * phase;
}

int64_t ConvTiles::kernel_elements() const { return out_blocks_ * static_cast<int64_t>(terms_.size()) * kTileElements; }

size_t ConvTiles::bytes() const {
  const size_t part = whole_lines(grid_elements() * sizeof(uint16_t)) + kMost * kBlock * sizeof(float);
  return whole_lines(kernel_elements() * sizeof(uint16_t)) + threads_ * part;
}

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

// Sixteen outputs' weights of term `term`, a row of [·, out], or of [taps, out, in] with the taps in reverse.
GRADSTEP_TILES inline __m512 weights_of(const float* w, int64_t term, int64_t in, int64_t out, int64_t taps,
                                        int64_t output, __mmask16 lanes, bool backwards) {
  if (!backwards) return _mm512_maskz_loadu_ps(lanes, w + term * out + output);
  const __m512i steps = _mm512_mullo_epi32(_mm512_set1_epi32(static_cast<int>(in)),
                                           _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  const float* from = w + ((taps - 1 - term / in) * out + output) * in + term % in;
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, steps, from, sizeof(float));
}

// sums [kA * 16 positions][kB * 16 outputs]: over all terms.
template <int kA, int kB, typename TermsVector>
GRADSTEP_TILES void multiply(const uint16_t* positions, int64_t in, const uint16_t* kernel, int64_t kernel_block,
                             const TermsVector& terms, float* sums) {
  static_assert(kA * kB <= 4 && kB <= 2, "tiles");
  const int64_t row_bytes = in * 2, tile = kBlock * in;
  constexpr int64_t kSumBytes = kB * 64, kSumTile = kBlock * kBlock * kB;
  _tile_zero(0);
  if constexpr (kB > 1) _tile_zero(1);
  if constexpr (kA > 1) _tile_zero(2);
  if constexpr (kA > 1 && kB > 1) _tile_zero(3);
  if constexpr (kA > 2) _tile_zero(1);
  if constexpr (kA > 3) _tile_zero(3);
  for (const auto& term : terms) {
    const uint16_t* from = positions + term.at;
    _tile_loadd(6, kernel, 64);
    _tile_loadd(4, from, row_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kB > 1) {
      _tile_loadd(7, kernel + kernel_block, 64);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kA > 1) {
      _tile_loadd(5, from + tile, row_bytes);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (kA > 1 && kB > 1) _tile_dpbf16ps(3, 5, 7);
    if constexpr (kA > 2) {
      _tile_loadd(4, from + 2 * tile, row_bytes);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (kA > 3) {
      _tile_loadd(5, from + 3 * tile, row_bytes);
      _tile_dpbf16ps(3, 5, 6);
    }
    kernel += kTileElements;
  }
  _tile_stored(0, sums, kSumBytes);
  if constexpr (kB > 1) _tile_stored(1, sums + kBlock, kSumBytes);
  if constexpr (kA > 1) _tile_stored(2, sums + kSumTile, kSumBytes);
  if constexpr (kA > 1 && kB > 1) _tile_stored(3, sums + kSumTile + kBlock, kSumBytes);
  if constexpr (kA > 2) _tile_stored(1, sums + 2 * kSumTile, kSumBytes);
  if constexpr (kA > 3) _tile_stored(3, sums + 3 * kSumTile, kSumBytes);
}

// y, at those of some positions that have a pixel: kB * 16 outputs of it from sums.
template <int kB, typename Y, typename Mask>
GRADSTEP_TILES void write(const float* sums, const int32_t* at, int64_t positions, Y* y, const Mask* mask, int64_t out,
                          int64_t output, const ConvTiles::Epilogue& e) {
  for (int b = 0; b < kB; b++) {
    const int64_t channel = output + b * kBlock;
    const __mmask16 lanes = lanes_of(out, channel);
    const __m512 offset = e.bias ? _mm512_maskz_loadu_ps(lanes, e.bias + channel) : _mm512_setzero_ps();
    const __m512 least = e.relu ? _mm512_setzero_ps() : _mm512_set1_ps(-__builtin_inff());
    for (int64_t p = 0; p < positions; p++) {
      if (at[p] < 0) continue;
      const int64_t place = at[p] * out + channel;
      __m512 value = _mm512_add_ps(_mm512_load_ps(sums + (p * kB + b) * kBlock), offset);
      value = _mm512_max_ps(least, value);  // of NaN and a number it takes the second
      if (e.accumulate) value = _mm512_add_ps(value, load_wide(lanes, y + place));
      if (mask) {
        const __mmask16 above = _mm512_cmp_ps_mask(load_wide(lanes, mask + place), _mm512_setzero_ps(), _CMP_GT_OQ);
        value = _mm512_maskz_mov_ps(above, value);
      }
      store_narrow(y + place, lanes, value);
    }
  }
}

}  // namespace

GRADSTEP_TILES void ConvTiles::pack_kernel(const float* w, uint16_t* packed) const {
  const int64_t taps = static_cast<int64_t>(grid_.taps.size());
  for (int64_t b = 0; b < out_blocks_; b++) {
    const __mmask16 lanes = lanes_of(out_, b * kBlock);
    for (const Terms& terms : terms_) {
      for (int64_t t = 0; t < kTerms; t += 2, packed += 2 * kBlock) {
        __m512 rows[2];
        for (int64_t i = 0; i < 2; i++) {
          rows[i] = weights_of(w, terms.weights + std::min(t + i, terms.count - 1), in_, out_, taps, b * kBlock,
                               t + i < terms.count ? lanes : 0, kernel_ == kBackwards);
        }
        _mm512_storeu_si512(packed, pair_rows(rows[0], rows[1]));
      }
    }
  }
}

namespace {

GRADSTEP_TILES inline void lay_row(uint16_t* to, const float* from, int64_t n) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    _mm512_storeu_si512(to + i,
                        (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + i + 16), _mm512_loadu_ps(from + i)));
  }
  for (; i < n; i += 16) {
    const __mmask16 lanes = lanes_of(n, i);
    store_narrow(to + i, lanes, _mm512_maskz_loadu_ps(lanes, from + i));
  }
}

GRADSTEP_TILES inline void lay_row(uint16_t* to, const uint16_t* from, int64_t n) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) _mm512_storeu_si512(to + i, _mm512_loadu_si512(from + i));
  if (i == n) return;
  const __mmask32 rest = (1u << (n - i)) - 1;
  _mm512_mask_storeu_epi16(to + i, rest, _mm512_maskz_loadu_epi16(rest, from + i));
}

}  // namespace

template <typename X>
GRADSTEP_TILES void ConvTiles::lay_out(const X* x, uint16_t* grid) const {
  for (const Run& run : runs_) lay_row(grid + run.to, x + run.from, run.elements);
}

template <typename Y>
void ConvTiles::convolve(const uint16_t* grid, const uint16_t* kernel, Y* y, int64_t image, const Epilogue& epilogue,
                         float* sums) const {
  const TileScope scope;
  const int64_t kernel_block = static_cast<int64_t>(terms_.size()) * kTileElements;
  const int32_t* at = grid_.y_at.data();
  typed(epilogue.mask, [&](auto* mask) {
    if (mask) mask += image;
    for (int64_t b = 0; b < out_blocks_; b += 2) {
      const uint16_t* columns = kernel + b * kernel_block;
      const bool two = b + 1 < out_blocks_;
      const int64_t most = two ? 2 * kBlock : 4 * kBlock;
      for (int64_t p = 0; p < end_; p += most) {
        const int64_t n = std::min(most, end_ - p);
        const uint16_t* from = grid + p * in_;
        if (two) {
          multiply<2, 2>(from, in_, columns, kernel_block, terms_, sums);
          write<2>(sums, at + p, n, y + image, mask, out_, b * kBlock, epilogue);
        } else {
          multiply<4, 1>(from, in_, columns, kernel_block, terms_, sums);
          write<1>(sums, at + p, n, y + image, mask, out_, b * kBlock, epilogue);
        }
      }
    }
  });
}

#else

void ConvTiles::pack_kernel(const float*, uint16_t*) const {}
template <typename X>
void ConvTiles::lay_out(const X*, uint16_t*) const {}
template <typename Y>
void ConvTiles::convolve(const uint16_t*, const uint16_t*, Y*, int64_t, const Epilogue&, float*) const {}

#endif

void ConvTiles::run(Stored x, const float* w, Stored y, const Epilogue& epilogue, void* workspace) const {
  uint16_t* kernel = static_cast<uint16_t*>(workspace);
  char* parts = static_cast<char*>(workspace) + whole_lines(kernel_elements() * sizeof(uint16_t));
  const size_t grid_bytes = whole_lines(grid_elements() * sizeof(uint16_t));
  pack_kernel(w, kernel);
  parallel_ranges(images_, threads_, 1, [&](int part, int64_t begin, int64_t end) {
    char* memory = parts + part * (grid_bytes + kMost * kBlock * sizeof(float));
    uint16_t* grid = reinterpret_cast<uint16_t*>(memory);
    float* sums = reinterpret_cast<float*>(memory + grid_bytes);
    std::memset(grid, 0, grid_bytes);  // places without a pixel: no image writes there
    for (int64_t image = begin; image < end; image++) {
      typed(x, [&](auto* from) { lay_out(from + image * grid_.x_pixels * in_, grid); });
      typed(y, [&](auto* to) { convolve(grid, kernel, to, image * grid_.y_pixels * out_, epilogue, sums); });
    }
  });
}

}  // namespace gradstep::cpu
