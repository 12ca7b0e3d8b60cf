// cuBLASLt as it is found when gradstep runs: the library is opened by name, so that a missing one is a sentence and
// not a plugin that does not load. Its functions have the names and types of <cublasLt.h>, without the prefix.
#pragma once

#include <cublasLt.h>

#include <string>

namespace gradstep::cuda {

struct CublasLt {
#define GRADSTEP_CUBLASLT(X)      \
  X(Create)                       \
  X(Destroy)                      \
  X(GetStatusString)              \
  X(GetVersion)                   \
  X(Matmul)                       \
  X(MatmulAlgoCheck)              \
  X(MatmulAlgoGetHeuristic)       \
  X(MatmulDescCreate)             \
  X(MatmulDescDestroy)            \
  X(MatmulDescSetAttribute)       \
  X(MatmulPreferenceCreate)       \
  X(MatmulPreferenceDestroy)      \
  X(MatmulPreferenceSetAttribute) \
  X(MatrixLayoutCreate)           \
  X(MatrixLayoutDestroy)          \
  X(MatrixLayoutSetAttribute)
#define GRADSTEP_DECLARE(name) decltype(&cublasLt##name) name = nullptr;
  GRADSTEP_CUBLASLT(GRADSTEP_DECLARE)
#undef GRADSTEP_DECLARE
  std::string problem;  // why it cannot be used; empty: it can

  // Opened at the first call, once a process.
  static const CublasLt& get();
};

}  // namespace gradstep::cuda
