// embedding and its gradient on the CPU. The gradient clears the table, then adds: threads split the columns, so that
// the load is even however often a word occurs, and the rows besides where there are more threads than cache lines in
// a row; of several tables, the tables first. Each element's terms add up in the order of the indices. What is looked
// up, and dy, may be stored in bfloat16.
#include "generated/args/embedding.h"

#include <cstring>

#include "core/state.h"
#include "cpu/bfloat16.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/vector.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kLine = 16;  // floats in a cache line

// Position of the first index outside [0, vocabulary), or n.
int64_t first_wrong(const int32_t* indices, int64_t n, int32_t vocabulary) {
  for (int64_t i = 0; i < n; i++) {
    if (indices[i] < 0 || indices[i] >= vocabulary) return i;
  }
  return n;
}

// A row of the table as it is stored where it is looked up.
void copy_row(float* y, const float* row, int64_t n) { std::memcpy(y, row, n * sizeof(float)); }
void copy_row(uint16_t* y, const float* row, int64_t n) { to_bfloat16(y, row, n); }

template <typename T>
GRADSTEP_VECTORISED void add_columns(float* table, const T* dy, const int32_t* indices, int64_t n, int64_t width,
                                     int64_t row_begin, int64_t row_end, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < n; i++) {
    const int64_t row = indices[i];
    if (row < row_begin || row >= row_end) continue;
    float* to = table + row * width;
    const T* from = dy + i * width;
#pragma GCC ivdep
    for (int64_t c = begin; c < end; c++) to[c] += widened(from[c]);
  }
}

template <typename T>
Step look_up(Prepare& prepare, const EmbeddingArgs& args) {
  const int32_t vocabulary = args.table.dims[0] / args.tables;
  const int64_t width = args.table.dims[1], n = args.indices.size(), n_of_table = n / args.tables;
  const int64_t row_size = args.indices.rank > 0 ? n / args.indices.dims[0] : 1;
  const int parts = parts_of(args.y.size(), prepare.threads());
  const int32_t code = static_cast<int32_t>(kFlagIndexRange | args.place << kFlagCodeBits);
  return [=, table = prepare.at(args.table), indices = prepare.at<int32_t>(args.indices), y = prepare.at<T>(args.y),
          state = prepare.at<int32_t>(args.state), flag = prepare.at<int32_t>(args.flag)] {
    const int64_t wrong = flag != nullptr ? first_wrong(indices, n, vocabulary) : n;
    if (wrong < n && flag[0] == kFlagNone) {
      flag[1] = static_cast<int32_t>(wrong / row_size);
      flag[2] = indices[wrong];
      flag[3] = state[kStateStep];
      flag[0] = code;
    }
    parallel_ranges(n, parts, 1, [&](int, int64_t begin, int64_t end) {
      int64_t at = begin / n_of_table, next = (at + 1) * n_of_table;
      for (int64_t i = begin; i < end; i++) {
        if (i == next) at++, next += n_of_table;
        const int32_t row = indices[i];
        if (row >= 0 && row < vocabulary) {
          copy_row(y + i * width, table + (at * vocabulary + row) * width, width);
        } else {
          std::memset(y + i * width, 0, width * sizeof(T));
        }
      }
    });
  };
}

template <typename T>
Step add_rows(Prepare& prepare, const EmbeddingDxArgs& args) {
  const int64_t tables = args.tables, rows = args.vocabulary, width = args.dtable.dims[1];
  const int64_t n = args.indices.size() / tables;  // of each table
  const int clear_parts = parts_of(args.dtable.size(), prepare.threads());
  const int parts = parts_of(args.dy.size(), prepare.threads());
  const int by_table = static_cast<int>(std::min<int64_t>(tables, parts));
  const int by_column = static_cast<int>(std::clamp<int64_t>(width / kLine, 1, parts / by_table));
  const int by_row = parts / by_table / by_column;
  const bool accumulate = args.accumulate_dtable != 0;
  return
      [=, dy = prepare.at<T>(args.dy), indices = prepare.at<int32_t>(args.indices), table = prepare.at(args.dtable)] {
        if (!accumulate) {
          parallel_ranges(tables * rows * width, clear_parts, kLine, [&](int, int64_t begin, int64_t end) {
            std::memset(table + begin, 0, (end - begin) * sizeof(float));
          });
        }
        const int pieces = by_table * by_column * by_row;
        parallel_ranges(pieces, pieces, 1, [&](int piece, int64_t, int64_t) {
          const int64_t lines = (width + kLine - 1) / kLine;
          const int64_t column = piece % by_column, group = piece / by_column % by_row;
          const int64_t part = piece / by_column / by_row;  // of the tables
          for (int64_t t = tables * part / by_table; t < tables * (part + 1) / by_table; t++) {
            add_columns(table + t * rows * width, dy + t * n * width, indices + t * n, n, width, rows * group / by_row,
                        rows * (group + 1) / by_row, lines * column / by_column * kLine,
                        std::min(width, lines * (column + 1) / by_column * kLine));
          }
        });
      };
}

}  // namespace

Step embedding(Prepare& prepare, const EmbeddingArgs& args) {
  return as_stored(args.y.dtype, [&](auto y) { return look_up<decltype(y)>(prepare, args); });
}

Step embedding_dx(Prepare& prepare, const EmbeddingDxArgs& args) {
  return as_stored(args.dy.dtype, [&](auto dy) { return add_rows<decltype(dy)>(prepare, args); });
}

}  // namespace gradstep::cpu
