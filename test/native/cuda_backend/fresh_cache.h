// An empty folder for what is remembered of measurements, and measuring allowed, while a test runs.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "emulated_machine.h"

namespace gradstep::test {

class FreshCache {
 public:
  FreshCache() : folder_(make_folder()), cache_("GRADSTEP_CACHE", folder_), ways_("GRADSTEP_CUDA_WAYS", "") {}

  // What the file holds; empty where there is none.
  std::string contents() const {
    std::ostringstream text;
    text << std::ifstream(folder_ + "/cuda_algorithms.txt").rdbuf();
    return text.str();
  }

 private:
  static std::string make_folder() {
    const char* const place = getenv("TMPDIR");
    std::string folder = std::string(place != nullptr ? place : "/tmp") + "/gradstep-cache-XXXXXX";
    return mkdtemp(folder.data()) != nullptr ? folder : "";
  }

  const std::string folder_;
  const Setting cache_, ways_;
};

}  // namespace gradstep::test
