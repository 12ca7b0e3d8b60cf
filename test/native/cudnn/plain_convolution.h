// What the stand-in for cuDNN keeps behind its handles, and a convolution of such descriptors as plain loops.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cuda/cudnn.h"

namespace gradstep::cuda {

struct cudnnContext {
  cudaStream_t stream = nullptr;
};
struct cudnnTensorStruct {
  DnnType type = DnnType::kFloat;
  std::vector<int> dims, strides;  // images, channels, axes
  size_t size() const {
    size_t n = 1;
    for (const int size : dims) n *= static_cast<size_t>(size);
    return n;
  }
  bool channels_last() const {
    int expected = dims[1];
    for (size_t i = dims.size() - 1; i >= 2; i--) {
      if (strides[i] != expected) return false;
      expected *= dims[i];
    }
    return strides[1] == 1 && strides[0] == expected;
  }
};
struct cudnnFilterStruct {
  DnnType type = DnnType::kFloat;
  std::vector<int> dims;  // out, in of a group, axes; stored channels last
  size_t size() const {
    size_t n = 1;
    for (const int size : dims) n *= static_cast<size_t>(size);
    return n;
  }
};
struct cudnnConvolutionStruct {
  std::vector<int> pad, stride, dilation;
  int groups = 1;
  DnnMath math = DnnMath::kDefault;
};
struct cudnnActivationStruct {
  DnnActivation of = DnnActivation::kRelu;
  bool propagates_nan = false;
};

inline float tf32(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x == x) bits = (bits + 0x1000) & 0xFFFFE000u;
  memcpy(&x, &bits, sizeof x);
  return x;
}

inline size_t bytes_of(DnnType type) { return type == DnnType::kBfloat16 ? 2 : 4; }

// Number i of so many that are stored as that.
inline float number(DnnType type, const void* numbers, size_t i) {
  uint32_t bits = 0;
  if (type == DnnType::kFloat) {
    memcpy(&bits, static_cast<const char*>(numbers) + 4 * i, 4);
  } else {
    memcpy(reinterpret_cast<char*>(&bits) + 2, static_cast<const char*>(numbers) + 2 * i, 2);
  }
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

inline void set_number(DnnType type, void* numbers, size_t i, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (type == DnnType::kFloat) {
    memcpy(static_cast<char*>(numbers) + 4 * i, &bits, 4);
  } else {
    bits += 0x7fff + (bits >> 16 & 1);
    memcpy(static_cast<char*>(numbers) + 2 * i, reinterpret_cast<const char*>(&bits) + 2, 2);
  }
}

// A convolution, described by values: what is captured outlives its descriptors.
struct Convolution {
  cudnnTensorStruct x, y;
  cudnnFilterStruct w;
  cudnnConvolutionStruct by;

  bool sound() const {
    const size_t axes = by.pad.size(), rank = axes + 2;
    if (x.dims.size() != rank || y.dims.size() != rank || w.dims.size() != rank) return false;
    if (!x.channels_last() || !y.channels_last() || x.dims[0] != y.dims[0]) return false;
    if (x.type != y.type || x.type != w.type) return false;
    if (by.groups < 1 || w.dims[0] % by.groups != 0) return false;
    if (w.dims[0] != y.dims[1] || w.dims[1] * by.groups != x.dims[1]) return false;
    for (size_t i = 0; i < axes; i++) {
      const int extent = (w.dims[i + 2] - 1) * by.dilation[i] + 1;
      const int room = x.dims[i + 2] + 2 * by.pad[i] - extent;
      if (room < 0 || y.dims[i + 2] != room / by.stride[i] + 1) return false;
    }
    return true;
  }

  // Calls visit(place in x, in w, in y) for every product.
  template <typename Visit>
  void products(Visit visit) const {
    const size_t axes = by.pad.size();
    int in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
    int pad[3] = {}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
    for (size_t i = 0; i < axes; i++) {
      const size_t axis = 3 - axes + i;
      in[axis] = x.dims[i + 2];
      out[axis] = y.dims[i + 2];
      kernel[axis] = w.dims[i + 2];
      pad[axis] = by.pad[i];
      stride[axis] = by.stride[i];
      dilation[axis] = by.dilation[i];
    }
    const int c = x.dims[1], k = y.dims[1], depth = w.dims[1], filters = k / by.groups;
    const int pixels = out[0] * out[1] * out[2], taps = kernel[0] * kernel[1] * kernel[2];
    for (int n = 0; n < x.dims[0]; n++) {
      for (int pixel = 0; pixel < pixels; pixel++) {
        const int at[3] = {pixel / out[2] / out[1], pixel / out[2] % out[1], pixel % out[2]};
        for (int tap = 0; tap < taps; tap++) {
          const int of[3] = {tap / kernel[2] / kernel[1], tap / kernel[2] % kernel[1], tap % kernel[2]};
          size_t place = static_cast<size_t>(n);
          bool inside = true;
          for (int i = 0; i < 3; i++) {
            const int position = at[i] * stride[i] + of[i] * dilation[i] - pad[i];
            inside = inside && position >= 0 && position < in[i];
            place = place * static_cast<size_t>(in[i]) + static_cast<size_t>(std::max(position, 0));
          }
          if (!inside) continue;
          for (int filter = 0; filter < k; filter++) {
            const size_t from = place * static_cast<size_t>(c) + static_cast<size_t>(filter / filters * depth);
            const size_t weight = (static_cast<size_t>(filter) * static_cast<size_t>(taps) + static_cast<size_t>(tap)) *
                                  static_cast<size_t>(depth);
            const size_t to = (static_cast<size_t>(n) * static_cast<size_t>(pixels) + static_cast<size_t>(pixel)) *
                                  static_cast<size_t>(k) +
                              static_cast<size_t>(filter);
            for (size_t i = 0; i < static_cast<size_t>(depth); i++) visit(from + i, weight + i, to);
          }
        }
      }
    }
  }

  // An operand that is multiplied.
  double operand(const void* numbers, size_t i) const {
    const float number = cuda::number(x.type, numbers, i);
    return static_cast<double>(by.math == DnnMath::kFma ? number : tf32(number));
  }
};

}  // namespace gradstep::cuda
