// Two devices: backends that take turns on one thread, each finding the other's device current, and what the emulation
// says where CUDA would refuse.
#include "cuda/handles.h"
#include "cuda/launch.h"
#include "emulated_machine.h"
#include "faults.h"
#include "harness.h"
#include "life.h"

namespace gradstep::test {

using cuda::DeviceMemory, cuda::OwnedEvent, cuda::OwnedStream;

namespace {

__global__ void set_to_one(float* x) { *x = 1.f; }

}  // namespace

TEST(two_lives_take_turns) {
  const Setting two("GRADSTEP_EMULATION_DEVICES", "2");
  {
    Life first(0), second(1);
    const std::vector<LifeStep> a = first.steps(), b = second.steps();
    for (size_t i = 0; i < a.size(); i++) {
      a[i].work();
      b[i].work();
    }
  }
  EXPECT_EQUAL(emulation::alive(), "");
}

TEST(memory_belongs_to_its_device) {
  const Setting two("GRADSTEP_EMULATION_DEVICES", "2"), limit("GRADSTEP_EMULATION_MEMORY", "1000");
  size_t free = 0, total = 0;
  GRADSTEP_CUDA(cudaSetDevice(1));
  const DeviceMemory memory(600, "a test");
  EXPECT_ERROR("ERR_OOM", DeviceMemory(600, "another"),
               "another needs 600 bytes, 600 of 1000 are in use and 400 are free");
  GRADSTEP_CUDA(cudaSetDevice(0));
  GRADSTEP_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT_EQUAL(free, 1000u);
  const DeviceMemory here(600, "a test");
  EXPECT_ERROR("ERR_DEVICE_FAILED",
               GRADSTEP_CUDA(cudaMemcpy(here.data(), memory.data(), 600, cudaMemcpyDeviceToDevice)),
               "cudaMemcpy failed with cudaErrorInvalidValue");
}

TEST(kernels_reach_the_memory_of_their_device_only) {
  const Setting two("GRADSTEP_EMULATION_DEVICES", "2");
  GRADSTEP_CUDA(cudaSetDevice(1));
  const DeviceMemory memory(sizeof(float), "a test");
  float* const x = reinterpret_cast<float*>(memory.data());
  const OwnedStream stream = cuda::make_stream();
  GRADSTEP_CUDA(cudaSetDevice(0));
  const OwnedStream other = cuda::make_stream();
  cuda::launch(other.get(), set_to_one, dim3(1), dim3(1), x);
  EXPECT_ERROR("ERR_DEVICE_FAILED", GRADSTEP_CUDA(cudaStreamSynchronize(other.get())), "cudaErrorLaunchFailure",
               "reached 0 bytes into a device allocation of 4 bytes on device 1");
  EXPECT_ERROR("ERR_DEVICE_FAILED", cuda::launch(stream.get(), set_to_one, dim3(1), dim3(1), x),
               "cudaErrorInvalidResourceHandle", "the stream is one of device 1, and device 0 is current");
  GRADSTEP_CUDA(cudaSetDevice(1));
  cuda::launch(stream.get(), set_to_one, dim3(1), dim3(1), x);
  float value = 0;
  GRADSTEP_CUDA(cudaMemcpy(&value, x, sizeof value, cudaMemcpyDeviceToHost));
  EXPECT_EQUAL(value, 1.f);
  GRADSTEP_CUDA(cudaSetDevice(0));
}

TEST(streams_and_events_belong_to_their_device) {
  const Setting two("GRADSTEP_EMULATION_DEVICES", "2");
  GRADSTEP_CUDA(cudaSetDevice(1));
  const OwnedStream stream = cuda::make_stream();
  GRADSTEP_CUDA(cudaSetDevice(0));
  const OwnedEvent event = cuda::make_event();
  EXPECT_ERROR("ERR_DEVICE_FAILED", GRADSTEP_CUDA(cudaEventRecord(event.get(), stream.get())), "cudaEventRecord",
               "cudaErrorInvalidResourceHandle", "the event is one of device 0, and the stream of device 1");
  const auto nothing = [] {};
  EXPECT_ERROR("ERR_DEVICE_FAILED", cuda::check(emulation::enqueue(stream.get(), {}, {}, nothing), "gemm"),
               "cudaErrorInvalidResourceHandle", "the stream is one of device 1, and device 0 is current");
  EXPECT_ERROR("ERR_DEVICE_FAILED", GRADSTEP_CUDA(cudaSetDevice(2)), "cudaSetDevice", "cudaErrorInvalidDevice");
}

}  // namespace gradstep::test
