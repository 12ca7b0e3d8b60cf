// Says which cuDNN native/cuda/cudnn.cc finds where it looks on a user's machine: its version, or none.
#include <cstdio>
#include <string>

#include "cuda/cudnn.h"

int main() {
  const auto cudnn = gradstep::cuda::Cudnn::find();
  std::printf("%s\n", cudnn ? std::to_string(cudnn->version()).c_str() : "none");
}
