// How the normalisations of channels divide a sample [rows, channels] on the CPU. Columns go in blocks of at most
// kColumns, so that their sums stay in the first cache; rows in as many parts as there are threads, unless there are
// blocks enough. Few channels are widened: `fold` neighbouring rows count as one row of fold * channels columns, and
// coefficients are repeated fold times, so that vectors are full however few channels there are.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/parallel.h"
#include "cpu/stored_window.h"

namespace gradstep::cpu {

// A task's share of a sample: wide rows of `columns` columns `stride` apart, then `tail` rows of the unfolded kind.
struct NormBlock {
  int64_t part;    // of the rows
  int64_t column;  // first channel
  int64_t channels, columns, stride;
  int64_t offset;  // of the first element
  int64_t rows;
  int64_t tail, tail_offset;
};

struct NormSplit {
  static constexpr int64_t kColumns = 256;
  static constexpr int64_t kWidened = 128;  // columns that few channels are widened to

  int64_t rows, channels, fold, row_parts, blocks, width;
  int threads;

  NormSplit(int64_t rows_, int64_t channels_, int most_threads) : rows(rows_), channels(channels_) {
    threads = parts_of(rows * channels, most_threads);
    fold = std::max<int64_t>(1, kWidened / channels);
    blocks = (channels + kColumns - 1) / kColumns;
    width = (channels + blocks - 1) / blocks;
    if (blocks > 1) width = (width + 15) / 16 * 16;
    blocks = (channels + width - 1) / width;
    row_parts = blocks % threads == 0 || blocks >= 4 * threads ? 1 : std::min<int64_t>(threads, rows);
  }

  int64_t wide() const { return fold * channels; }

  NormBlock block(int64_t task) const {
    NormBlock b;
    b.part = task / blocks;
    const int64_t begin = rows * b.part / row_parts, end = rows * (b.part + 1) / row_parts;
    b.column = task % blocks * width;
    b.channels = std::min(width, channels - b.column);
    b.columns = fold * b.channels;
    b.stride = wide();
    b.offset = begin * channels + b.column;
    b.rows = (end - begin) / fold;
    b.tail = (end - begin) % fold;
    b.tail_offset = b.offset + b.rows * b.stride;
    return b;
  }

  // body(block) for every task.
  template <typename Body>
  void tasks(Body body) const {
    parallel_ranges(row_parts * blocks, threads, 1, [&](int, int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) body(block(task));
    });
  }

  // body(offset, rows, columns) over the sample's elements in wide rows, then the odd ones.
  template <typename Body>
  void wide_rows(Body body) const {
    parallel_ranges(rows, threads, fold, [&](int, int64_t begin, int64_t end) {
      const int64_t whole = (end - begin) / fold;
      body(begin * channels, whole, wide());
      const int64_t rest = end - begin - whole * fold;
      if (rest > 0) body((begin + whole * fold) * channels, int64_t{1}, rest * channels);
    });
  }

  // Repeats the first `channels` of an array fold times.
  void widen(float* coefficients) const {
    for (int64_t i = channels; i < wide(); i++) coefficients[i] = coefficients[i - channels];
  }
};

// Rows of a block that its sums take at a time where they go through windows: as many as their loops are unrolled by,
// so that sums are taken in the same order.
constexpr int64_t kWindowRows = 4;
static_assert(kWindowRows * NormSplit::kColumns <= Window::kSize, "a window holds them");

}  // namespace gradstep::cpu
