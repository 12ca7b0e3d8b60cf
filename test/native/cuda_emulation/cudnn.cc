// The emulated machine's cuDNN: the stand-in that GRADSTEP_EMULATION_CUDNN names (test/native/cudnn). Its calls can be
// made to fail as those of CUDA (faults.h), and what it hands out is registered with theirs.
#include "cuda/cudnn.h"

#include <dlfcn.h>

#include <string>

#include "../cudnn/fake_cudnn.h"
#include "calls.h"
#include "device_memory.h"
#include "machine.h"
#include "races.h"

namespace gradstep::cuda {
namespace {

DnnStatus status_of(cudaError_t error) {
  constexpr DnnStatus kExecutionFailed = static_cast<DnnStatus>(5000);
  return error == cudaSuccess                 ? DnnStatus::kSuccess
         : error == cudaErrorMemoryAllocation ? DnnStatus::kNoDeviceMemory
                                              : kExecutionFailed;
}

constexpr FakeCudnnMachine kMachine = {
    [](const char* call) { return status_of(emulation::planned_failure(call)); },
    [](const void* object) { emulation::add_object(emulation::Kind::kCudnn, object); },
    [](const void* object) { return emulation::remove_object(emulation::Kind::kCudnn, object); },
    [](const void* address, size_t bytes) {
      return bytes == 0 || emulation::device_of(address, bytes) == emulation::this_thread().device;
    },
    [](cudaStream_t stream, const char* call, const std::vector<const void*>& reads,
       const std::vector<const void*>& writes, std::function<void()> work) {
      const DnnStatus status = status_of(emulation::enqueue(stream, reads, writes, std::move(work), call));
      if (status != DnnStatus::kSuccess) cudaGetLastError();  // it is told by the library's status alone
      return status;
    },
    emulation::was_written,
};

}  // namespace

void* open_cudnn() {
  const std::string path = emulation::cudnn_library();
  void* const library = path.empty() ? nullptr : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  const auto attach = reinterpret_cast<decltype(&fake_cudnn_attach)>(dlsym(library, "fake_cudnn_attach"));
  if (attach != nullptr) attach(&kMachine);
  return library;
}

}  // namespace gradstep::cuda
