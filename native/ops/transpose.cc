// transpose on the CPU, in one of three ways. Where the last axis stays the last, rows are copied. Where it moves, the
// plane of x's and y's last axes is cut into blocks that fit the cache, transposed 8 x 8 in registers. Planes too
// narrow for that are oneDNN's where nothing is bfloat16: its reorders are made for them. What is stored in bfloat16 is
// widened and rounded between memory and registers.
#include "generated/args/transpose.h"

#include "cpu/dnnl_seam.h"
#include "cpu/element.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "ops/transpose.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kSide = 8;
constexpr int64_t kBlock = 64;

typedef uint32_t Lanes __attribute__((vector_size(32), aligned(4), may_alias));

typedef uint16_t Halves __attribute__((vector_size(16), aligned(2), may_alias));

GRADSTEP_INLINE void load8(Lanes& words, const Word* x) { words = *reinterpret_cast<const Lanes*>(x); }
GRADSTEP_INLINE void load8(Lanes& words, const uint16_t* x) {
  words = __builtin_convertvector(*reinterpret_cast<const Halves*>(x), Lanes) << 16;
}

// From: what the words were read as.
template <typename From>
GRADSTEP_INLINE void store8(Word* y, const Lanes& words) {
  *reinterpret_cast<Lanes*>(y) = words;
}

template <typename From>
GRADSTEP_INLINE void store8(uint16_t* y, const Lanes& words) {
  Lanes halves = words >> 16;
  if constexpr (sizeof(From) == 4) {  // as bfloat16_bits()
    const Lanes rounded = (words + 0x7fff + (halves & 1)) >> 16;
    halves = (words & 0x7fffffff) > 0x7f800000 ? halves | 0x40 : rounded;
  }
  *reinterpret_cast<Halves*>(y) = __builtin_convertvector(halves, Halves);
}

// y[j][i] = x[i][j] for 8 x 8 elements; rows lie dx and dy apart.
template <typename To, typename From>
GRADSTEP_INLINE void transpose8(To* __restrict y, int64_t dy, const From* __restrict x, int64_t dx) {
  Lanes r[kSide], s[kSide];
  for (int i = 0; i < kSide; i++) load8(r[i], x + i * dx);
  // Neighbouring rows are interleaved, then pairs of rows, then the halves are put together.
  for (int i = 0; i < kSide; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < kSide; i += 4) {
    r[i] = __builtin_shufflevector(s[i], s[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 1] = __builtin_shufflevector(s[i], s[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    r[i + 2] = __builtin_shufflevector(s[i + 1], s[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 3] = __builtin_shufflevector(s[i + 1], s[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    store8<From>(y + i * dy, __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11));
    store8<From>(y + (i + 4) * dy, __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15));
  }
}

// y[j][i] = x[i][j] for i < rows, j < columns.
template <typename To, typename From>
GRADSTEP_VECTORISED void transpose_block(To* __restrict y, int64_t dy, const From* __restrict x, int64_t dx,
                                         int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
  for (int64_t j = 0; j < whole_columns; j += kSide) {
    for (int64_t i = 0; i < whole_rows; i += kSide) transpose8(y + j * dy + i, dy, x + i * dx + j, dx);
  }
  for (int64_t j = 0; j < columns; j++) {
    for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; i++) y[j * dy + i] = moved<To>(x[i * dx + j]);
  }
}

template <typename To, typename From>
Step rows_step(const Permutation& p, To* y, const From* x, int threads) {
  // Rows that follow one another along the axis before the last lie evenly apart.
  const int last = p.rank - 1;
  const int64_t n = p.dims[last], rows = p.size() / n, run = p.dims[last - 1], apart = p.strides[last - 1];
  const int parts = parts_of(p.size(), threads);
  return [=] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end;) {
        const From* from = x + p.source(row, last);
        const int64_t until = std::min(end, (row / run + 1) * run);
        for (; row < until; row++, from += apart) copy_elements(y + row * n, from, n);
      }
    });
  };
}

template <typename To, typename From>
Step plane_step(const Permutation& p, To* y, const From* x, int threads) {
  // The plane: `across` is y's last axis, `along` the one that is x's last.
  const int across = p.rank - 1, along = p.place_of_last();
  const int64_t rows = p.dims[across], columns = p.dims[along];
  const int64_t dx = p.strides[across], dy = p.stride_in_y(along);
  const int64_t down = (rows + kBlock - 1) / kBlock, wide = (columns + kBlock - 1) / kBlock;
  const int64_t blocks = p.size() / (rows * columns) * down * wide;
  const int parts = parts_of(p.size(), threads);
  return [=] {
    parallel_ranges(blocks, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; b++) {
        const int64_t i = b % down * kBlock, j = b / down % wide * kBlock;
        const Permutation::Plane plane = p.plane(b / (down * wide), along);
        transpose_block(y + plane.y + j * dy + i, dy, x + plane.x + i * dx + j, dx, std::min(kBlock, rows - i),
                        std::min(kBlock, columns - j));
      }
    });
  };
}

Step narrow_step(Prepare& prepare, const TransposeArgs& args, const Permutation& p) {
  using dnnl::memory;
  const auto type = args.x.dtype == DType::kInt32 ? memory::data_type::s32 : memory::data_type::f32;
  memory::dims dims, from, to;
  for (int i = 0; i < p.rank; i++) {
    dims.push_back(p.dims[i]);
    from.push_back(p.strides[i]);
    to.push_back(p.stride_in_y(i));
  }
  const Dnnl& d = prepare.dnnl();
  const memory::desc x(dims, type, from), y(dims, type, to);
  const auto desc = make_primitive(
      "transposition", [&] { return dnnl::reorder::primitive_desc(d.engine, x, d.engine, y, attributes()); });
  Primitive primitive(dnnl::reorder(desc), d.stream);
  primitive.argument(DNNL_ARG_FROM, memory(x, d.engine, prepare.at<Word>(args.x)));
  primitive.argument(DNNL_ARG_TO, memory(y, d.engine, prepare.at<Word>(args.y)));
  const memory::desc scratchpad = desc.scratchpad_desc();
  primitive.argument(DNNL_ARG_SCRATCHPAD, memory(scratchpad, d.engine, prepare.workspace(scratchpad.get_size())));
  return [primitive] { primitive.run(); };
}

}  // namespace

Step transpose(Prepare& prepare, const TransposeArgs& args) {
  const Permutation p(args);
  const int along = p.place_of_last();
  const bool moves = along != p.rank - 1;
  const bool words = args.x.dtype != DType::kBfloat16 && args.y.dtype != DType::kBfloat16;
  if (moves && words && (p.dims[along] < kSide || p.dims[p.rank - 1] < kSide)) return narrow_step(prepare, args, p);
  return with_elements(args.y, args.x, [&](auto to, auto from) {
    auto* const y = prepare.at<decltype(to)>(args.y);
    const auto* const x = prepare.at<decltype(from)>(args.x);
    return moves ? plane_step(p, y, x, prepare.threads()) : rows_step(p, y, x, prepare.threads());
  });
}

}  // namespace gradstep::cpu
