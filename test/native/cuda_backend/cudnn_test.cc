// Convolutions on the stand-in for cuDNN, whatever call of it fails: the error says which, and nothing is left behind.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/verify.h"
#include "cuda/backend.h"
#include "emulated_machine.h"
#include "faults.h"
#include "harness.h"
#include "program_builder.h"

namespace gradstep::test {
namespace {

constexpr int32_t kSize = 6, kIn = 2, kOut = 3, kLeft = kSize - 2;
// Persistent memory.
constexpr uint64_t kX = 0, kW = 512, kBias = 1024, kY = 1088, kDw = 2048, kDx = 2560, kPersistent = 4096;

constexpr const char* kWays = "cudnn:implicit_precomp_gemm+bias,cudnn:data_1,cudnn:filter_1";

Tensor floats(uint64_t offset, const std::vector<int32_t>& dims) {
  return tensor(Region::kPersistent, DType::kFloat32, offset, dims);
}

// y = conv(x, w) + bias, and both gradients for dy = y.
Program convolution() {
  const Tensor x = floats(kX, {1, kSize, kSize, kIn}), w = floats(kW, {3, 3, kIn, kOut});
  const Tensor y = floats(kY, {1, kLeft, kLeft, kOut});
  const auto once = [](auto args) {
    args.stride_d = args.stride_h = args.stride_w = 1;
    args.dilation_d = args.dilation_h = args.dilation_w = 1;
    args.groups = 1;
    return args;
  };
  ConvArgs forward = once(ConvArgs{});
  forward.x = x;
  forward.w = w;
  forward.bias = floats(kBias, {kOut});
  forward.y = y;
  ConvDxArgs by_x = once(ConvDxArgs{});
  by_x.dy = y;
  by_x.w = w;
  by_x.dx = floats(kDx, {1, kSize, kSize, kIn});
  by_x.shape = {4, {1, kSize, kSize, kIn}};
  ConvDwArgs by_w = once(ConvDwArgs{});
  by_w.x = x;
  by_w.dy = y;
  by_w.dw = floats(kDw, {3, 3, kIn, kOut});
  by_w.shape = {4, {3, 3, kIn, kOut}};
  ProgramBuilder builder;
  builder.persistent_bytes = kPersistent;
  builder.scratch_bytes = 0;
  Program program = builder.add(forward, "forward").add(by_x, "by x").add(by_w, "by w").program();
  verify(program);
  return program;
}

// Every x is 1/2, every w 1/4, every bias 1: each y is 18 / 8 + 1, and w touches 16 of them.
void live() {
  cuda::CudaBackend backend(0, false);
  backend.reserve(kPersistent);
  const auto write = [&](uint64_t offset, size_t count, float value) {
    const std::vector<float> values(count, value);
    backend.write({Region::kPersistent, -1, offset, count * sizeof(float)}, values.data());
  };
  write(kX, kSize * kSize * kIn, 0.5f);
  write(kW, 9 * kIn * kOut, 0.25f);
  write(kBias, kOut, 1.f);
  const int entry = backend.load(convolution());
  backend.run(entry, 2, {nullptr, 0});
  const auto first = [&](uint64_t offset) {
    float value = 0;
    backend.read({Region::kPersistent, -1, offset, sizeof value}, &value);
    return value;
  };
  EXPECT_EQUAL(first(kY), 3.25f);
  EXPECT_EQUAL(first(kDx), 3 * 3.25f / 4);  // a corner: one window, three filters
  EXPECT_EQUAL(first(kDw), 16 * 3.25f / 2);
}

void live_with_every_call_failing(cudaError_t error, const std::string& code) {
  const Setting library("GRADSTEP_EMULATION_CUDNN", GRADSTEP_FAKE_CUDNN), ways("GRADSTEP_CUDA_WAYS", kWays);
  int calls_of_cudnn = 0;
  for (uint64_t n = 1;; n++) {
    std::string told;
    emulation::fail_call(n, error, emulation::Fault::kOnce);
    try {
      live();
    } catch (const Error& thrown) {
      told = std::string(thrown.code()) + " " + thrown.what();
    }
    const std::string call = emulation::failed_call();
    emulation::fail_no_call();
    cudaGetLastError();
    EXPECT_EQUAL(emulation::alive(), "");
    if (call.empty()) {
      EXPECT_EQUAL(told, "");
      EXPECT(calls_of_cudnn > 60);
      return;
    }
    if (call.compare(0, 5, "cudnn") != 0) continue;
    calls_of_cudnn++;
    const bool does_without = call == "cudnnCreate" && code == "ERR_DEVICE_FAILED";
    const bool lets_go = call.find("Destroy") != std::string::npos;
    const std::string expected = does_without || lets_go ? "" : code + " " + call + " failed with CUDNN_STATUS_";
    EXPECT_EQUAL(told.substr(0, expected.size()), expected);
    EXPECT_EQUAL(told.empty(), expected.empty());
  }
}

}  // namespace

TEST(one_call_of_cudnn_finds_no_memory) { live_with_every_call_failing(cudaErrorMemoryAllocation, "ERR_OOM"); }

TEST(one_call_of_cudnn_fails) { live_with_every_call_failing(cudaErrorUnknown, "ERR_DEVICE_FAILED"); }

}  // namespace gradstep::test
