// See conv_dw_tiles.h. x lies as [phase][channel][position], so that a tile's rows are channels and a kernel's position
// moves where it is read from; dy as [16 channels][step][16 pairs of positions][16 channels][2].
#include "cpu/conv_dw_tiles.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "cpu/tile_vectors.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 16;          // channels
constexpr int64_t kStep = 32;           // positions
constexpr int64_t kTileElements = 512;  // of bfloat16
constexpr int64_t kSumElements = 256;   // of float32
constexpr int64_t kPositions = 384;     // at least so many at a time, so that sums are seldom fetched and put back
constexpr int64_t kStepsTogether = 8;   // those of x and dy that are multiplied stay in the first-level cache
constexpr int64_t kMostSums = 1 << 20;  // bytes
constexpr int64_t kMostChannels = 1024;

alignas(64) constexpr float kZeros[kMostChannels] = {};  // the pixel of places that have none

int64_t blocks(int64_t n, int64_t of) { return (n + of - 1) / of; }
// The places of one image's pixels, repeated for `images` of them, as offsets of floats; -1 up to `length`.
void repeat(std::vector<int32_t>& to, const std::vector<int32_t>& image, int64_t images, int64_t pixels,
            int64_t channels, int64_t length) {
  const size_t end = to.size() + length;
  for (int64_t i = 0; i < images; i++) {
    for (const int32_t pixel : image) {
      to.push_back(pixel < 0 ? -1 : static_cast<int32_t>((i * pixels + pixel) * channels));
    }
  }
  to.resize(end, -1);
}

int64_t whole_lines(int64_t bytes) { return blocks(bytes, 64) * 64; }

}  // namespace

struct ConvDwTiles::Part {
  uint16_t *x, *dy;
  float* sums;      // [tap][in block][out block][16][16]
  float *db, *few;  // [out blocks * 16]: of all images, of those at hand
};

ConvDwTiles::ConvDwTiles(const std::vector<ConvAxis>& axes, int64_t images, int64_t in, int64_t out, int threads)
    : grid_(axes),
      images_(images),
      in_(in),
      out_(out),
      in_blocks_(blocks(in, kBlock)),
      out_blocks_(blocks(out, kBlock)) {
  together_ = std::min(images, blocks(kPositions, grid_.positions));
  steps_ = blocks(together_ * grid_.positions, kStep);
  x_length_ = blocks(steps_ * kStep + grid_.reach, kStep) * kStep;
  x_row_ = (x_length_ / kStep | 1) * kStep;  // an odd number of cache lines: rows of a tile fall into different sets
  for (const auto& phase : grid_.x_at) repeat(x_at_, phase, together_, grid_.x_pixels, in, x_length_);
  repeat(y_at_, grid_.y_at, together_, grid_.y_pixels, out, steps_ * kStep);
  const int64_t groups = blocks(images, together_);
  threads_ = static_cast<int>(
      std::min<int64_t>(groups, parts_of(images * (grid_.x_pixels * in + grid_.y_pixels * out), threads)));
}

bool ConvDwTiles::fits() const {
  const int64_t tiles = static_cast<int64_t>(grid_.taps.size()) * in_blocks_ * out_blocks_;
  return std::max(in_, out_) <= kMostChannels &&
         tiles * kSumElements * static_cast<int64_t>(sizeof(float)) <= kMostSums;
}

double ConvDwTiles::padding() const {
  const int64_t made = in_blocks_ * out_blocks_ * kBlock * kBlock * steps_ * kStep;
  return static_cast<double>(made) / static_cast<double>(in_ * out_ * together_ * grid_.y_pixels);
}

ConvDwTiles::Part ConvDwTiles::part_at(void* workspace, int part) const {
  char* at = static_cast<char*>(workspace);
  const auto take = [&](int64_t bytes) {
    char* const taken = at;
    at += whole_lines(bytes);
    return taken;
  };
  Part p{};
  for (int i = 0; i <= part; i++) {
    p.x = reinterpret_cast<uint16_t*>(take(grid_.x_at.size() * in_blocks_ * kBlock * x_row_ * sizeof(uint16_t)));
    p.dy = reinterpret_cast<uint16_t*>(take(out_blocks_ * steps_ * kTileElements * sizeof(uint16_t)));
    p.sums =
        reinterpret_cast<float*>(take(grid_.taps.size() * in_blocks_ * out_blocks_ * kSumElements * sizeof(float)));
    p.db = reinterpret_cast<float*>(take(out_blocks_ * kBlock * sizeof(float)));
    p.few = reinterpret_cast<float*>(take(out_blocks_ * kBlock * sizeof(float)));
  }
  return p;
}

