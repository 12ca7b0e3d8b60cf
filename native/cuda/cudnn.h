// cuDNN 9 as it is found when gradstep runs, if it is found: a session whose convolutions it computes faster uses it,
// and nothing is missing without it. What is used of it is declared here, so that no header of NVIDIA's is needed: the
// functions have the names of <cudnn.h> without the prefix, the numbers are its (as of 9.28; those of one major version
// do not change).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <memory>
#include <type_traits>

namespace gradstep::cuda {

enum class DnnStatus : int { kSuccess = 0, kNoMemory = 4003, kNoDeviceMemory = 4004 };
// Parts of the library that are missing or do not go together, bad parameters, what is not supported, and what went
// wrong inside: the library cannot do it, which is no failure. What happens while it runs, from 5000 on, is one.
inline bool refuses(DnnStatus status) {
  const int code = static_cast<int>(status);
  return code >= 1000 && code < 5000 && status != DnnStatus::kNoMemory && status != DnnStatus::kNoDeviceMemory;
}

enum class DnnType : int { kFloat = 0, kBfloat16 = 9 };
enum class DnnFormat : int { kChannelsLast = 1 };
enum class DnnMath : int { kDefault = 0, kTensorOps = 1, kConverting = 2, kFma = 3 };
enum class DnnNan : int { kPropagate = 1 };
enum class DnnMode : int { kCrossCorrelation = 1 };
enum class DnnActivation : int { kRelu = 1, kIdentity = 5 };

using DnnHandle = struct cudnnContext*;
using DnnTensor = struct cudnnTensorStruct*;
using DnnFilter = struct cudnnFilterStruct*;
using DnnConvolution = struct cudnnConvolutionStruct*;
using DnnActivationOf = struct cudnnActivationStruct*;

// What the library says of an algorithm; `algorithm` counts those of forward convolutions, of gradients by the data or
// of gradients by the filter.
struct DnnAlgorithm {
  int algorithm;
  DnnStatus status;
  float time;
  size_t memory;
  int deterministic;
  DnnMath math;
  int reserved[3];
};

struct CudnnCalls {
#define GRADSTEP_CUDNN(X)                                                                                             \
  X(GetVersion, size_t())                                                                                             \
  X(GetErrorString, const char*(DnnStatus))                                                                           \
  X(Create, DnnStatus(DnnHandle*))                                                                                    \
  X(Destroy, DnnStatus(DnnHandle))                                                                                    \
  X(SetStream, DnnStatus(DnnHandle, cudaStream_t))                                                                    \
  X(CreateTensorDescriptor, DnnStatus(DnnTensor*))                                                                    \
  X(DestroyTensorDescriptor, DnnStatus(DnnTensor))                                                                    \
  X(SetTensorNdDescriptor, DnnStatus(DnnTensor, DnnType, int rank, const int* dims, const int* strides))              \
  X(CreateFilterDescriptor, DnnStatus(DnnFilter*))                                                                    \
  X(DestroyFilterDescriptor, DnnStatus(DnnFilter))                                                                    \
  X(SetFilterNdDescriptor, DnnStatus(DnnFilter, DnnType, DnnFormat, int rank, const int* dims))                       \
  X(CreateConvolutionDescriptor, DnnStatus(DnnConvolution*))                                                          \
  X(DestroyConvolutionDescriptor, DnnStatus(DnnConvolution))                                                          \
  X(SetConvolutionNdDescriptor,                                                                                       \
    DnnStatus(DnnConvolution, int axes, const int* pad, const int* stride, const int* dilation, DnnMode, DnnType))    \
  X(SetConvolutionGroupCount, DnnStatus(DnnConvolution, int))                                                         \
  X(SetConvolutionMathType, DnnStatus(DnnConvolution, DnnMath))                                                       \
  X(CreateActivationDescriptor, DnnStatus(DnnActivationOf*))                                                          \
  X(DestroyActivationDescriptor, DnnStatus(DnnActivationOf))                                                          \
  X(SetActivationDescriptor, DnnStatus(DnnActivationOf, DnnActivation, DnnNan, double))                               \
  X(GetConvolutionForwardAlgorithm_v7,                                                                                \
    DnnStatus(DnnHandle, DnnTensor x, DnnFilter w, DnnConvolution, DnnTensor y, int most, int* found, DnnAlgorithm*)) \
  X(GetConvolutionForwardWorkspaceSize,                                                                               \
    DnnStatus(DnnHandle, DnnTensor x, DnnFilter w, DnnConvolution, DnnTensor y, int algorithm, size_t*))              \
  X(ConvolutionForward,                                                                                               \
    DnnStatus(DnnHandle, const void* alpha, DnnTensor, const void* x, DnnFilter, const void* w, DnnConvolution,       \
              int algorithm, void* workspace, size_t, const void* beta, DnnTensor, void* y))                          \
  X(ConvolutionBiasActivationForward,                                                                                 \
    DnnStatus(DnnHandle, const void* alpha, DnnTensor, const void* x, DnnFilter, const void* w, DnnConvolution,       \
              int algorithm, void* workspace, size_t, const void* beta, DnnTensor, const void* z, DnnTensor,          \
              const void* bias, DnnActivationOf, DnnTensor, void* y))                                                 \
  X(GetConvolutionBackwardDataAlgorithm_v7, DnnStatus(DnnHandle, DnnFilter w, DnnTensor dy, DnnConvolution,           \
                                                      DnnTensor dx, int most, int* found, DnnAlgorithm*))             \
  X(GetConvolutionBackwardDataWorkspaceSize,                                                                          \
    DnnStatus(DnnHandle, DnnFilter w, DnnTensor dy, DnnConvolution, DnnTensor dx, int algorithm, size_t*))            \
  X(ConvolutionBackwardData,                                                                                          \
    DnnStatus(DnnHandle, const void* alpha, DnnFilter, const void* w, DnnTensor, const void* dy, DnnConvolution,      \
              int algorithm, void* workspace, size_t, const void* beta, DnnTensor, void* dx))                         \
  X(GetConvolutionBackwardFilterAlgorithm_v7, DnnStatus(DnnHandle, DnnTensor x, DnnTensor dy, DnnConvolution,         \
                                                        DnnFilter dw, int most, int* found, DnnAlgorithm*))           \
  X(GetConvolutionBackwardFilterWorkspaceSize,                                                                        \
    DnnStatus(DnnHandle, DnnTensor x, DnnTensor dy, DnnConvolution, DnnFilter dw, int algorithm, size_t*))            \
  X(ConvolutionBackwardFilter,                                                                                        \
    DnnStatus(DnnHandle, const void* alpha, DnnTensor, const void* x, DnnTensor, const void* dy, DnnConvolution,      \
              int algorithm, void* workspace, size_t, const void* beta, DnnFilter, void* dw))
#define GRADSTEP_DECLARE(name, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
  GRADSTEP_CUDNN(GRADSTEP_DECLARE)
#undef GRADSTEP_DECLARE
};

// The library, with a handle on the device that is current when it is made.
class Cudnn {
 public:
  // Null: there is none, or an older one, or one that does not work.
  static std::unique_ptr<Cudnn> find();
  ~Cudnn();
  Cudnn(const Cudnn&) = delete;
  Cudnn& operator=(const Cudnn&) = delete;

  const CudnnCalls* operator->() const { return &calls_; }
  DnnHandle handle() const { return handle_; }
  size_t version() const { return calls_.GetVersion(); }  // such as 92801
  // Throws where a call has failed; a Refusal (check.h) where the library cannot do what is asked.
  void check(DnnStatus status, const char* call) const;

 private:
  explicit Cudnn(const CudnnCalls& calls) : calls_(calls) {}

  const CudnnCalls calls_;
  DnnHandle handle_ = nullptr;
};

// A session's cuDNN, looked for when a convolution first asks: other models never load it. A deterministic session has
// none.
class CudnnOfSession {
 public:
  explicit CudnnOfSession(bool deterministic) : sought_(deterministic) {}
  const Cudnn* get();

 private:
  bool sought_;
  std::unique_ptr<Cudnn> found_;
};

// The library's handle for dlsym, null where there is none. It stays loaded. In the tests' emulation: what the emulated
// machine has instead.
void* open_cudnn();

}  // namespace gradstep::cuda
