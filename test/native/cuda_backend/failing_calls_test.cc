// Whatever call of CUDA fails, and however: the error says which, what memory ran out for can be tried again, and
// nothing is left behind.
#include <string>

#include "core/plugin.h"
#include "cuda/launch.h"
#include "emulated_machine.h"
#include "faults.h"
#include "harness.h"
#include "life.h"

namespace gradstep::test {
namespace {

using emulation::Fault;

struct Mode {
  cudaError_t error;
  Fault fault;
  std::string code;
};

// Calls that let something go. Nobody waits for their result: what they report is an earlier failure of the device.
bool lets_go(const std::string& call) {
  return call.find("Free") != std::string::npos || call.find("Destroy") != std::string::npos;
}

void expect_told(const Error& error, const Mode& mode) {
  EXPECT_EQUAL(error.code(), mode.code);
  const std::string call = emulation::failed_call(), text = error.what();
  if (mode.code == "ERR_OOM" && call == "cudaMalloc") {
    EXPECT(text.find("Out of GPU memory: ") == 0);
    EXPECT(text.find(" bytes") != std::string::npos);
    EXPECT_EQUAL(text.find(" are in use and ") != std::string::npos, mode.fault == Fault::kOnce);
  } else if (!lets_go(call)) {
    EXPECT(text.find(call + " failed with " + cudaGetErrorName(mode.error)) == 0);
  }
}

// Lives with its n-th call failing. What running out of memory interrupted is done again once there is memory.
void live(uint64_t n, const Mode& mode) {
  bool thrown = false;
  Life life(0);
  emulation::fail_call(n, mode.error, mode.fault);
  for (const LifeStep& step : life.steps()) {
    try {
      step.work();
    } catch (const Error& error) {
      EXPECT(!thrown);
      thrown = true;
      expect_told(error, mode);
      if (mode.code != "ERR_OOM" || step.runs) return;
      emulation::fail_no_call();
      life.go_on();
      step.work();
    }
  }
  const std::string call = emulation::failed_call();
  // A call that lets something go fails unheard; the next one does not, where there is one and it fails too.
  if (call.empty() || !lets_go(call) || mode.fault == Fault::kOnce)
    EXPECT_EQUAL(thrown, !call.empty() && !lets_go(call));
}

void live_with_every_call_failing(const Mode& mode) {
  const Setting pace("GRADSTEP_EMULATION_PACE", "1");  // steps are short: graphs of several are made
  for (uint64_t n = 1;; n++) {
    std::string why;
    try {
      live(n, mode);
    } catch (const Failure& failure) {
      why = failure.message;
    } catch (const Error& error) {
      why = std::string("threw ") + error.code() + " " + error.what();
    }
    const std::string call = emulation::failed_call();
    emulation::fail_no_call();
    if (why.empty()) why = emulation::alive();
    if (why.empty() && cudaPeekAtLastError() != cudaSuccess) why = "it is still the last error";
    cudaGetLastError();
    if (!why.empty()) fail(__FILE__, __LINE__, "call " + std::to_string(n) + ", " + call + ": " + why);
    if (call.empty()) {
      EXPECT(n > 100);  // the life is a whole one
      return;
    }
  }
}

}  // namespace

TEST(one_call_finds_no_memory) {
  const Setting persistent("GRADSTEP_CUDA_WAYS", "persistent");
  live_with_every_call_failing({cudaErrorMemoryAllocation, Fault::kOnce, "ERR_OOM"});
}

TEST(all_calls_find_no_memory_for_a_time) {
  const Setting persistent("GRADSTEP_CUDA_WAYS", "persistent");
  live_with_every_call_failing({cudaErrorMemoryAllocation, Fault::kFromThenOn, "ERR_OOM"});
}

TEST(one_call_fails) {
  const Setting persistent("GRADSTEP_CUDA_WAYS", "persistent");
  live_with_every_call_failing({cudaErrorUnknown, Fault::kOnce, "ERR_DEVICE_FAILED"});
}

TEST(one_call_fails_where_blocks_form_clusters) {
  const Setting cluster("GRADSTEP_CUDA_WAYS", "cluster");
  live_with_every_call_failing({cudaErrorUnknown, Fault::kOnce, "ERR_DEVICE_FAILED"});
}

TEST(the_device_breaks) {
  const Setting persistent("GRADSTEP_CUDA_WAYS", "persistent");
  live_with_every_call_failing({cudaErrorLaunchFailure, Fault::kFromThenOn, "ERR_DEVICE_FAILED"});
}

// Drivers differ in what they say of a cluster that a device cannot have.
TEST(clusters_that_a_device_cannot_have_are_none) {
  void (*const kernel)(int) = [](int) {};
  for (const cudaError_t error : {cudaErrorInvalidValue, cudaErrorInvalidConfiguration, cudaErrorLaunchOutOfResources,
                                  cudaErrorNotSupported, cudaErrorInvalidClusterSize}) {
    emulation::fail_call(1, error, Fault::kOnce);
    EXPECT_EQUAL(cuda::active_clusters(kernel, 4, dim3(256), 0), 0);
    EXPECT_EQUAL(emulation::failed_call(), "cudaOccupancyMaxActiveClusters");
    emulation::fail_no_call();
    EXPECT_EQUAL(cudaPeekAtLastError(), cudaSuccess);
  }
}

// Asking for devices never throws: what fails is why there are none.
TEST(asking_for_devices_fails) {
  for (uint64_t n = 1;; n++) {
    std::vector<DeviceInfo> found;
    std::string why;
    emulation::fail_call(n, cudaErrorUnknown, Fault::kFromThenOn);
    gradstep_plugin()->devices(found, why);
    const std::string call = emulation::failed_call();
    emulation::fail_no_call();
    EXPECT_EQUAL(cudaPeekAtLastError(), cudaSuccess);
    EXPECT_EQUAL(found.empty(), !call.empty());
    EXPECT_EQUAL(why.find("does not answer: cudaErrorUnknown, unknown error.") != std::string::npos, !call.empty());
    if (!call.empty()) continue;
    EXPECT(n > 3);
    return;
  }
}

}  // namespace gradstep::test

int main(int argc, char** argv) { return gradstep::test::run_tests(argc > 1 ? argv[1] : ""); }
