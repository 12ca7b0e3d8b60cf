// A stand-in for cuDNN 9 on the emulated machine: convolutions by plain loops, as work on the stream. It insists on how
// it is asked (descriptors, sizes, memory of the device, algorithms that it proposed) and scribbles over the workspace
// that it asked for. Among its proposals are all those that must not be taken. What it computes is listed in the file
// $GRADSTEP_FAKE_CUDNN_LOG, a line a call; the call that $GRADSTEP_FAKE_CUDNN_REFUSES names, one that proposes or
// computes, turns out not to be supported, or returns the status behind its name ("cudnnConvolutionForward 1008").
#include "fake_cudnn.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "plain_convolution.h"

#define EXPORT __attribute__((visibility("default")))

namespace gradstep::cuda {

constexpr DnnStatus kBadParameter = static_cast<DnnStatus>(2000), kNotSupported = static_cast<DnnStatus>(3000);

namespace {

const FakeCudnnMachine* machine = nullptr;

DnnStatus refusal(const char* call) {
  const char* const refused = getenv("GRADSTEP_FAKE_CUDNN_REFUSES");
  const size_t length = strlen(call);
  if (refused == nullptr || strncmp(refused, call, length) != 0) return DnnStatus::kSuccess;
  if (refused[length] == ' ') return static_cast<DnnStatus>(atoi(refused + length));
  return refused[length] == 0 ? kNotSupported : DnnStatus::kSuccess;
}

DnnStatus planned(const char* call) { return machine != nullptr ? machine->planned(call) : DnnStatus::kSuccess; }

template <typename T>
DnnStatus create(const char* call, T** made) {
  if (const DnnStatus status = planned(call); status != DnnStatus::kSuccess) return status;
  *made = new T;
  if (machine != nullptr) machine->made(*made);
  return DnnStatus::kSuccess;
}

template <typename T>
DnnStatus destroy(const char* call, T* object) {
  const DnnStatus status = planned(call);
  if (machine != nullptr && !machine->let_go(object)) return kBadParameter;
  delete object;
  return status;
}

// to = factor * to + sums, where factor 0 reads nothing.
void store(const std::vector<double>& sums, float factor, DnnType type, void* to) {
  for (size_t i = 0; i < sums.size(); i++) {
    const double old = factor == 0 ? 0 : static_cast<double>(factor) * static_cast<double>(number(type, to, i));
    set_number(type, to, i, static_cast<float>(sums[i] + old));
  }
}

// ---- algorithms ----

enum Product { kForward, kData, kFilter };

constexpr size_t kTooMuch = size_t{1} << 30;

// What is proposed, in this order; memory tells one from another.
struct Offer {
  int algorithm;
  DnnStatus status;
  size_t memory;
  bool deterministic;
  DnnMath math;  // where TF32 is allowed; else it is FMA
  bool acceptable;
};

const std::vector<Offer>& offers(Product product) {
  constexpr auto kOk = DnnStatus::kSuccess;
  static const std::vector<Offer> all[] = {{{2, kNotSupported, 0, true, DnnMath::kDefault, false},
                                            {6, kOk, 0, false, DnnMath::kDefault, false},
                                            {7, kOk, kTooMuch, true, DnnMath::kDefault, false},
                                            {3, kOk, 0, true, DnnMath::kConverting, false},
                                            {1, kOk, 1000, true, DnnMath::kTensorOps, true},
                                            {1, kOk, 1000, true, DnnMath::kDefault, true},
                                            {0, kOk, 0, true, DnnMath::kDefault, true},
                                            {5, kOk, 600, true, DnnMath::kDefault, true},
                                            {4, kOk, 0, true, DnnMath::kDefault, false}},
                                           {{0, kOk, 0, false, DnnMath::kDefault, false},
                                            {1, kOk, 700, true, DnnMath::kTensorOps, true},
                                            {3, kOk, kTooMuch, true, DnnMath::kDefault, false},
                                            {4, kOk, 0, true, DnnMath::kDefault, true},
                                            {5, kOk, 512, true, DnnMath::kDefault, true}},
                                           {{0, kOk, 0, false, DnnMath::kDefault, false},
                                            {3, kOk, 0, false, DnnMath::kDefault, false},
                                            {1, kOk, 900, true, DnnMath::kTensorOps, true},
                                            {5, kOk, 0, true, DnnMath::kDefault, true},
                                            {2, kOk, 256, true, DnnMath::kDefault, true}}};
  return all[product];
}

DnnStatus propose(const char* call, Product product, const Convolution& c, int most, int* count, DnnAlgorithm* found) {
  if (const DnnStatus status = planned(call); status != DnnStatus::kSuccess) return status;
  if (const DnnStatus status = refusal(call); status != DnnStatus::kSuccess) return status;
  if (!c.sound()) return kBadParameter;
  *count = 0;
  for (const Offer& offer : offers(product)) {
    if (*count == most) break;
    // Algorithm 0 is told as the default even where FMA was asked for.
    const DnnMath math = c.by.math == DnnMath::kFma && offer.algorithm != 0 ? DnnMath::kFma : offer.math;
    found[(*count)++] = {offer.algorithm, offer.status, -1.f, offer.memory, offer.deterministic, math, {}};
  }
  return DnnStatus::kSuccess;
}

// The offer of that algorithm that may be run, or null. Those that convert operands have no other form.
const Offer* acceptable(Product product, int algorithm) {
  for (const Offer& offer : offers(product)) {
    if (offer.algorithm == algorithm && offer.acceptable) return &offer;
  }
  return nullptr;
}

DnnStatus workspace(const char* call, Product product, const Convolution& c, int algorithm, size_t* bytes) {
  if (const DnnStatus status = planned(call); status != DnnStatus::kSuccess) return status;
  if (!c.sound()) return kBadParameter;
  for (const Offer& offer : offers(product)) {
    if (offer.algorithm != algorithm) continue;
    if (offer.math == DnnMath::kConverting && c.by.math == DnnMath::kFma) return kNotSupported;
    *bytes = offer.memory;
    return DnnStatus::kSuccess;
  }
  return kNotSupported;
}

struct Operand {
  const void* address;
  size_t bytes;

