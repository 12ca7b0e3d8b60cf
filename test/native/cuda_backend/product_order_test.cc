// Products in the order of streams (cuda_emulation/order.h): what one reads and writes counts, as what a copy does.
#include "cuda/choices.h"
#include "cuda/gemm.h"
#include "cuda/handles.h"
#include "harness.h"

namespace gradstep::test {

using cuda::DeviceMemory, cuda::OwnedEvent, cuda::OwnedStream, cuda::PinnedMemory;

namespace {

constexpr size_t kM = 2, kN = 3, kK = 5;

// Of c = a·b + bias.
struct Operands {
  DeviceMemory a{kM * kK * sizeof(float), "a"}, b{kK * kN * sizeof(float), "b"}, bias{kN * sizeof(float), "a bias"},
      c{kM * kN * sizeof(float), "c"};
};

enum class First { kCopy, kProduct };
enum class Second { kWaits, kDoesNotWait };

float* floats(const DeviceMemory& memory) { return reinterpret_cast<float*>(memory.data()); }

// A product on one stream, and on another a copy to an operand or from it.
void product_and_copy(DeviceMemory Operands::*operand, cudaMemcpyKind kind, First first, Second second) {
  cuda::Choices choices(0, true);
  const auto gemm = cuda::make_gemm(choices);
  cuda::GemmShape shape{};
  shape.m = kM;
  shape.n = kN;
  shape.k = kK;
  shape.bias = true;
  const auto product = gemm->plan(shape);
  const Operands operands;
  const DeviceMemory workspace(gemm->workspace_bytes(shape), "a workspace");
  const DeviceMemory& copied = operands.*operand;
  const PinnedMemory host(copied.bytes());
  const OwnedStream products = cuda::make_stream(), copies = cuda::make_stream();
  const OwnedEvent done = cuda::make_event();

  const auto multiply = [&] {
    product(products.get(), floats(operands.a), floats(operands.b), floats(operands.bias), floats(operands.c),
            workspace.data());
  };
  const auto copy = [&] {
    const bool to_device = kind == cudaMemcpyHostToDevice;
    void* const to = to_device ? static_cast<void*>(copied.data()) : host.data();
    const void* const from = to_device ? host.data() : copied.data();
    GRADSTEP_CUDA(cudaMemcpyAsync(to, from, copied.bytes(), kind, copies.get()));
  };
  const auto between = [&](const OwnedStream& before, const OwnedStream& after) {
    GRADSTEP_CUDA(cudaEventRecord(done.get(), before.get()));
    if (second == Second::kWaits) GRADSTEP_CUDA(cudaStreamWaitEvent(after.get(), done.get()));
  };
  if (first == First::kCopy) {
    copy();
    between(copies, products);
    multiply();
  } else {
    multiply();
    between(products, copies);
    copy();
  }
  GRADSTEP_CUDA(cudaStreamSynchronize(products.get()));
  GRADSTEP_CUDA(cudaStreamSynchronize(copies.get()));
}

constexpr DeviceMemory Operands::*kOperands[] = {&Operands::a, &Operands::b, &Operands::bias, &Operands::c};
constexpr DeviceMemory Operands::*kRead[] = {&Operands::a, &Operands::b, &Operands::bias};

}  // namespace

TEST(a_copy_to_an_operand_and_a_product_are_ordered) {
  for (const auto operand : kOperands) {
    product_and_copy(operand, cudaMemcpyHostToDevice, First::kCopy, Second::kWaits);
    product_and_copy(operand, cudaMemcpyHostToDevice, First::kProduct, Second::kWaits);
    EXPECT_ERROR(
        "ERR_DEVICE_FAILED", product_and_copy(operand, cudaMemcpyHostToDevice, First::kCopy, Second::kDoesNotWait),
        "a product used a device allocation of", "that another stream wrote, and nothing says which comes first");
  }
  for (const auto operand : kRead) {
    EXPECT_ERROR("ERR_DEVICE_FAILED",
                 product_and_copy(operand, cudaMemcpyHostToDevice, First::kProduct, Second::kDoesNotWait),
                 "a copy to the device wrote a device allocation of", "that another stream read, and nothing says");
  }
  EXPECT_ERROR("ERR_DEVICE_FAILED",
               product_and_copy(&Operands::c, cudaMemcpyHostToDevice, First::kProduct, Second::kDoesNotWait),
               "a copy to the device used a device allocation of", "that another stream wrote, and nothing says");
}

TEST(a_copy_of_a_product_waits_for_it_and_the_next_product_for_the_copy) {
  product_and_copy(&Operands::c, cudaMemcpyDeviceToHost, First::kCopy, Second::kWaits);
  product_and_copy(&Operands::c, cudaMemcpyDeviceToHost, First::kProduct, Second::kWaits);
  EXPECT_ERROR("ERR_DEVICE_FAILED",
               product_and_copy(&Operands::c, cudaMemcpyDeviceToHost, First::kCopy, Second::kDoesNotWait),
               "a product wrote a device allocation of", "that another stream read, and nothing says");
  EXPECT_ERROR("ERR_DEVICE_FAILED",
               product_and_copy(&Operands::c, cudaMemcpyDeviceToHost, First::kProduct, Second::kDoesNotWait),
               "a copy from the device used a device allocation of", "that another stream wrote, and nothing says");
}

TEST(what_is_read_twice_needs_no_order) {
  for (const auto operand : kRead) {
    product_and_copy(operand, cudaMemcpyDeviceToHost, First::kCopy, Second::kDoesNotWait);
    product_and_copy(operand, cudaMemcpyDeviceToHost, First::kProduct, Second::kDoesNotWait);
  }
}

}  // namespace gradstep::test
