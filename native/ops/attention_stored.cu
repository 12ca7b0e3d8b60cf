// Attention on FMA units of tensors that may be stored in bfloat16 (attention.cuh), which attention.cu hands over where
// there are no tensor cores.
#include "ops/attention_dx.cuh"
#include "ops/attention_forward.cuh"

namespace gradstep::cuda::attend {

template Step run_attention<StoredUnit>(const Heads&, int64_t, const Stored&, float*);
template GradientRun run_attention_dx<StoredUnit>(const Heads&, int64_t, const Slopes&);

}  // namespace gradstep::cuda::attend
