// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/argmax.h"
#include "generated/args/attention.h"
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
#include "generated/args/layer_norm.h"
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
constexpr uint64_t kOpTableHash = 0x5fa582e4c2cab917ull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AttentionArgs, attention) \
  X(6, AttentionDxArgs, attention_dx) \
  X(7, AveragePool2dArgs, average_pool2d) \
  X(8, AveragePool2dDxArgs, average_pool2d_dx) \
  X(9, ChannelNormArgs, channel_norm) \
  X(10, ChannelNormGradArgs, channel_norm_grad) \
  X(11, ColumnSumsArgs, column_sums) \
  X(12, ConcatArgs, concat) \
  X(13, Conv2dArgs, conv2d) \
  X(14, Conv2dDxArgs, conv2d_dx) \
  X(15, Conv2dDwArgs, conv2d_dw) \
  X(16, CropArgs, crop) \
  X(17, CropDxArgs, crop_dx) \
  X(18, DropoutArgs, dropout) \
  X(19, EmbeddingArgs, embedding) \
  X(20, EmbeddingDxArgs, embedding_dx) \
  X(21, GatherArgs, gather) \
  X(22, ScatterArgs, scatter) \
  X(23, AdvanceArgs, advance) \
  X(24, HistogramArgs, histogram) \
  X(25, LayerNormArgs, layer_norm) \
  X(26, LayerNormGradArgs, layer_norm_grad) \
  X(27, LionArgs, lion) \
  X(28, LogSoftmaxArgs, log_softmax) \
  X(29, MapArgs, map) \
  X(30, MatmulArgs, matmul) \
  X(31, MaxPool2dArgs, max_pool2d) \
  X(32, MaxPool2dDxArgs, max_pool2d_dx) \
  X(33, MetricSumArgs, metric_sum) \
  X(34, MovingAverageArgs, moving_average) \
  X(35, NadamArgs, nadam) \
  X(36, NoiseArgs, noise) \
  X(37, OneHotArgs, one_hot) \
  X(38, PadArgs, pad) \
  X(39, RandomArgs, random) \
  X(40, ReduceMaxArgs, reduce_max) \
  X(41, ReduceMaxDxArgs, reduce_max_dx) \
  X(42, ReduceSumArgs, reduce_sum) \
  X(43, ResizeArgs, resize) \
  X(44, ResizeDxArgs, resize_dx) \
  X(45, RestartsArgs, restarts) \
  X(46, RmspropArgs, rmsprop) \
  X(47, SgdArgs, sgd) \
  X(48, SoftmaxArgs, softmax) \
  X(49, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(50, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(51, StepCountArgs, step_count) \
  X(52, TargetRankArgs, target_rank) \
  X(53, TopMaskArgs, top_mask) \
  X(54, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 55;

}  // namespace gradstep
