// What the stand-in for cuDNN needs of the emulated machine, which hands it over when it opens the library.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "cuda/cudnn.h"

struct FakeCudnnMachine {
  // What a call is to fail with; success: it does its work.
  gradstep::cuda::DnnStatus (*planned)(const char* call);
  void (*made)(const void* object);
  bool (*let_go)(const void* object);  // whether there was such an object
  bool (*on_device)(const void* address, size_t bytes);
  // As work on the stream, or recorded while it is captured; with what it reads and writes (null: nothing).
  gradstep::cuda::DnnStatus (*enqueue)(cudaStream_t stream, const char* call, const std::vector<const void*>& reads,
                                       const std::vector<const void*>& writes, std::function<void()> work);
  void (*was_written)(const void* address, size_t bytes);
};

extern "C" void fake_cudnn_attach(const FakeCudnnMachine* machine);
