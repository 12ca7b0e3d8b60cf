// concat on the CPU: rows of y are written from left to right, a piece of each input in turn.
#include "generated/args/concat.h"

#include "cpu/parallel.h"
#include "cpu/prepare.h"
#include "cpu/word.h"

namespace gradstep::cpu {
namespace {

struct Piece {
  const Word* x;  // [rows, size]
  int64_t begin, size;
};

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
  return [=, y = prepare.at<Word>(args.y)] {
    // Ranges of elements, not of rows: there may be one row only.
    parallel_ranges(rows * n, parts, 16, [&](int, int64_t first, int64_t last) {
      for (int64_t row = first / n; row * n < last; row++) {
        const int64_t from = std::max<int64_t>(0, first - row * n), to = std::min(n, last - row * n);
        for (const Piece& p : pieces) {
          const int64_t a = std::max(from, p.begin), b = std::min(to, p.begin + p.size);
          if (a < b) copy_words(y + row * n + a, p.x + row * p.size + a - p.begin, b - a);
        }
      }
    });
  };
}

}  // namespace gradstep::cpu
