// concat on the CPU. Blocks of rows that fit the first cache are written input by input, so that narrow inputs run in a
// tight loop; where there are fewer rows than threads, a row is cut into ranges.
#include "generated/args/concat.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/word.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 4096;  // elements

struct Piece {
  const Word* x;  // [rows, size]
  int64_t begin, size;
};

void copy_piece(const Piece& p, Word* y, int64_t n, int64_t begin, int64_t end) {
  Word* to = y + begin * n + p.begin;
  const Word* from = p.x + begin * p.size;
  if (p.size == 1) {
    for (int64_t row = begin; row < end; row++, to += n) *to = *from++;
  } else {
    for (int64_t row = begin; row < end; row++, to += n, from += p.size) copy_words(to, from, p.size);
  }
}

}  // namespace

Step concat(Prepare& prepare, const ConcatArgs& args) {
  const int64_t rows = args.y.dims[0], n = args.y.dims[1];
  std::vector<Piece> pieces;
  int64_t begin = 0;
  for (const Tensor* t : {&args.in0, &args.in1, &args.in2, &args.in3, &args.in4, &args.in5, &args.in6, &args.in7}) {
    if (!t->present()) continue;
    pieces.push_back({prepare.at<Word>(*t), begin, t->dims[1]});
    begin += t->dims[1];
  }
  const int parts = parts_of(rows * n, prepare.threads());
  Word* y = prepare.at<Word>(args.y);
  if (rows >= parts) {
    const int64_t block = std::max<int64_t>(1, kBlock / n);
    return [=] {
      parallel_ranges(rows, parts, 1, [&](int, int64_t first, int64_t last) {
        for (int64_t row = first; row < last; row += block) {
          for (const Piece& p : pieces) copy_piece(p, y, n, row, std::min(last, row + block));
        }
      });
    };
  }
  return [=] {
    for (int64_t row = 0; row < rows; row++) {
      parallel_ranges(n, parts, 16, [&](int, int64_t first, int64_t last) {
        for (const Piece& p : pieces) {
          const int64_t a = std::max(first, p.begin), b = std::min(last, p.begin + p.size);
          if (a < b) copy_words(y + row * n + a, p.x + row * p.size + a - p.begin, b - a);
        }
      });
    }
  };
}

}  // namespace gradstep::cpu
