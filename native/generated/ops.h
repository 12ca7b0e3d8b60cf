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
#include "generated/args/crop.h"
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
constexpr uint64_t kOpTableHash = 0x583ed238a4003a46ull;

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
  X(11, CropArgs, crop) \
  X(12, CropDxArgs, crop_dx) \
  X(13, DropoutArgs, dropout) \
  X(14, EmbeddingArgs, embedding) \
  X(15, EmbeddingDxArgs, embedding_dx) \
  X(16, GatherArgs, gather) \
  X(17, ScatterArgs, scatter) \
  X(18, AdvanceArgs, advance) \
  X(19, LionArgs, lion) \
  X(20, LogSoftmaxArgs, log_softmax) \
  X(21, MapArgs, map) \
  X(22, MatmulArgs, matmul) \
  X(23, MaxPool2dArgs, max_pool2d) \
  X(24, MaxPool2dDxArgs, max_pool2d_dx) \
  X(25, MetricSumArgs, metric_sum) \
  X(26, MovingAverageArgs, moving_average) \
  X(27, NadamArgs, nadam) \
  X(28, NoiseArgs, noise) \
  X(29, PadArgs, pad) \
  X(30, RandomArgs, random) \
  X(31, ReduceSumArgs, reduce_sum) \
  X(32, RmspropArgs, rmsprop) \
  X(33, SgdArgs, sgd) \
  X(34, SoftmaxArgs, softmax) \
  X(35, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(36, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(37, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 38;

}  // namespace gradstep
