#include "cuda/cudnn.h"

#include <dlfcn.h>

#include <string>
#include <utility>

#include "cuda/check.h"

namespace gradstep::cuda {

std::unique_ptr<Cudnn> Cudnn::find() {
  void* const library = open_cudnn();
  if (library == nullptr) return nullptr;
  CudnnCalls calls;
#define GRADSTEP_FIND(name, ...)                                                      \
  calls.name = reinterpret_cast<decltype(calls.name)>(dlsym(library, "cudnn" #name)); \
  if (calls.name == nullptr) return nullptr;
  GRADSTEP_CUDNN(GRADSTEP_FIND)
#undef GRADSTEP_FIND
  if (calls.GetVersion() / 10000 != 9) return nullptr;
  std::unique_ptr<Cudnn> cudnn(new Cudnn(calls));
  const DnnStatus status = calls.Create(&cudnn->handle_);
  if (status == DnnStatus::kSuccess) return cudnn;
  // Out of memory may pass; what else fails here, such as a part of the library that is missing, will not.
  if (status == DnnStatus::kNoMemory || status == DnnStatus::kNoDeviceMemory) cudnn->check(status, "cudnnCreate");
  return nullptr;
}

Cudnn::~Cudnn() {
  if (handle_ != nullptr) calls_.Destroy(handle_);
}

void Cudnn::check(DnnStatus status, const char* call) const {
  if (status == DnnStatus::kSuccess) return;
  const std::string text = std::string(call) + " failed with " + calls_.GetErrorString(status);
  if (refuses(status)) throw Refusal(text);
  const bool memory = status == DnnStatus::kNoMemory || status == DnnStatus::kNoDeviceMemory;
  throw Error(memory ? "ERR_OOM" : "ERR_DEVICE_FAILED", text);
}

const Cudnn* CudnnOfSession::get() {
  if (!sought_) {
    found_ = Cudnn::find();
    sought_ = true;
  }
  return found_.get();
}

}  // namespace gradstep::cuda
