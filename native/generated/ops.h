// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/argmax.h"
#include "generated/args/average_pool2d.h"
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
#include "generated/args/random.h"
#include "generated/args/reduce_sum.h"
#include "generated/args/rmsprop.h"
#include "generated/args/sgd.h"
#include "generated/args/softmax.h"
#include "generated/args/softmax_cross_entropy.h"

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0x064afff0cc32970dull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AveragePool2dArgs, average_pool2d) \
  X(6, AveragePool2dDxArgs, average_pool2d_dx) \
  X(7, Conv2dArgs, conv2d) \
  X(8, Conv2dDxArgs, conv2d_dx) \
  X(9, Conv2dDwArgs, conv2d_dw) \
  X(10, DropoutArgs, dropout) \
  X(11, EmbeddingArgs, embedding) \
  X(12, EmbeddingDxArgs, embedding_dx) \
  X(13, GatherArgs, gather) \
  X(14, ScatterArgs, scatter) \
  X(15, AdvanceArgs, advance) \
  X(16, LionArgs, lion) \
  X(17, LogSoftmaxArgs, log_softmax) \
  X(18, MapArgs, map) \
  X(19, MatmulArgs, matmul) \
  X(20, MaxPool2dArgs, max_pool2d) \
  X(21, MaxPool2dDxArgs, max_pool2d_dx) \
  X(22, MetricSumArgs, metric_sum) \
  X(23, MovingAverageArgs, moving_average) \
  X(24, NadamArgs, nadam) \
  X(25, NoiseArgs, noise) \
  X(26, RandomArgs, random) \
  X(27, ReduceSumArgs, reduce_sum) \
  X(28, RmspropArgs, rmsprop) \
  X(29, SgdArgs, sgd) \
  X(30, SoftmaxArgs, softmax) \
  X(31, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(32, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx)

constexpr uint32_t kOpCount = 33;

}  // namespace gradstep
