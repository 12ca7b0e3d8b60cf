#include "stand_ins.h"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "../harness.h"

namespace gradstep::cuda {

const FakeLibrary& library() {
  static const FakeLibrary found = [] {
    if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
    void* const handle = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_NOLOAD);
    FakeLibrary all{};
#define GRADSTEP_FIND(name) all.name = reinterpret_cast<decltype(all.name)>(dlsym(handle, "fake_cublaslt_" #name))
    GRADSTEP_FIND(propose);
    GRADSTEP_FIND(lack);
    GRADSTEP_FIND(round);
    GRADSTEP_FIND(version);
    GRADSTEP_FIND(launches);
    GRADSTEP_FIND(seconds);
    GRADSTEP_FIND(last);
    GRADSTEP_FIND(alive);
    GRADSTEP_FIND(fail);
    GRADSTEP_FIND(failed);
#undef GRADSTEP_FIND
    return all;
  }();
  return found;
}

void propose(const std::vector<FakeAlgorithm>& algorithms) {
  library().propose(algorithms.data(), static_cast<int>(algorithms.size()));
}

std::string fresh() {
  fake_device() = FakeDevice{};
  fake_device().seconds = library().seconds;
  library().version(130000);
  library().lack(-1);
  library().round(true);
  const char* const place = getenv("TMPDIR");
  std::string folder = std::string(place != nullptr ? place : "/tmp") + "/gradstep-choice-XXXXXX";
  EXPECT(mkdtemp(folder.data()) != nullptr);
  setenv("GRADSTEP_CACHE", folder.c_str(), 1);
  return folder;
}

std::string file_in(const std::string& folder) { return folder + "/cuda_algorithms.txt"; }

std::string contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string in_another_process(const std::string& folder, const std::string& text) {
  const std::string other = folder + "-later";
  mkdir(other.c_str(), 0700);
  write(file_in(other), text);
  setenv("GRADSTEP_CACHE", other.c_str(), 1);
  return other;
}

GemmShape layer(Epilogue epilogue) {
  const bool forward = epilogue == Epilogue::kRelu || epilogue == Epilogue::kGelu;
  GemmShape s{5, 40, 784, false, false, false, forward, epilogue};
  s.aux = forward;
  s.sums = !forward;
  return s;
}

Seen see(const GemmShape& s, bool deterministic) {
  const int before = library().launches();
  Choices choices(0, deterministic);
  const auto gemm = make_gemm(choices);
  Seen seen{gemm->supports(s), library().launches() - before, -1};
  if (!seen.supported) return seen;
  std::vector<char> workspace(gemm->workspace_bytes(s));
  const std::vector<float> a(static_cast<size_t>(s.m * s.k)), b(static_cast<size_t>(s.k * s.n)),
      bias(static_cast<size_t>(s.n));
  std::vector<float> c(static_cast<size_t>(s.m * s.n)), aux(static_cast<size_t>(s.m * s.n)), sums = bias;
  gemm->plan(s)(nullptr, a.data(), b.data(), bias.data(), c.data(), workspace.data(),
                s.has_aux() ? aux.data() : nullptr, sums.data());
  seen.algorithm = library().last();
  return seen;
}

}  // namespace gradstep::cuda
