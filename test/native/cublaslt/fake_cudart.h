// What the tests may ask of the stand-in for CUDA's runtime: a machine of one GPU whose memory is the host's, on which
// nothing takes time but what the stand-in for cuBLASLt says.
#pragma once

#include <cstddef>
#include <string>

namespace gradstep::cuda {

struct FakeDevice {
  std::string name = "NVIDIA Stand-in";
  int major = 9, minor = 0, multiprocessors = 132, driver = 13000;
  bool has_memory = true;
  double (*seconds)() = nullptr;  // that launches took so far
  double slow_seconds = 0;        // of its work that take five times as long, as the device was idle before
  bool is_capturing = false;
  int alive = 0;  // what was handed out and not given back
};

FakeDevice& fake_device();

}  // namespace gradstep::cuda
