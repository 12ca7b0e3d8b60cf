// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/affine_sample.h"
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
#include "generated/args/random_transform.h"
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
constexpr uint64_t kOpTableHash = 0x61a9408fe1115125ull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, AffineSampleArgs, affine_sample) \
  X(5, AffineSampleDxArgs, affine_sample_dx) \
  X(6, ArgmaxArgs, argmax) \
  X(7, AttentionArgs, attention) \
  X(8, AttentionDxArgs, attention_dx) \
  X(9, AveragePool2dArgs, average_pool2d) \
  X(10, AveragePool2dDxArgs, average_pool2d_dx) \
  X(11, ChannelNormArgs, channel_norm) \
  X(12, ChannelNormGradArgs, channel_norm_grad) \
  X(13, ColumnSumsArgs, column_sums) \
  X(14, ConcatArgs, concat) \
  X(15, Conv2dArgs, conv2d) \
  X(16, Conv2dDxArgs, conv2d_dx) \
  X(17, Conv2dDwArgs, conv2d_dw) \
  X(18, CropArgs, crop) \
  X(19, CropDxArgs, crop_dx) \
  X(20, DropoutArgs, dropout) \
  X(21, EmbeddingArgs, embedding) \
  X(22, EmbeddingDxArgs, embedding_dx) \
  X(23, GatherArgs, gather) \
  X(24, ScatterArgs, scatter) \
  X(25, AdvanceArgs, advance) \
  X(26, HistogramArgs, histogram) \
  X(27, LayerNormArgs, layer_norm) \
  X(28, LayerNormGradArgs, layer_norm_grad) \
  X(29, LionArgs, lion) \
  X(30, LogSoftmaxArgs, log_softmax) \
  X(31, MapArgs, map) \
  X(32, MatmulArgs, matmul) \
  X(33, MaxPool2dArgs, max_pool2d) \
  X(34, MaxPool2dDxArgs, max_pool2d_dx) \
  X(35, MetricSumArgs, metric_sum) \
  X(36, MovingAverageArgs, moving_average) \
  X(37, NadamArgs, nadam) \
  X(38, NoiseArgs, noise) \
  X(39, OneHotArgs, one_hot) \
  X(40, PadArgs, pad) \
  X(41, RandomArgs, random) \
  X(42, RandomTransformArgs, random_transform) \
  X(43, ReduceMaxArgs, reduce_max) \
  X(44, ReduceMaxDxArgs, reduce_max_dx) \
  X(45, ReduceSumArgs, reduce_sum) \
  X(46, ResizeArgs, resize) \
  X(47, ResizeDxArgs, resize_dx) \
  X(48, RestartsArgs, restarts) \
  X(49, RmspropArgs, rmsprop) \
  X(50, SgdArgs, sgd) \
  X(51, SoftmaxArgs, softmax) \
  X(52, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(53, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(54, StepCountArgs, step_count) \
  X(55, TargetRankArgs, target_rank) \
  X(56, TopMaskArgs, top_mask) \
  X(57, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 58;

}  // namespace gradstep
