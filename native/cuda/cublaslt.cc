#include "cuda/cublaslt.h"

#include <dlfcn.h>

namespace gradstep::cuda {
namespace {

// Where the dynamic linker looks, then where NVIDIA's installer puts it.
constexpr const char* kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.13",
                                  "/usr/local/cuda/lib64/libcublasLt.so.12"};

CublasLt open() {
  CublasLt lt;
  void* library = nullptr;
  const char* found = nullptr;
  for (const char* name : kNames) {
    if (library != nullptr) break;
    library = dlopen(found = name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    lt.problem =
        "cuBLAS was not found (libcublasLt.so.13 or .12): install CUDA's cuBLAS package, or add the folder that "
        "holds it to LD_LIBRARY_PATH.";
    return lt;
  }
#define GRADSTEP_FIND(name)                                                        \
  lt.name = reinterpret_cast<decltype(lt.name)>(dlsym(library, "cublasLt" #name)); \
  if (lt.name == nullptr)                                                          \
    lt.problem =                                                                   \
        std::string("The cuBLAS that was found (") + found + ") has no cublasLt" #name ": install a later one.";
  GRADSTEP_CUBLASLT(GRADSTEP_FIND)
#undef GRADSTEP_FIND
  return lt;
}

}  // namespace

const CublasLt& CublasLt::get() {
  static const CublasLt& lt = *new CublasLt(open());  // a device's thread may outlive main
  return lt;
}

}  // namespace gradstep::cuda
