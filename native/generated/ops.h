// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/argmax.h"
#include "generated/args/average_pool2d.h"
#include "generated/args/column_sums.h"
#include "generated/args/concat.h"
#include "generated/args/conv2d.h"
#include "generated/args/crop.h"
#include "generated/args/dropout.h"
#include "generated/args/embedding.h"
#include "generated/args/gather.h"
#include "generated/args/histogram.h"
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
#include "generated/args/target_rank.h"
#include "generated/args/top_mask.h"
#include "generated/args/transpose.h"

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0xabde6484462b5135ull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AveragePool2dArgs, average_pool2d) \
  X(6, AveragePool2dDxArgs, average_pool2d_dx) \
  X(7, ColumnSumsArgs, column_sums) \
  X(8, ConcatArgs, concat) \
  X(9, Conv2dArgs, conv2d) \
  X(10, Conv2dDxArgs, conv2d_dx) \
  X(11, Conv2dDwArgs, conv2d_dw) \
  X(12, CropArgs, crop) \
  X(13, CropDxArgs, crop_dx) \
  X(14, DropoutArgs, dropout) \
  X(15, EmbeddingArgs, embedding) \
  X(16, EmbeddingDxArgs, embedding_dx) \
  X(17, GatherArgs, gather) \
  X(18, ScatterArgs, scatter) \
  X(19, AdvanceArgs, advance) \
  X(20, HistogramArgs, histogram) \
  X(21, LionArgs, lion) \
  X(22, LogSoftmaxArgs, log_softmax) \
  X(23, MapArgs, map) \
  X(24, MatmulArgs, matmul) \
  X(25, MaxPool2dArgs, max_pool2d) \
  X(26, MaxPool2dDxArgs, max_pool2d_dx) \
  X(27, MetricSumArgs, metric_sum) \
  X(28, MovingAverageArgs, moving_average) \
  X(29, NadamArgs, nadam) \
  X(30, NoiseArgs, noise) \
  X(31, PadArgs, pad) \
  X(32, RandomArgs, random) \
  X(33, ReduceSumArgs, reduce_sum) \
  X(34, RmspropArgs, rmsprop) \
  X(35, SgdArgs, sgd) \
  X(36, SoftmaxArgs, softmax) \
  X(37, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(38, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(39, TargetRankArgs, target_rank) \
  X(40, TopMaskArgs, top_mask) \
  X(41, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 42;

}  // namespace gradstep
