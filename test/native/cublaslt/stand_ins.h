// What the tests of choices share: the stand-ins for cuBLASLt and for CUDA's runtime, a fresh machine with an empty
// file of choices, and dense layers whose epilogues an algorithm may get wrong.
#pragma once

#include <string>
#include <vector>

#include "cuda/gemm.h"
#include "fake_cublaslt.h"
#include "fake_cudart.h"

namespace gradstep::cuda {

// The stand-in that cublaslt.cc has opened.
struct FakeLibrary {
  decltype(&fake_cublaslt_propose) propose;
  decltype(&fake_cublaslt_lack) lack;
  decltype(&fake_cublaslt_round) round;
  decltype(&fake_cublaslt_version) version;
  decltype(&fake_cublaslt_launches) launches;
  decltype(&fake_cublaslt_seconds) seconds;
  decltype(&fake_cublaslt_last) last;
  decltype(&fake_cublaslt_alive) alive;
  decltype(&fake_cublaslt_fail) fail;
  decltype(&fake_cublaslt_failed) failed;
};

const FakeLibrary& library();

void propose(const std::vector<FakeAlgorithm>& algorithms);

// A machine as it comes, and an empty folder for what is remembered.
std::string fresh();
std::string file_in(const std::string& folder);
std::string contents(const std::string& path);
void write(const std::string& path, const std::string& text);
// The same file elsewhere: what a process finds that has not seen any of it.
std::string in_another_process(const std::string& folder, const std::string& text);

// A layer as training has it, one with bits and one with sums before gelu; the ways back; and with no epilogue the
// gradients of weights and bias.
GemmShape layer(Epilogue epilogue);
constexpr Epilogue kEpilogues[] = {Epilogue::kNone, Epilogue::kRelu, Epilogue::kGelu, Epilogue::kReluSlope,
                                   Epilogue::kGeluSlope};

struct Seen {
  bool supported;
  int launches;   // that it took to know
  int algorithm;  // that a run is made with; −1: none
};

Seen see(const GemmShape& s, bool deterministic = false);

}  // namespace gradstep::cuda
