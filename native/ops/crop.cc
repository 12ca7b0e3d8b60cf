// crop and its gradient on the CPU, NHWC: rows are copied whole, pixel by pixel where they are mirrored; what lies
// outside the source becomes 0. What is stored differently in the destination is converted on the way.
#include "ops/crop.h"

#include "cpu/element.h"
#include "cpu/prepare.h"
#include "generated/args/crop.h"

namespace gradstep::cpu {
namespace {

template <typename To, typename From>
struct Crop {
  CropRule rule;
  const From* from;  // [N, rows, columns, C]
  To* to;            // [N, to_rows, to_columns, C]
  const int32_t* state;
  int64_t rows, columns, to_rows, to_columns, channels;
  bool backward;
};

// to[i] = from[-i] for n pixels. Images that are mirrored are seldom stored in bfloat16.
GRADSTEP_VECTORISED void mirror_row(uint32_t* __restrict to, const uint32_t* __restrict from, int64_t n,
                                    int64_t channels) {
  if (channels == 1) {
    for (int64_t i = 0; i < n; i++) to[i] = from[-i];
  } else {
    for (int64_t i = 0; i < n; i++) {
      for (int64_t c = 0; c < channels; c++) to[i * channels + c] = from[c - i * channels];
    }
  }
}

template <typename To, typename From>
void mirror_row(To* to, const From* from, int64_t n, int64_t channels) {
  for (int64_t i = 0; i < n; i++) copy_elements(to + i * channels, from - i * channels, channels);
}

template <typename To, typename From>
void copy_row(const Crop<To, From>& k, const CropMap& map, To* to, const From* from) {
  // Destinations whose source exists: an interval, as the map is monotonous.
  const int64_t at_first = map.step > 0 ? -int64_t{map.base} : map.base - (k.columns - 1);
  const int64_t begin = std::clamp<int64_t>(at_first, 0, k.to_columns);
  const int64_t end = std::clamp<int64_t>(at_first + k.columns, begin, k.to_columns);
  const int64_t c = k.channels;
  zero_elements(to, begin * c);
  if (begin < end) {
    const From* source = from + map.source(static_cast<int32_t>(begin)) * c;
    if (map.step > 0) copy_elements(to + begin * c, source, (end - begin) * c);
    if (map.step < 0) mirror_row(to + begin * c, source, end - begin, c);
  }
  zero_elements(to + end * c, (k.to_columns - end) * c);
}

template <typename To, typename From>
void copy_rows(const Crop<To, From>& k, int64_t begin, int64_t end) {
  CropMaps maps{};
  for (int64_t at = begin; at < end; at++) {
    const int64_t n = at / k.to_rows, row = at % k.to_rows;
    if (at == begin || row == 0) maps = crop_maps(k.rule, n, k.state, k.backward);
    const int32_t source = maps.rows.source(static_cast<int32_t>(row));
    To* to = k.to + at * k.to_columns * k.channels;
    if (source < 0 || source >= k.rows) {
      zero_elements(to, k.to_columns * k.channels);
    } else {
      copy_row(k, maps.columns, to, k.from + (n * k.rows + source) * k.columns * k.channels);
    }
  }
}

template <typename Args>
Step crop_step(Prepare& prepare, const Args& args, const Tensor& from, const Tensor& to, bool backward) {
  return with_elements(to, from, [&](auto to_type, auto from_type) -> Step {
    using To = decltype(to_type);
    using From = decltype(from_type);
    const Crop<To, From> k{crop_rule(args),    prepare.at<From>(from),
                           prepare.at<To>(to), prepare.at<int32_t>(args.state),
                           from.dims[1],       from.dims[2],
                           to.dims[1],         to.dims[2],
                           to.dims[3],         backward};
    const int64_t rows = int64_t{to.dims[0]} * k.to_rows;
    const int parts = parts_of(to.size(), prepare.threads());
    return [k, rows, parts] {
      parallel_ranges(rows, parts, 1, [&](int, int64_t begin, int64_t end) { copy_rows(k, begin, end); });
    };
  });
}

}  // namespace

Step crop(Prepare& prepare, const CropArgs& args) { return crop_step(prepare, args, args.x, args.y, false); }

Step crop_dx(Prepare& prepare, const CropDxArgs& args) { return crop_step(prepare, args, args.dy, args.dx, true); }

}  // namespace gradstep::cpu