size_t ConvDwTiles::bytes() const {
  return reinterpret_cast<char*>(part_at(nullptr, threads_).x) - static_cast<char*>(nullptr);
}

#ifdef GRADSTEP_HAS_TILE_UNIT

namespace {

// x or dy of the images at hand.
template <typename T>
struct Source {
  const T* data;
  const int32_t* at;        // [position]: where the pixel's channels begin, or -1
  int64_t channels, count;  // positions from `count` on have no pixel either
};
template <typename T>
Source(T*, const int32_t*, int64_t, int64_t) -> Source<T>;

// The pixels of 32 positions; zeros where there is none.
template <typename T>
GRADSTEP_TILES inline void find_pixels(const T* (&pixels)[kStep], const Source<T>& source, int64_t position) {
  const int32_t* at = source.at + position;
  const int64_t count = source.count - position;
  const T* const none = reinterpret_cast<const T*>(kZeros);
  for (int i = 0; i < kStep; i++) pixels[i] = at[i] >= 0 && i < count ? source.data + at[i] : none;
}

// 16 channels of 32 pixels, from `channel` on, as pairs of positions. With kSums, `sums` grow by what is read.
template <bool kSums>
GRADSTEP_TILES inline void read_pairs(__m512i (&pairs)[16], const float* const (&pixels)[kStep], int64_t channel,
                                      __mmask16 lanes, float* sums) {
  __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int p = 0; p < 16; p++) {
    const __m512 a = _mm512_maskz_loadu_ps(lanes, pixels[2 * p] + channel);
    const __m512 b = _mm512_maskz_loadu_ps(lanes, pixels[2 * p + 1] + channel);
    if constexpr (kSums) {
      even = _mm512_add_ps(even, a);
      odd = _mm512_add_ps(odd, b);
    }
    pairs[p] = pair_rows(a, b);
  }
  if constexpr (kSums) _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_add_ps(even, odd)));
}

template <bool kSums>
GRADSTEP_TILES inline void read_pairs(__m512i (&pairs)[16], const uint16_t* const (&pixels)[kStep], int64_t channel,
                                      __mmask16 lanes, float* sums) {
  __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
#pragma GCC unroll 16
  for (int p = 0; p < 16; p++) {
    const __m256i a = _mm256_maskz_loadu_epi16(lanes, pixels[2 * p] + channel);
    const __m256i b = _mm256_maskz_loadu_epi16(lanes, pixels[2 * p + 1] + channel);
    pairs[p] = interleaved(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
    if constexpr (kSums) {
      const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
      even = _mm512_add_ps(even, _mm512_castsi512_ps(_mm512_slli_epi32(pairs[p], 16)));
      odd = _mm512_add_ps(odd, _mm512_castsi512_ps(_mm512_and_si512(pairs[p], upper)));
    }
  }
  if constexpr (kSums) _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), _mm512_add_ps(even, odd)));
}

// What comes next, fetched into the core's second-level cache bit by bit while the tiles are busy.
class Ahead {
 public:
  Ahead(const char* x, int64_t x_bytes, const char* dy, int64_t dy_bytes, int64_t turns)
      : at_{x, dy}, end_{x + x_bytes, dy + dy_bytes}, lines_(blocks(x_bytes + dy_bytes, 64 * turns) + 1) {}

  void turn() {
    int64_t lines = lines_;
    for (int i = 0; i < 2; i++) {
      for (; lines > 0 && at_[i] < end_[i]; lines--, at_[i] += 64) _mm_prefetch(at_[i], _MM_HINT_T1);
    }
  }

 private:
  const char *at_[2], *end_[2];
  int64_t lines_;
};

template <typename T>
GRADSTEP_TILES void pack_x(uint16_t* to, int64_t row, const Source<T>& x, int64_t length) {
  for (int64_t position = 0; position < length; position += kStep) {
    const T* pixels[kStep];
    find_pixels(pixels, x, position);
    for (int64_t channel = 0; channel < x.channels; channel += kBlock) {
      __m512i pairs[16];
      read_pairs<false>(pairs, pixels, channel, lanes_of(x.channels, channel), nullptr);
      transpose(pairs);
#pragma GCC unroll 16
      for (int c = 0; c < kBlock; c++) _mm512_store_si512(to + (channel + c) * row + position, pairs[c]);
    }
  }
}