  template <typename Descriptor>
  Operand(const void* at, const Descriptor& of) : address(at), bytes(of.size() * bytes_of(of.type)) {}
};

void log(const char* call, int algorithm) {
  const char* const path = getenv("GRADSTEP_FAKE_CUDNN_LOG");
  std::FILE* const file = path == nullptr ? nullptr : std::fopen(path, "a");
  if (file == nullptr) return;
  std::fprintf(file, "%s %d\n", call, algorithm);
  std::fclose(file);
}

// Operands: x, w, y, of which one is the result, and what else is read.
template <typename Work>
DnnStatus run(const char* call, Product product, DnnHandle handle, const Convolution& c, int algorithm, void* scratch,
              size_t scratch_bytes, const std::vector<Operand>& operands, Work work) {
  const Offer* const offer = acceptable(product, algorithm);
  const bool math = c.by.math == DnnMath::kFma || c.by.math == DnnMath::kDefault || c.by.math == DnnMath::kTensorOps;
  if (!c.sound() || offer == nullptr || !math || scratch_bytes < offer->memory || machine == nullptr) {
    return kBadParameter;
  }
  for (const Operand& operand : operands) {
    if (!machine->on_device(operand.address, operand.bytes)) return kBadParameter;
  }
  if (!machine->on_device(scratch, offer->memory)) return kBadParameter;
  if (const DnnStatus status = refusal(call); status != DnnStatus::kSuccess) return status;
  log(call, algorithm);
  const Operand result = operands[product == kForward ? 2 : product == kData ? 0 : 1];
  std::vector<const void*> reads, writes{offer->memory == 0 ? nullptr : scratch, result.address};
  for (const Operand& operand : operands) reads.push_back(operand.address);
  return machine->enqueue(handle->stream, call, reads, writes, [=, bytes = offer->memory] {
    memset(scratch, 0xFF, bytes);
    work();
    machine->was_written(result.address, result.bytes);
  });
}

}  // namespace
}  // namespace gradstep::cuda

