#include "cuda/cudnn_conv.h"

#include <algorithm>

namespace gradstep::cuda {
namespace {

constexpr size_t kMostWorkspace = size_t{128} << 20;
constexpr size_t kMostProposals = 3;
constexpr int kMostAsked = 16;  // each algorithm may be there once for each kind of math

constexpr int kAddsBias = 1;  // the forward algorithm whose epilogue may be a bias alone

const char* const kForwardNames[] = {"implicit_gemm", "implicit_precomp_gemm", "gemm", "direct", "fft", "fft_tiling",
                                     "winograd",      "winograd_nonfused"};
const char* const kDataNames[] = {"data_0",          "data_1",        "data_fft",
                                  "data_fft_tiling", "data_winograd", "data_winograd_nonfused"};
const char* const kFilterNames[] = {"filter_0",         "filter_1",        "filter_fft",
                                    "filter_3",         "filter_winograd", "filter_winograd_nonfused",
                                    "filter_fft_tiling"};

template <size_t kCount>
std::string name_in(const char* const (&names)[kCount], int algorithm) {
  const bool known = algorithm >= 0 && static_cast<size_t>(algorithm) < kCount;
  return known ? names[algorithm] : std::to_string(algorithm);
}

template <typename T>
auto make(const Cudnn& cudnn, DnnStatus (*create)(T*), DnnStatus (*destroy)(T), const char* call) {
  T made = nullptr;
  cudnn.check(create(&made), call);
  return std::unique_ptr<std::remove_pointer_t<T>, DnnStatus (*)(T)>(made, destroy);
}

#define GRADSTEP_MAKE(kind) make(cudnn, cudnn->Create##kind, cudnn->Destroy##kind, "cudnnCreate" #kind)
#define GRADSTEP_DNN(name, ...) cudnn_.check(cudnn_->name(__VA_ARGS__), "cudnn" #name)

constexpr float kOne = 1.f, kZero = 0.f;

}  // namespace

DnnConv::DnnConv(const Cudnn& cudnn, const DnnConvShape& shape, DnnProduct product)
    : cudnn_(cudnn),
      shape_(shape),
      product_(product),
      x_(GRADSTEP_MAKE(TensorDescriptor)),
      y_(GRADSTEP_MAKE(TensorDescriptor)),
      bias_(GRADSTEP_MAKE(TensorDescriptor)),
      w_(GRADSTEP_MAKE(FilterDescriptor)),
      convolution_(GRADSTEP_MAKE(ConvolutionDescriptor)),
      activation_(GRADSTEP_MAKE(ActivationDescriptor)) {}

std::shared_ptr<const DnnConv> DnnConv::describe(const Cudnn& cudnn, const DnnConvShape& shape, DnnProduct product) {
  const std::shared_ptr<DnnConv> conv(new DnnConv(cudnn, shape, product));
  return conv->set() && conv->propose() ? conv : nullptr;
}

bool DnnConv::set() const {
  const DnnConvShape& s = shape_;
  const DnnType stored = s.narrow ? DnnType::kBfloat16 : DnnType::kFloat;
  bool refused = false;
  const auto tell = [&](DnnStatus status, const char* call) {
    if (!refuses(status)) cudnn_.check(status, call);
    refused = refused || refuses(status);
  };
#define GRADSTEP_TELL(name, ...) tell(cudnn_->name(__VA_ARGS__), "cudnn" #name)
  // Dimensions are images, channels, axes, in whatever order they lie: that the distances say.
  const auto tensor = [&](DnnTensor to, int images, int channels, const int* sizes) {
    int dims[5] = {images, channels}, distances[5];
    std::copy(sizes, sizes + s.axes, dims + 2);
    int distance = channels;
    for (int i = s.axes + 1; i >= 2; i--) {
      distances[i] = distance;
      distance *= dims[i];
    }
    distances[1] = 1;
    distances[0] = distance;
    GRADSTEP_TELL(SetTensorNdDescriptor, to, stored, s.axes + 2, dims, distances);
  };
  constexpr int kOnes[3] = {1, 1, 1};
  tensor(x_.get(), s.n, s.c, s.in);
  tensor(y_.get(), s.n, s.k, s.out);
  tensor(bias_.get(), 1, s.k, kOnes);
  int kernel[5] = {s.k, s.c / s.groups};
  std::copy(s.kernel, s.kernel + s.axes, kernel + 2);
  GRADSTEP_TELL(SetFilterNdDescriptor, w_.get(), stored, DnnFormat::kChannelsLast, s.axes + 2, kernel);
  GRADSTEP_TELL(SetConvolutionNdDescriptor, convolution_.get(), s.axes, s.pad, s.stride, s.dilation,
                DnnMode::kCrossCorrelation, DnnType::kFloat);
  GRADSTEP_TELL(SetConvolutionGroupCount, convolution_.get(), s.groups);
  GRADSTEP_TELL(SetConvolutionMathType, convolution_.get(),
                s.precision == Precision::kFloat32 ? DnnMath::kFma
                : s.narrow                         ? DnnMath::kTensorOps
                                                   : DnnMath::kDefault);
  GRADSTEP_TELL(SetActivationDescriptor, activation_.get(), s.relu ? DnnActivation::kRelu : DnnActivation::kIdentity,
                DnnNan::kPropagate, 0.0);
#undef GRADSTEP_TELL
  return !refused;
}

template <typename A, typename B, typename C>
bool DnnConv::propose_for(DnnStatus (*algorithms)(DnnHandle, A, B, DnnConvolution, C, int, int*, DnnAlgorithm*),
                          const char* algorithms_name,
                          DnnStatus (*workspace)(DnnHandle, A, B, DnnConvolution, C, int, size_t*),
                          const char* workspace_name, A a, B b, C result) {
  DnnAlgorithm found[kMostAsked];
  int count = 0;
  DnnStatus status = algorithms(cudnn_.handle(), a, b, convolution_.get(), result, kMostAsked, &count, found);
  if (refuses(status)) return false;
  cudnn_.check(status, algorithms_name);
  for (const DnnAlgorithm* each = found; each < found + count && proposals_.size() < kMostProposals; each++) {
    if (each->status != DnnStatus::kSuccess || each->deterministic == 0) continue;
    // Converting operands to half precision loses what is large.
    const bool exact = shape_.precision == Precision::kFloat32;
    if (!exact && each->math == DnnMath::kConverting) continue;
    const auto same = [&](const DnnProposal& other) { return other.algorithm == each->algorithm; };
    if (std::any_of(proposals_.begin(), proposals_.end(), same)) continue;
    DnnProposal proposal{each->algorithm, exact ? DnnMath::kFma : each->math, 0};
    GRADSTEP_DNN(SetConvolutionMathType, convolution_.get(), proposal.math);
    status =
        workspace(cudnn_.handle(), a, b, convolution_.get(), result, proposal.algorithm, &proposal.workspace_bytes);
    if (refuses(status)) continue;
    cudnn_.check(status, workspace_name);
    if (proposal.workspace_bytes <= kMostWorkspace) proposals_.push_back(proposal);
  }
  return !proposals_.empty();
}

bool DnnConv::propose() {
#define GRADSTEP_PROPOSE(kind, ...)                                                                   \
  propose_for(cudnn_->GetConvolution##kind##Algorithm_v7, "cudnnGetConvolution" #kind "Algorithm_v7", \
              cudnn_->GetConvolution##kind##WorkspaceSize, "cudnnGetConvolution" #kind "WorkspaceSize", __VA_ARGS__)
  switch (product_) {
    case DnnProduct::kForward:
      return GRADSTEP_PROPOSE(Forward, x_.get(), w_.get(), y_.get());
    case DnnProduct::kData:
      return GRADSTEP_PROPOSE(BackwardData, w_.get(), y_.get(), x_.get());
    case DnnProduct::kFilter:
      return GRADSTEP_PROPOSE(BackwardFilter, x_.get(), y_.get(), w_.get());
  }
#undef GRADSTEP_PROPOSE
  return false;
}

std::string DnnConv::name_of(const DnnProposal& proposal) const {
  return "cudnn:" + (product_ == DnnProduct::kForward ? name_in(kForwardNames, proposal.algorithm)
                     : product_ == DnnProduct::kData  ? name_in(kDataNames, proposal.algorithm)
                                                      : name_in(kFilterNames, proposal.algorithm));
}

bool DnnConv::adds_bias(const DnnProposal& proposal) const { return proposal.algorithm == kAddsBias; }

void DnnConv::begin(cudaStream_t stream, const DnnProposal& by) const {
  GRADSTEP_DNN(SetStream, cudnn_.handle(), stream);
  GRADSTEP_DNN(SetConvolutionMathType, convolution_.get(), by.math);
}

void DnnConv::forward(cudaStream_t stream, const DnnProposal& by, const void* x, const void* w, void* workspace,
                      void* y) const {
  begin(stream, by);
  GRADSTEP_DNN(ConvolutionForward, cudnn_.handle(), &kOne, x_.get(), x, w_.get(), w, convolution_.get(), by.algorithm,
               workspace, by.workspace_bytes, &kZero, y_.get(), y);
}

void DnnConv::forward_with_bias(cudaStream_t stream, const DnnProposal& by, const void* x, const void* w,
                                const void* bias, void* workspace, void* y) const {
  begin(stream, by);
  // y stands in for what the library could add besides, times 0.
  GRADSTEP_DNN(ConvolutionBiasActivationForward, cudnn_.handle(), &kOne, x_.get(), x, w_.get(), w, convolution_.get(),
               by.algorithm, workspace, by.workspace_bytes, &kZero, y_.get(), y, bias_.get(), bias, activation_.get(),
               y_.get(), y);
}

void DnnConv::data(cudaStream_t stream, const DnnProposal& by, const void* w, const void* dy, void* workspace,
                   bool accumulate, void* dx) const {
  begin(stream, by);
  GRADSTEP_DNN(ConvolutionBackwardData, cudnn_.handle(), &kOne, w_.get(), w, y_.get(), dy, convolution_.get(),
               by.algorithm, workspace, by.workspace_bytes, accumulate ? &kOne : &kZero, x_.get(), dx);
}

void DnnConv::filter(cudaStream_t stream, const DnnProposal& by, const void* x, const void* dy, void* workspace,
                     void* dw) const {
  begin(stream, by);
  GRADSTEP_DNN(ConvolutionBackwardFilter, cudnn_.handle(), &kOne, x_.get(), x, y_.get(), dy, convolution_.get(),
               by.algorithm, workspace, by.workspace_bytes, &kZero, w_.get(), dw);
}

}  // namespace gradstep::cuda
