// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/argmax.h"
#include "generated/args/average_pool2d.h"
#include "generated/args/channel_norm.h"
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
#include "generated/args/one_hot.h"
#include "generated/args/pad.h"
#include "generated/args/random.h"
#include "generated/args/reduce_max.h"
#include "generated/args/reduce_sum.h"
#include "generated/args/resize.h"
#include "generated/args/restarts.h"
#include "generated/args/rmsprop.h"
#include "generated/args/sgd.h"
#include "generated/args/softmax.h"
#include "generated/args/softmax_cross_entropy.h"
#include "generated/args/step_count.h"
#include "generated/args/target_rank.h"
#include "generated/args/top_mask.h"
#include "generated/args/transpose.h"

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0x2066d9f0f0934aa6ull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AveragePool2dArgs, average_pool2d) \
  X(6, AveragePool2dDxArgs, average_pool2d_dx) \
  X(7, ChannelNormArgs, channel_norm) \
  X(8, ChannelNormGradArgs, channel_norm_grad) \
  X(9, ColumnSumsArgs, column_sums) \
  X(10, ConcatArgs, concat) \
  X(11, Conv2dArgs, conv2d) \
  X(12, Conv2dDxArgs, conv2d_dx) \
  X(13, Conv2dDwArgs, conv2d_dw) \
  X(14, CropArgs, crop) \
  X(15, CropDxArgs, crop_dx) \
  X(16, DropoutArgs, dropout) \
  X(17, EmbeddingArgs, embedding) \
  X(18, EmbeddingDxArgs, embedding_dx) \
  X(19, GatherArgs, gather) \
  X(20, ScatterArgs, scatter) \
  X(21, AdvanceArgs, advance) \
  X(22, HistogramArgs, histogram) \
  X(23, LionArgs, lion) \
  X(24, LogSoftmaxArgs, log_softmax) \
  X(25, MapArgs, map) \
  X(26, MatmulArgs, matmul) \
  X(27, MaxPool2dArgs, max_pool2d) \
  X(28, MaxPool2dDxArgs, max_pool2d_dx) \
  X(29, MetricSumArgs, metric_sum) \
  X(30, MovingAverageArgs, moving_average) \
  X(31, NadamArgs, nadam) \
  X(32, NoiseArgs, noise) \
  X(33, OneHotArgs, one_hot) \
  X(34, PadArgs, pad) \
  X(35, RandomArgs, random) \
  X(36, ReduceMaxArgs, reduce_max) \
  X(37, ReduceMaxDxArgs, reduce_max_dx) \
  X(38, ReduceSumArgs, reduce_sum) \
  X(39, ResizeArgs, resize) \
  X(40, ResizeDxArgs, resize_dx) \
  X(41, RestartsArgs, restarts) \
  X(42, RmspropArgs, rmsprop) \
  X(43, SgdArgs, sgd) \
  X(44, SoftmaxArgs, softmax) \
  X(45, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(46, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(47, StepCountArgs, step_count) \
  X(48, TargetRankArgs, target_rank) \
  X(49, TopMaskArgs, top_mask) \
  X(50, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 51;

}  // namespace gradstep
