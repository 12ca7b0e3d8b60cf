// concat on the CPU. Blocks of rows that fit the first cache are written input by input, so that narrow inputs run in a
// tight loop; where there are fewer rows than threads, a row is cut into ranges. What is stored differently in y is
// converted on the way.
#include "generated/args/concat.h"

#include "cpu/element.h"
#include "cpu/parallel.h"
#include "cpu/prepare.h"

namespace gradstep::cpu {
namespace {

constexpr int64_t kBlock = 4096;  // elements

struct Piece {
  const void* x;  // [rows, size]
  bool narrow;    // stored in bfloat16
  int64_t begin, size;

  // Elements [a, b) of row `row` of y, which are this piece's.
  template <typename To>
  void copy(To* y, int64_t row, int64_t a, int64_t b) const {
    const int64_t from = row * size + a - begin;
    if (narrow) {
      copy_elements(y + a, static_cast<const uint16_t*>(x) + from, b - a);
    } else {
      copy_elements(y + a, static_cast<const uint32_t*>(x) + from, b - a);
    }
  }
};

template <typename To, typename From>
void copy_rows(const Piece& p, const From* x, To* y, int64_t n, int64_t begin, int64_t end) {
  To* to = y + begin * n + p.begin;
  const From* from = x + begin * p.size;
  if (p.size == 1) {
    for (int64_t row = begin; row < end; row++, to += n) *to = moved<To>(*from++);
  } else {
    for (int64_t row = begin; row < end; row++, to += n, from += p.size) copy_elements(to, from, p.size);
  }
}

template <typename To>
void copy_piece(const Piece& p, To* y, int64_t n, int64_t begin, int64_t end) {
  if (p.narrow) {
    copy_rows(p, static_cast<const uint16_t*>(p.x), y, n, begin, end);
  } else {
    copy_rows(p, static_cast<const uint32_t*>(p.x), y, n, begin, end);
  }
}

template <typename To>
Step join(Prepare& prepare, const ConcatArgs& args) {
  const int64_t rows = args.y.dims[0], n = args.y.dims[1];
  std::vector<Piece> pieces;
  int64_t begin = 0;
  for (const Tensor* t : {&args.in0, &args.in1, &args.in2, &args.in3, &args.in4, &args.in5, &args.in6, &args.in7}) {
    if (!t->present()) continue;
    pieces.push_back({prepare.at<char>(*t), t->dtype == DType::kBfloat16, begin, t->dims[1]});
    begin += t->dims[1];
  }
  const int parts = parts_of(rows * n, prepare.threads());
  To* y = prepare.at<To>(args.y);
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
          if (a < b) p.copy(y + row * n, row, a, b);
        }
      });
    }
  };
}

}  // namespace

Step concat(Prepare& prepare, const ConcatArgs& args) {
  return args.y.dtype == DType::kBfloat16 ? join<uint16_t>(prepare, args) : join<uint32_t>(prepare, args);
}

}  // namespace gradstep::cpu
