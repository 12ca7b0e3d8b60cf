#include <dlfcn.h>

#include "cuda/cudnn.h"

namespace gradstep::cuda {

// Where the dynamic linker looks, then where NVIDIA's archives are unpacked.
void* open_cudnn() {
  for (const char* name : {"libcudnn.so.9", "/usr/local/cuda/lib64/libcudnn.so.9"}) {
    if (void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

}  // namespace gradstep::cuda
