// oneDNN, and the one place where its major versions differ: 2.x builds a primitive from an operation descriptor, 3.x
// straight from memory descriptors. Primitives are made when a step is prepared; running one is a single C call on
// arguments laid out beforehand, with scratch memory of ours.
#pragma once

#include <dnnl.hpp>
#include <memory>
#include <new>
#include <vector>

#include "core/error.h"

namespace gradstep::cpu {

struct Dnnl {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

// A prepared primitive with its arguments in place.
class Primitive {
 public:
  Primitive(const dnnl::primitive& primitive, const dnnl::stream& stream) : primitive_(primitive), stream_(stream) {}

  void argument(int index, const dnnl::memory& memory) {
    memories_.push_back(memory);
    arguments_.push_back({index, memory.get()});
  }

  void run() const {
    dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(arguments_.size()), arguments_.data());
  }

 private:
  dnnl::primitive primitive_;
  dnnl::stream stream_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// Geometry of a convolution in oneDNN's terms (dilation counts the holes).
struct ConvGeometry {
  dnnl::memory::dims strides, dilates, pad_begin, pad_end;
};

inline dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// `bias` may be a zero descriptor: no bias.
inline dnnl::matmul::primitive_desc matmul_desc(const Dnnl& d, const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                                                const dnnl::memory::desc& bias, const dnnl::memory::desc& c,
                                                const dnnl::primitive_attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul::primitive_desc(d.engine, a, b, bias, c, attr);
#else
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, bias, c), attr, d.engine);
#endif
}

inline dnnl::convolution_forward::primitive_desc conv_forward_desc(const Dnnl& d, const dnnl::memory::desc& x,
                                                                   const dnnl::memory::desc& w,
                                                                   const dnnl::memory::desc& bias,
                                                                   const dnnl::memory::desc& y, const ConvGeometry& g,
                                                                   const dnnl::primitive_attr& attr) {
  const auto kind = dnnl::prop_kind::forward_training;
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::convolution_forward::primitive_desc(d.engine, kind, algorithm, x, w, bias, y, g.strides, g.dilates,
                                                   g.pad_begin, g.pad_end, attr);
#else
  return dnnl::convolution_forward::primitive_desc(
      dnnl::convolution_forward::desc(kind, algorithm, x, w, bias, y, g.strides, g.dilates, g.pad_begin, g.pad_end),
      attr, d.engine);
#endif
}

inline dnnl::convolution_backward_data::primitive_desc conv_backward_data_desc(
    const Dnnl& d, const dnnl::memory::desc& dx, const dnnl::memory::desc& w, const dnnl::memory::desc& dy,
    const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint, const dnnl::primitive_attr& attr) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::convolution_backward_data::primitive_desc(d.engine, algorithm, dx, w, dy, g.strides, g.dilates,
                                                         g.pad_begin, g.pad_end, hint, attr);
#else
  return dnnl::convolution_backward_data::primitive_desc(
      dnnl::convolution_backward_data::desc(algorithm, dx, w, dy, g.strides, g.dilates, g.pad_begin, g.pad_end), attr,
      d.engine, hint);
#endif
}

inline dnnl::convolution_backward_weights::primitive_desc conv_backward_weights_desc(
    const Dnnl& d, const dnnl::memory::desc& x, const dnnl::memory::desc& dw, const dnnl::memory::desc& db,
    const dnnl::memory::desc& dy, const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint,
    const dnnl::primitive_attr& attr) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::convolution_backward_weights::primitive_desc(d.engine, algorithm, x, dw, db, dy, g.strides, g.dilates,
                                                            g.pad_begin, g.pad_end, hint, attr);
#else
  return dnnl::convolution_backward_weights::primitive_desc(
      dnnl::convolution_backward_weights::desc(algorithm, x, dw, db, dy, g.strides, g.dilates, g.pad_begin, g.pad_end),
      attr, d.engine, hint);
#endif
}

inline dnnl::reorder::primitive_desc reorder_desc(const Dnnl& d, const dnnl::memory::desc& from,
                                                  const dnnl::memory::desc& to, const dnnl::primitive_attr& attr) {
  return dnnl::reorder::primitive_desc(d.engine, from, d.engine, to, attr);
}

// oneDNN's refusals (a shape no implementation takes, no memory) as errors of ours.
template <typename Make>
auto make_primitive(const char* what, Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw Error("ERR_INTERNAL", std::string("oneDNN cannot prepare a ") + what + ": " + error.what());
  }
}

}  // namespace gradstep::cpu