template <bool kSums, typename T>
GRADSTEP_TILES void pack_dy(uint16_t* to, int64_t block, const Source<T>& dy, int64_t steps, float* sums) {
  for (int64_t step = 0; step < steps; step++, to += kTileElements) {
    const T* pixels[kStep];
    find_pixels(pixels, dy, step * kStep);
    for (int64_t channel = 0; channel < dy.channels; channel += kBlock) {
      __m512i pairs[16];
      read_pairs<kSums>(pairs, pixels, channel, lanes_of(dy.channels, channel), sums + channel);
      uint16_t* tile = to + channel / kBlock * block;
#pragma GCC unroll 16
      for (int p = 0; p < 16; p++) _mm512_store_si512(tile + p * 32, pairs[p]);
    }
  }
}

// sums [kA][kB] of 16 x 16, `row` floats from one of kA to the next, += kA blocks of channels of x times kB of dy, over
// some steps. At least four sums where there are, so that none waits for the one before.
template <int kA, int kB>
GRADSTEP_TILES void multiply(const uint16_t* const* x, int64_t x_bytes, const uint16_t* dy, int64_t dy_block,
                             int64_t steps, float* sums, int64_t row) {
  static_assert(kA * kB <= 4 && kB <= 2, "tiles");
  constexpr int64_t kTileBytes = 64;
  if (!has_tile_units()) {
    for (int a = 0; a < kA; a++) {
      for (int b = 0; b < kB; b++) {
        const auto channels = [&](int64_t step) { return x[a] + step * kStep; };
        multiply_in_vectors<true, kBlock, 1>(channels, x_bytes / 2, {dy + b * dy_block, dy_block, kTileElements}, steps,
                                             {sums + a * row + b * kSumElements, kBlock, kSumElements});
      }
    }
    return;
  }
  _tile_loadd(0, sums, kTileBytes);
  if constexpr (kB > 1) _tile_loadd(1, sums + kSumElements, kTileBytes);
  if constexpr (kA > 1) _tile_loadd(2, sums + row, kTileBytes);
  if constexpr (kA > 1 && kB > 1) _tile_loadd(3, sums + row + kSumElements, kTileBytes);
  if constexpr (kA > 2) _tile_loadd(1, sums + 2 * row, kTileBytes);
  if constexpr (kA > 3) _tile_loadd(3, sums + 3 * row, kTileBytes);
  for (int64_t step = 0; step < steps; step++, dy += kTileElements) {
    const int64_t at = step * kStep;
    _tile_loadd(6, dy, kTileBytes);
    _tile_loadd(4, x[0] + at, x_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kB > 1) {
      _tile_loadd(7, dy + dy_block, kTileBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kA > 1) {
      _tile_loadd(5, x[1] + at, x_bytes);
      _tile_dpbf16ps(2, 5, 6);
    }
    if constexpr (kA > 1 && kB > 1) _tile_dpbf16ps(3, 5, 7);
    if constexpr (kA > 2) {
      _tile_loadd(4, x[2] + at, x_bytes);
      _tile_dpbf16ps(1, 4, 6);
    }
    if constexpr (kA > 3) {
      _tile_loadd(5, x[3] + at, x_bytes);
      _tile_dpbf16ps(3, 5, 6);
    }
  }
  _tile_stored(0, sums, kTileBytes);
  if constexpr (kB > 1) _tile_stored(1, sums + kSumElements, kTileBytes);
  if constexpr (kA > 1) _tile_stored(2, sums + row, kTileBytes);
  if constexpr (kA > 1 && kB > 1) _tile_stored(3, sums + row + kSumElements, kTileBytes);
  if constexpr (kA > 2) _tile_stored(1, sums + 2 * row, kTileBytes);
  if constexpr (kA > 3) _tile_stored(3, sums + 3 * row, kTileBytes);
}

}  // namespace

