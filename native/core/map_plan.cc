#include "core/map_plan.h"

namespace gradstep {
namespace {

const Tensor* input_of(const MapArgs& args, int k) { return &args.in0 + k; }
const Tensor* output_of(const MapArgs& args, int k) { return &args.out0 + k; }

}  // namespace

bool MapPlan::contiguous(int k) const {
  int64_t expected = 1;
  for (int i = rank - 1; i >= 0; i--) {
    if (dims[i] != 1 && strides[k][i] != expected) return false;
    expected *= dims[i];
  }
  return true;
}

MapPlan plan_map(const MapArgs& args) {
  MapPlan plan{};
  while (plan.inputs < kMapInputs && input_of(args, plan.inputs)->present()) plan.inputs++;
  while (plan.outputs < kMapOutputs && output_of(args, plan.outputs)->present()) plan.outputs++;

  // Strides of every input over the full domain, right-aligned as NumPy broadcasts.
  const int rank = args.domain.rank;
  int64_t strides[kMapInputs][kMaxRank] = {};
  for (int k = 0; k < plan.inputs; k++) {
    const Tensor& t = *input_of(args, k);
    int64_t stride = 1;
    for (int i = t.rank - 1, at = rank - 1; i >= 0; i--, at--) {
      strides[k][at] = t.dims[i] == 1 ? 0 : stride;
      stride *= t.dims[i];
    }
  }

  plan.size = 1;
  for (int i = 0; i < rank; i++) plan.size *= args.domain.d[i];
  plan.reduce = args.reduce_rank > 0;
  plan.length = 1;
  for (int i = rank - args.reduce_rank; i < rank; i++) plan.length *= args.domain.d[i];

  // Join dimension i into the one before it where every input steps through both as through one.
  for (int i = 0; i < rank; i++) {
    const int64_t d = args.domain.d[i];
    if (d == 1) continue;
    bool join = plan.rank > 0;
    for (int k = 0; join && k < plan.inputs; k++) {
      join = plan.strides[k][plan.rank - 1] == strides[k][i] * d;
    }
    if (!join) {
      plan.dims[plan.rank] = 1;
      plan.rank++;
    }
    plan.dims[plan.rank - 1] *= d;
    for (int k = 0; k < plan.inputs; k++) plan.strides[k][plan.rank - 1] = strides[k][i];
  }
  if (plan.rank == 0) {
    plan.rank = 1;
    plan.dims[0] = 1;
  }
  return plan;
}

}  // namespace gradstep
