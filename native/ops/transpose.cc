// transpose on the CPU, in one of three ways. Where the last axis stays the last, rows are copied. Where it moves, the
// plane of x's and y's last axes is cut into blocks that fit the cache, transposed 8 x 8 in registers. Planes too
// narrow for that are oneDNN's: its reorders are made for them.
#include "generated/args/transpose.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/word.h"
#include "ops/transpose.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kSide = 8;
constexpr int64_t kBlock = 64;

typedef uint32_t Lanes __attribute__((vector_size(32), aligned(4), may_alias));

// y[j][i] = x[i][j] for 8 x 8 elements; rows lie dx and dy apart.
GRADSTEP_INLINE void transpose8(Word* __restrict y, int64_t dy, const Word* __restrict x, int64_t dx) {
  Lanes r[kSide], s[kSide];
  for (int i = 0; i < kSide; i++) r[i] = *reinterpret_cast<const Lanes*>(x + i * dx);
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
    *reinterpret_cast<Lanes*>(y + i * dy) = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *reinterpret_cast<Lanes*>(y + (i + 4) * dy) = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// y[j][i] = x[i][j] for i < rows, j < columns.
GRADSTEP_VECTORISED void transpose_block(Word* __restrict y, int64_t dy, const Word* __restrict x, int64_t dx,
                                         int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows / kSide * kSide, whole_columns = columns / kSide * kSide;
  for (int64_t j = 0; j < whole_columns; j += kSide) {
    for (int64_t i = 0; i < whole_rows; i += kSide) transpose8(y + j * dy + i, dy, x + i * dx + j, dx);
  }
  for (int64_t j = 0; j < columns; j++) {
    for (int64_t i = j < whole_columns ? whole_rows : 0; i < rows; i++) y[j * dy + i] = x[i * dx + j];
  }
}

Step rows_step(const Permutation& p, Word* y, const Word* x, int threads) {
  // Rows that follow one another along the axis before the last lie evenly apart.
  const int last = p.rank - 1;
  const int64_t n = p.dims[last], rows = p.size() / n, run = p.dims[last - 1], apart = p.strides[last - 1];
  const int parts = parts_of(p.size(), threads);
  return [=] {
    parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end;) {
        const Word* from = x + p.source(row, last);
        const int64_t until = std::min(end, (row / run + 1) * run);
        for (; row < until; row++, from += apart) copy_words(y + row * n, from, n);
      }
    });
  };
}

Step plane_step(const Permutation& p, Word* y, const Word* x, int threads) {
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
  Word* y = prepare.at<Word>(args.y);
  const Word* x = prepare.at<Word>(args.x);
  const int along = p.place_of_last();
  if (along == p.rank - 1) return rows_step(p, y, x, prepare.threads());
  if (p.dims[along] >= kSide && p.dims[p.rank - 1] >= kSide) return plane_step(p, y, x, prepare.threads());
  return narrow_step(prepare, args, p);
}

}  // namespace gradstep::cpu
