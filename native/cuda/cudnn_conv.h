// One of the three products of a convolution on cuDNN: channels last, everything stored as float32 or everything as
// bfloat16, which is multiplied as such and summed in float32. Weights are as the library wants them, [out, k…,
// in/groups]. Described and its algorithms asked for when it is prepared; running one only launches, also while a
// stream is captured. These are the library's older calls, one a convolution: its graphs of operations would add a
// second way to say the same, and the epilogue that we need is here too.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "cuda/cudnn.h"
#include "cuda/precision.h"

namespace gradstep::cuda {

struct DnnConvShape {
  int axes;     // 2 or 3
  int n, c, k;  // images, channels of x and of y
  int groups;
  int in[3], out[3], kernel[3];
  int pad[3];  // before and after
  int stride[3], dilation[3];
  bool relu;  // of forward_with_bias()
  Precision precision;
  bool narrow;  // stored in bfloat16
};

enum class DnnProduct { kForward, kData, kFilter };  // y; the gradient by x; the gradient by w

struct DnnProposal {
  int algorithm;
  DnnMath math;
  size_t workspace_bytes;
};

class DnnConv {
 public:
  // Null: the library has no such convolutions.
  static std::shared_ptr<const DnnConv> describe(const Cudnn& cudnn, const DnnConvShape& shape, DnnProduct product);

  // A few algorithms whose results repeat bit by bit, the one that the library expects to be the fastest first. Of
  // float32, in bfloat16 and in TF32, they may round operands to TF32.
  const std::vector<DnnProposal>& proposals() const { return proposals_; }
  std::string name_of(const DnnProposal& proposal) const;
  // Whether forward_with_bias() can be asked of it.
  bool adds_bias(const DnnProposal& proposal) const;

  void forward(cudaStream_t stream, const DnnProposal& by, const void* x, const void* w, void* workspace,
               void* y) const;
  // Also relu, where the shape says so.
  void forward_with_bias(cudaStream_t stream, const DnnProposal& by, const void* x, const void* w, const void* bias,
                         void* workspace, void* y) const;
  void data(cudaStream_t stream, const DnnProposal& by, const void* w, const void* dy, void* workspace, bool accumulate,
            void* dx) const;
  void filter(cudaStream_t stream, const DnnProposal& by, const void* x, const void* dy, void* workspace,
              void* dw) const;

 private:
  template <typename T>
  using Owned = std::unique_ptr<std::remove_pointer_t<T>, DnnStatus (*)(T)>;

  DnnConv(const Cudnn& cudnn, const DnnConvShape& shape, DnnProduct product);
  // False: the library refuses.
  bool set() const;
  bool propose();
  template <typename A, typename B, typename C>
  bool propose_for(DnnStatus (*algorithms)(DnnHandle, A, B, DnnConvolution, C, int, int*, DnnAlgorithm*),
                   const char* algorithms_name,
                   DnnStatus (*workspace)(DnnHandle, A, B, DnnConvolution, C, int, size_t*), const char* workspace_name,
                   A a, B b, C result);
  void begin(cudaStream_t stream, const DnnProposal& by) const;

  const Cudnn& cudnn_;
  const DnnConvShape shape_;
  const DnnProduct product_;
  const Owned<DnnTensor> x_, y_, bias_;
  const Owned<DnnFilter> w_;
  const Owned<DnnConvolution> convolution_;
  const Owned<DnnActivationOf> activation_;  // of forward_with_bias()
  std::vector<DnnProposal> proposals_;
};

}  // namespace gradstep::cuda