using namespace gradstep::cuda;

#define CALL extern "C" EXPORT DnnStatus
#define PLANNED(call) \
  if (const DnnStatus status = planned(call); status != DnnStatus::kSuccess) return status

extern "C" EXPORT void fake_cudnn_attach(const FakeCudnnMachine* given) { machine = given; }

extern "C" EXPORT size_t cudnnGetVersion() { return 92801; }
extern "C" EXPORT const char* cudnnGetErrorString(DnnStatus status) {
  switch (static_cast<int>(status)) {
    case 2000:
      return "CUDNN_STATUS_BAD_PARAM";
    case 3000:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case 4004:
      return "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED";
    case 5000:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "an unknown status";
}

CALL cudnnCreate(DnnHandle* made) { return create("cudnnCreate", made); }
CALL cudnnDestroy(DnnHandle object) { return destroy("cudnnDestroy", object); }
CALL cudnnSetStream(DnnHandle handle, cudaStream_t stream) {
  PLANNED("cudnnSetStream");
  handle->stream = stream;
  return DnnStatus::kSuccess;
}

#define DESCRIPTOR(kind, type)                                                                              \
  CALL cudnnCreate##kind##Descriptor(type* made) { return create("cudnnCreate" #kind "Descriptor", made); } \
  CALL cudnnDestroy##kind##Descriptor(type object) { return destroy("cudnnDestroy" #kind "Descriptor", object); }
DESCRIPTOR(Tensor, DnnTensor)
DESCRIPTOR(Filter, DnnFilter)
DESCRIPTOR(Convolution, DnnConvolution)
DESCRIPTOR(Activation, DnnActivationOf)

CALL cudnnSetTensorNdDescriptor(DnnTensor tensor, DnnType type, int rank, const int* dims, const int* strides) {
  PLANNED("cudnnSetTensorNdDescriptor");
  if ((type != DnnType::kFloat && type != DnnType::kBfloat16) || rank < 4 || rank > 5) return kBadParameter;
  tensor->type = type;
  tensor->dims.assign(dims, dims + rank);
  tensor->strides.assign(strides, strides + rank);
  return DnnStatus::kSuccess;
}

CALL cudnnSetFilterNdDescriptor(DnnFilter filter, DnnType type, DnnFormat format, int rank, const int* dims) {
  PLANNED("cudnnSetFilterNdDescriptor");
  if ((type != DnnType::kFloat && type != DnnType::kBfloat16) || format != DnnFormat::kChannelsLast)
    return kBadParameter;
  if (rank < 4 || rank > 5) return kBadParameter;
  filter->type = type;
  filter->dims.assign(dims, dims + rank);
  return DnnStatus::kSuccess;
}

CALL cudnnSetConvolutionNdDescriptor(DnnConvolution convolution, int axes, const int* pad, const int* stride,
                                     const int* dilation, DnnMode mode, DnnType type) {
  PLANNED("cudnnSetConvolutionNdDescriptor");
  if (type != DnnType::kFloat || mode != DnnMode::kCrossCorrelation || axes < 2 || axes > 3) return kBadParameter;
  convolution->pad.assign(pad, pad + axes);
  convolution->stride.assign(stride, stride + axes);
  convolution->dilation.assign(dilation, dilation + axes);
  return DnnStatus::kSuccess;
}

CALL cudnnSetConvolutionGroupCount(DnnConvolution convolution, int groups) {
  PLANNED("cudnnSetConvolutionGroupCount");
  convolution->groups = groups;
  return DnnStatus::kSuccess;
}

CALL cudnnSetConvolutionMathType(DnnConvolution convolution, DnnMath math) {
  PLANNED("cudnnSetConvolutionMathType");
  convolution->math = math;
  return DnnStatus::kSuccess;
}

CALL cudnnSetActivationDescriptor(DnnActivationOf activation, DnnActivation of, DnnNan nan, double) {
  PLANNED("cudnnSetActivationDescriptor");
  activation->of = of;
  activation->propagates_nan = nan == DnnNan::kPropagate;
  return DnnStatus::kSuccess;
}

CALL cudnnGetConvolutionForwardAlgorithm_v7(DnnHandle, DnnTensor x, DnnFilter w, DnnConvolution by, DnnTensor y,
                                            int most, int* count, DnnAlgorithm* found) {
  return propose("cudnnGetConvolutionForwardAlgorithm_v7", kForward, {*x, *y, *w, *by}, most, count, found);
}
CALL cudnnGetConvolutionBackwardDataAlgorithm_v7(DnnHandle, DnnFilter w, DnnTensor dy, DnnConvolution by, DnnTensor dx,
                                                 int most, int* count, DnnAlgorithm* found) {
  return propose("cudnnGetConvolutionBackwardDataAlgorithm_v7", kData, {*dx, *dy, *w, *by}, most, count, found);
}
CALL cudnnGetConvolutionBackwardFilterAlgorithm_v7(DnnHandle, DnnTensor x, DnnTensor dy, DnnConvolution by,
                                                   DnnFilter dw, int most, int* count, DnnAlgorithm* found) {
  return propose("cudnnGetConvolutionBackwardFilterAlgorithm_v7", kFilter, {*x, *dy, *dw, *by}, most, count, found);
}

CALL cudnnGetConvolutionForwardWorkspaceSize(DnnHandle, DnnTensor x, DnnFilter w, DnnConvolution by, DnnTensor y,
                                             int algorithm, size_t* bytes) {
  return workspace("cudnnGetConvolutionForwardWorkspaceSize", kForward, {*x, *y, *w, *by}, algorithm, bytes);
}
CALL cudnnGetConvolutionBackwardDataWorkspaceSize(DnnHandle, DnnFilter w, DnnTensor dy, DnnConvolution by, DnnTensor dx,
                                                  int algorithm, size_t* bytes) {
  return workspace("cudnnGetConvolutionBackwardDataWorkspaceSize", kData, {*dx, *dy, *w, *by}, algorithm, bytes);
}
CALL cudnnGetConvolutionBackwardFilterWorkspaceSize(DnnHandle, DnnTensor x, DnnTensor dy, DnnConvolution by,
                                                    DnnFilter dw, int algorithm, size_t* bytes) {
  return workspace("cudnnGetConvolutionBackwardFilterWorkspaceSize", kFilter, {*x, *dy, *dw, *by}, algorithm, bytes);
}

namespace {

float value(const void* scalar) { return *static_cast<const float*>(scalar); }

// y = act(conv(x, w) + bias), bias and activation where there are some.
DnnStatus forward(const char* call, DnnHandle handle, const Convolution& c, const void* x, const void* w, int algorithm,
                  void* scratch, size_t bytes, const void* bias, bool relu, void* y) {
  std::vector<Operand> operands = {{x, c.x}, {w, c.w}, {y, c.y}};
  if (bias != nullptr) {
    cudnnTensorStruct of = c.y;
    of.dims = {1, c.y.dims[1]};
    operands.push_back({bias, of});
  }
  return run(call, kForward, handle, c, algorithm, scratch, bytes, operands, [=] {
    std::vector<double> sums(c.y.size());
    c.products([&](size_t i, size_t j, size_t k) { sums[k] += c.operand(x, i) * c.operand(w, j); });
    const size_t channels = static_cast<size_t>(c.y.dims[1]);
    for (size_t k = 0; k < sums.size(); k++) {
      if (bias != nullptr) sums[k] += static_cast<double>(number(c.y.type, bias, k % channels));
      if (relu && sums[k] < 0) sums[k] = 0;
    }
    store(sums, 0.f, c.y.type, y);
  });
}

}  // namespace

CALL cudnnConvolutionForward(DnnHandle handle, const void* alpha, DnnTensor x_of, const void* x, DnnFilter w_of,
                             const void* w, DnnConvolution by, int algorithm, void* scratch, size_t bytes,
                             const void* beta, DnnTensor y_of, void* y) {
  if (value(alpha) != 1.f || value(beta) != 0.f) return kBadParameter;
  return forward("cudnnConvolutionForward", handle, {*x_of, *y_of, *w_of, *by}, x, w, algorithm, scratch, bytes,
                 nullptr, false, y);
}

CALL cudnnConvolutionBiasActivationForward(DnnHandle handle, const void* alpha, DnnTensor x_of, const void* x,
                                           DnnFilter w_of, const void* w, DnnConvolution by, int algorithm,
                                           void* scratch, size_t bytes, const void* beta, DnnTensor z_of, const void* z,
                                           DnnTensor bias_of, const void* bias, DnnActivationOf activation,
                                           DnnTensor y_of, void* y) {
  std::vector<int> dims(y_of->dims.size(), 1);
  dims[1] = y_of->dims[1];
  if (value(alpha) != 1.f || value(beta) != 0.f || z != y || z_of->dims != y_of->dims || bias == nullptr ||
      bias_of->dims != dims || bias_of->type != y_of->type || !activation->propagates_nan) {
    return kBadParameter;
  }
  if (algorithm != 1) return kNotSupported;  // as far as there is no relu
  return forward("cudnnConvolutionBiasActivationForward", handle, {*x_of, *y_of, *w_of, *by}, x, w, algorithm, scratch,
                 bytes, bias, activation->of == DnnActivation::kRelu, y);
}

CALL cudnnConvolutionBackwardData(DnnHandle handle, const void* alpha, DnnFilter w_of, const void* w, DnnTensor dy_of,
                                  const void* dy, DnnConvolution by, int algorithm, void* scratch, size_t bytes,
                                  const void* beta, DnnTensor dx_of, void* dx) {
  if (value(alpha) != 1.f) return kBadParameter;
  const Convolution c{*dx_of, *dy_of, *w_of, *by};
  const std::vector<Operand> operands = {{dx, c.x}, {w, c.w}, {dy, c.y}};
  const float factor = value(beta);
  return run("cudnnConvolutionBackwardData", kData, handle, c, algorithm, scratch, bytes, operands, [=] {
    std::vector<double> sums(c.x.size());
    c.products([&](size_t i, size_t j, size_t k) { sums[i] += c.operand(dy, k) * c.operand(w, j); });
    store(sums, factor, c.x.type, dx);
  });
}

CALL cudnnConvolutionBackwardFilter(DnnHandle handle, const void* alpha, DnnTensor x_of, const void* x, DnnTensor dy_of,
                                    const void* dy, DnnConvolution by, int algorithm, void* scratch, size_t bytes,
                                    const void* beta, DnnFilter dw_of, void* dw) {
  if (value(alpha) != 1.f || value(beta) != 0.f) return kBadParameter;
  const Convolution c{*x_of, *dy_of, *dw_of, *by};
  const std::vector<Operand> operands = {{x, c.x}, {dw, c.w}, {dy, c.y}};
  return run("cudnnConvolutionBackwardFilter", kFilter, handle, c, algorithm, scratch, bytes, operands, [=] {
    std::vector<double> sums(c.w.size());
    c.products([&](size_t i, size_t j, size_t k) { sums[j] += c.operand(x, i) * c.operand(dy, k); });
    store(sums, 0.f, c.w.type, dw);
  });
}
