// A libcublasLt.so.13 that lacks what native/cuda/cublaslt.h looks for.
#include <cstddef>

extern "C" size_t cublasLtGetVersion() { return 0; }
