// Attention on tensor cores with operands rounded to TF32 (attention.cuh), which attention.cu hands over.
#include "ops/attention_dx.cuh"
#include "ops/attention_forward.cuh"

namespace gradstep::cuda::attend {

template Step run_attention<Tf32Unit>(const Heads&, int64_t, const Stored&, float*);
template GradientRun run_attention_dx<Tf32Unit>(const Heads&, int64_t, const Slopes&);

}  // namespace gradstep::cuda::attend
