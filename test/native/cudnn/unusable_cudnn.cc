// A libcudnn.so.9 that cannot be used: compiled as one of cuDNN 8 (FAKE_VERSION 8905), or as one of cuDNN 9 that lacks
// what native/cuda/cudnn.h looks for.
#include <cstddef>

extern "C" __attribute__((visibility("default"))) size_t cudnnGetVersion() { return FAKE_VERSION; }
