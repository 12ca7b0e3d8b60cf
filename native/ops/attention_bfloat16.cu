// Attention on tensor cores with operands rounded to bfloat16 (attention.cuh), which attention.cu hands over.
#include "ops/attention_dx.cuh"
#include "ops/attention_forward.cuh"

namespace gradstep::cuda::attend {

template Step run_attention<Bfloat16Unit>(const Heads&, int64_t, const Stored&, float*);
template GradientRun run_attention_dx<Bfloat16Unit>(const Heads&, int64_t, const Slopes&);

}  // namespace gradstep::cuda::attend
