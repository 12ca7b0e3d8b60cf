// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/argmax.h"
#include "generated/args/average_pool2d.h"
#include "generated/args/concat.h"
#include "generated/args/conv2d.h"
#include "generated/args/dropout.h"
#include "generated/args/embedding.h"
#include "generated/args/gather.h"
#include "generated/args/lion.h"
#include "generated/args/log_softmax.h"
#include "generated/args/map.h"
#include "generated/args/matmul.h"
#include "generated/args/max_pool2d.h"
#include "generated/args/metric_sum.h"
#include "generated/args/moving_average.h"
#include "generated/args/nadam.h"
#include "generated/args/noise.h"
#include "generated/args/pad.h"
#include "generated/args/random.h"
#include "generated/args/reduce_sum.h"
#include "generated/args/rmsprop.h"
#include "generated/args/sgd.h"
#include "generated/args/softmax.h"
#include "generated/args/softmax_cross_entropy.h"
#include "generated/args/transpose.h"

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0x183ef64b1d02a5ffull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AveragePool2dArgs, average_pool2d) \
  X(6, AveragePool2dDxArgs, average_pool2d_dx) \
  X(7, ConcatArgs, concat) \
  X(8, Conv2dArgs, conv2d) \
  X(9, Conv2dDxArgs, conv2d_dx) \
  X(10, Conv2dDwArgs, conv2d_dw) \
  X(11, DropoutArgs, dropout) \
  X(12, EmbeddingArgs, embedding) \
  X(13, EmbeddingDxArgs, embedding_dx) \
  X(14, GatherArgs, gather) \
  X(15, ScatterArgs, scatter) \
  X(16, AdvanceArgs, advance) \
  X(17, LionArgs, lion) \
  X(18, LogSoftmaxArgs, log_softmax) \
  X(19, MapArgs, map) \
  X(20, MatmulArgs, matmul) \
  X(21, MaxPool2dArgs, max_pool2d) \
  X(22, MaxPool2dDxArgs, max_pool2d_dx) \
  X(23, MetricSumArgs, metric_sum) \
  X(24, MovingAverageArgs, moving_average) \
  X(25, NadamArgs, nadam) \
  X(26, NoiseArgs, noise) \
  X(27, PadArgs, pad) \
  X(28, RandomArgs, random) \
  X(29, ReduceSumArgs, reduce_sum) \
  X(30, RmspropArgs, rmsprop) \
  X(31, SgdArgs, sgd) \
  X(32, SoftmaxArgs, softmax) \
  X(33, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(34, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(35, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 36;

}  // namespace gradstep
