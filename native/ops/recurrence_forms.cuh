// The forms in which the turns of a recurrence (recurrence.cuh) are made, which one is taken, and what each needs:
//   steps       a product on the GEMM seam and a launch a turn
//   persistent  one kernel, all of whose blocks are on the device at once (persistent_recurrence.cuh)
//   cluster     one kernel, in clusters of blocks (cluster_recurrence.cuh)
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "cuda/ways.h"
#include "ops/cluster_recurrence.cuh"
#include "ops/persistent_recurrence.cuh"

namespace gradstep::cuda {

enum class TurnForm { kSteps, kPersistent, kCluster };

// Whether the state before a turn lies in memory of its own: elsewhere it is what meets the kernel.
template <typename Run>
bool keeps_state(const Run& run, TurnForm form) {
  return run.keep != nullptr || form == TurnForm::kCluster;
}

// All turns of a Run.
template <typename Run>
class Turns {
 public:
  Turns(Prepare& prepare, Scratch& scratch, const Sequence& s, Precision precision, TurnForm form) : form_(form) {
    if (form == TurnForm::kCluster) {
      cluster_ = cluster_plan<Run>(prepare, s, precision);
    } else if (form == TurnForm::kPersistent) {
      prepare.be_exclusive();
      persistent_ = persistent_plan<Run>(prepare, s, precision);
      GRADSTEP_CUDA(cudaFuncSetAttribute(persistent_.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(prepare.grid_shared_bytes())));
      place_ = scratch.array(arrivals());
    } else {
      const int64_t wide = static_cast<int64_t>(Run::kGates) * s.units;
      place_ = scratch.array(kProducts<Run> * static_cast<int64_t>(s.batch) * s.units);
      product_ = scratch.product(step_product(s, Run::kBackward ? s.units : wide, Run::kBackward ? wide : s.units,
                                              Run::kBackward, wide, precision));
    }
  }

  void run(cudaStream_t stream, const Scratch& scratch, const Run& run) const {
    if (form_ == TurnForm::kCluster) return run_cluster(stream, run);
    if (form_ == TurnForm::kPersistent) return run_persistent(stream, scratch, run);
    float* const z = scratch.at(place_);
    const auto kernel = for_units(run.s, turn_kernel<Run, 1>, turn_kernel<Run, 4>);
    for (int turn = 0; turn < run.turns(); turn++) {
      const float* operand = run.operand(turn);
      if (operand) product_(stream, operand, run.u, nullptr, z, scratch.for_products());
      launch(stream, kernel, unit_blocks(run.s), dim3(kUnitThreads), run, turn, operand ? z : nullptr);
    }
  }

 private:
  void run_cluster(cudaStream_t stream, const Run& run) const {
    const TurnSplit& split = cluster_.split;
    launch_clusters(stream, cluster_.kernel, blocks_for(int64_t{split.groups} * split.blocks, 1),
                    static_cast<unsigned>(split.blocks), dim3(kPersistentThreads),
                    static_cast<size_t>(cluster_.shared_bytes), run, split);
  }
  void run_persistent(cudaStream_t stream, const Scratch& scratch, const Run& run) const {
    const TurnSplit& split = persistent_.split;
    unsigned* const counters = reinterpret_cast<unsigned*>(scratch.at(place_));
    GRADSTEP_CUDA(cudaMemsetAsync(counters, 0, static_cast<size_t>(arrivals()) * sizeof *counters, stream));
    launch_at_once(stream, persistent_.kernel, blocks_for(split.groups * split.blocks, 1), dim3(kPersistentThreads),
                   static_cast<size_t>(persistent_.shared_bytes), run, split, counters);
  }
  int64_t arrivals() const { return int64_t{persistent_.split.groups} * kArrivalsApart; }

  TurnForm form_;
  PersistentPlan<Run> persistent_{};
  ClusterPlan<Run> cluster_{};
  size_t place_ = 0;  // of the products or, in the persistent kernel, of the counts of arrivals
  Gemm::Run product_;
};

// The step of an op whose turns are a Run's, in the form that is fastest here. While forms are tried the recurrent
// kernel is small, so that what rounding makes of a step fades in those behind it instead of growing.
//   op         its name, and what else the choice may depend on beside sequence and precision
//   prepare_as makes the step in a form
//   results    all of them
template <typename Run>
Step fastest_form(Prepare& prepare, const std::string& op, const Sequence& s, Precision precision, const Tensor& u,
                  const std::function<Step(Prepare&, TurnForm)>& prepare_as, const std::vector<Tensor>& results) {
  std::vector<Way> ways;
  const auto add = [&](const char* name, TurnForm form) {
    ways.push_back({name, [=](Prepare& p) { return prepare_as(p, form); }});
  };
  add("steps", TurnForm::kSteps);
  if (persistent_plan<Run>(prepare, s, precision).split.groups > 0) add("persistent", TurnForm::kPersistent);
  if (cluster_plan<Run>(prepare, s, precision).split.groups > 0) add("cluster", TurnForm::kCluster);
  const std::string what = op + " " + std::to_string(s.batch) + "x" + std::to_string(s.steps) + "x" +
                           std::to_string(s.units) + " " + name_of(precision);
  const double tolerance = precision == Precision::kFloat32 ? 1e-4 : precision == Precision::kTf32 ? 1e-2 : 5e-2;
  return fastest_way(prepare, what, ways, results, tolerance, {{u, 0.5f / std::sqrt(static_cast<float>(s.units))}});
}

}  // namespace gradstep::cuda
