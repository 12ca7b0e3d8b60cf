// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

// What the cpu backend must define: one function an op, which picks algorithms and returns a step that only launches.
#include "cpu/prepare.h"
#include "generated/ops.h"

namespace gradstep::cpu {

Step gather(Prepare& prepare, const GatherArgs& args);
Step scatter(Prepare& prepare, const ScatterArgs& args);
Step advance(Prepare& prepare, const AdvanceArgs& args);
Step map(Prepare& prepare, const MapArgs& args);
Step reduce_sum(Prepare& prepare, const ReduceSumArgs& args);
Step matmul(Prepare& prepare, const MatmulArgs& args);
Step conv2d(Prepare& prepare, const Conv2dArgs& args);
Step conv2d_dx(Prepare& prepare, const Conv2dDxArgs& args);
Step conv2d_dw(Prepare& prepare, const Conv2dDwArgs& args);
Step max_pool2d(Prepare& prepare, const MaxPool2dArgs& args);
Step max_pool2d_dx(Prepare& prepare, const MaxPool2dDxArgs& args);
Step average_pool2d(Prepare& prepare, const AveragePool2dArgs& args);
Step average_pool2d_dx(Prepare& prepare, const AveragePool2dDxArgs& args);
Step softmax(Prepare& prepare, const SoftmaxArgs& args);
Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args);
Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args);
Step argmax(Prepare& prepare, const ArgmaxArgs& args);
Step dropout(Prepare& prepare, const DropoutArgs& args);
Step metric_sum(Prepare& prepare, const MetricSumArgs& args);
Step sgd(Prepare& prepare, const SgdArgs& args);
Step adam(Prepare& prepare, const AdamArgs& args);

}  // namespace gradstep::cpu