void ConvDwTiles::sum(Stored x, Stored dy, const Part& part, int64_t first, int64_t images, bool with_bias) const {
  const int64_t count = images * grid_.positions, phase_elements = in_blocks_ * kBlock * x_row_;
  const int64_t x_image = grid_.x_pixels * in_, y_image = grid_.y_pixels * out_;
  const int64_t next = std::min(together_, images_ - first - images);
  const int64_t dy_block = steps_ * kTileElements;
  typed(x, [&](auto* data) {
    for (size_t phase = 0; phase < grid_.x_at.size(); phase++) {
      const Source source{data + first * x_image, x_at_.data() + phase * x_length_, in_, count};
      pack_x(part.x + phase * phase_elements, x_row_, source, x_length_);
    }
  });
  typed(dy, [&](auto* data) {
    const Source source{data + first * y_image, y_at_.data(), out_, count};
    if (with_bias) {
      fill(part.few, 0.f, out_blocks_ * kBlock);
      pack_dy<true>(part.dy, dy_block, source, steps_, part.few);
      add(part.db, part.few, out_blocks_ * kBlock);
    } else {
      pack_dy<false>(part.dy, dy_block, source, steps_, nullptr);
    }
  });

  const TileScope scope;
  const int64_t row = out_blocks_ * kSumElements;
  const int64_t rows = static_cast<int64_t>(grid_.taps.size()) * in_blocks_, x_bytes = x_row_ * 2;
  const int64_t turns = blocks(steps_, kStepsTogether) * blocks(out_blocks_, 2) * blocks(rows, out_blocks_ > 1 ? 2 : 4);
  const char *const x_next = x.bytes_at((first + images) * x_image), *const dy_next =
                                                                         dy.bytes_at((first + images) * y_image);
  Ahead ahead(x_next, next * x_image * x.element_bytes(), dy_next, next * y_image * dy.element_bytes(), turns);
  for (int64_t step = 0; step < steps_; step += kStepsTogether) {
    const int64_t n = std::min(kStepsTogether, steps_ - step);
    const auto x_of = [&](int64_t r) {
      const ConvGrid::Tap& tap = grid_.taps[r / in_blocks_];
      return part.x + tap.phase * phase_elements + r % in_blocks_ * kBlock * x_row_ + tap.shift + step * kStep;
    };
    for (int64_t b = 0; b < out_blocks_; b += 2) {
      const uint16_t* columns = part.dy + b * dy_block + step * kTileElements;
      float* sums = part.sums + b * kSumElements;
      const bool two = b + 1 < out_blocks_;
      const int64_t most = two ? 2 : blocks(rows, blocks(rows, 4));  // nine in threes rather than 4, 4 and 1
      for (int64_t r = 0; r < rows; r += most) {
        const uint16_t* operands[4];
        const int64_t at_once = std::min(most, rows - r);
        for (int64_t i = 0; i < at_once; i++) operands[i] = x_of(r + i);
        float* to = sums + r * row;
        ahead.turn();
        if (two && at_once == 2) {
          multiply<2, 2>(operands, x_bytes, columns, dy_block, n, to, row);
        } else if (two) {
          multiply<1, 2>(operands, x_bytes, columns, dy_block, n, to, row);
        } else if (at_once == 4) {
          multiply<4, 1>(operands, x_bytes, columns, dy_block, n, to, row);
        } else if (at_once == 3) {
          multiply<3, 1>(operands, x_bytes, columns, dy_block, n, to, row);
        } else if (at_once == 2) {
          multiply<2, 1>(operands, x_bytes, columns, dy_block, n, to, row);
        } else {
          multiply<1, 1>(operands, x_bytes, columns, dy_block, n, to, row);
        }
      }
    }
  }
}

#else

void ConvDwTiles::sum(Stored, Stored, const Part&, int64_t, int64_t, bool) const {}

#endif

void ConvDwTiles::run(Stored x, Stored dy, float* dw, float* db, bool accumulate, void* workspace) const {
  const int64_t taps = static_cast<int64_t>(grid_.taps.size());
  parallel_ranges(blocks(images_, together_), threads_, 1, [&](int index, int64_t begin, int64_t end) {
    const Part part = part_at(workspace, index);
    fill(part.sums, 0.f, taps * in_blocks_ * out_blocks_ * kSumElements);
    fill(part.db, 0.f, out_blocks_ * kBlock);
    for (int64_t group = begin; group < end; group++) {
      const int64_t first = group * together_;
      sum(x, dy, part, first, std::min(together_, images_ - first), db != nullptr);
    }
  });
  parallel_ranges(taps * in_, parts_of(taps * in_ * out_, threads_), 1, [&](int, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t tap = row / in_, c = row % in_;
      const int64_t tile = (tap * in_blocks_ + c / kBlock) * out_blocks_;
      for (int64_t b = 0; b < out_blocks_; b++) {
        const int64_t n = std::min(kBlock, out_ - b * kBlock);
        float* to = dw + row * out_ + b * kBlock;
        if (!accumulate) fill(to, 0.f, n);
        for (int part = 0; part < threads_; part++) {
          add(to, part_at(workspace, part).sums + (tile + b) * kSumElements + c % kBlock * kBlock, n);
        }
      }
    }
  });
  if (!db) return;
  fill(db, 0.f, out_);
  for (int part = 0; part < threads_; part++) add(db, part_at(workspace, part).db, out_);
}

}  // namespace gradstep::cpu
