// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include "generated/args/adadelta.h"
#include "generated/args/adagrad.h"
#include "generated/args/adam.h"
#include "generated/args/adamax.h"
#include "generated/args/affine_sample.h"
#include "generated/args/argmax.h"
#include "generated/args/attention.h"
#include "generated/args/average_pool.h"
#include "generated/args/batch_matmul.h"
#include "generated/args/channel_norm.h"
#include "generated/args/column_sums.h"
#include "generated/args/concat.h"
#include "generated/args/conv.h"
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
#include "generated/args/max_pool.h"
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
constexpr uint64_t kOpTableHash = 0x6569251b0e645ad0ull;

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
  X(9, AveragePoolArgs, average_pool) \
  X(10, AveragePoolDxArgs, average_pool_dx) \
  X(11, BatchMatmulArgs, batch_matmul) \
  X(12, ChannelNormArgs, channel_norm) \
  X(13, ChannelNormGradArgs, channel_norm_grad) \
  X(14, ColumnSumsArgs, column_sums) \
  X(15, ConcatArgs, concat) \
  X(16, ConvArgs, conv) \
  X(17, ConvDxArgs, conv_dx) \
  X(18, ConvDwArgs, conv_dw) \
  X(19, CropArgs, crop) \
  X(20, CropDxArgs, crop_dx) \
  X(21, DropoutArgs, dropout) \
  X(22, EmbeddingArgs, embedding) \
  X(23, EmbeddingDxArgs, embedding_dx) \
  X(24, GatherArgs, gather) \
  X(25, ScatterArgs, scatter) \
  X(26, AdvanceArgs, advance) \
  X(27, HistogramArgs, histogram) \
  X(28, LayerNormArgs, layer_norm) \
  X(29, LayerNormGradArgs, layer_norm_grad) \
  X(30, LionArgs, lion) \
  X(31, LogSoftmaxArgs, log_softmax) \
  X(32, MapArgs, map) \
  X(33, MatmulArgs, matmul) \
  X(34, MaxPoolArgs, max_pool) \
  X(35, MaxPoolDxArgs, max_pool_dx) \
  X(36, MetricSumArgs, metric_sum) \
  X(37, MovingAverageArgs, moving_average) \
  X(38, NadamArgs, nadam) \
  X(39, NoiseArgs, noise) \
  X(40, OneHotArgs, one_hot) \
  X(41, PadArgs, pad) \
  X(42, RandomArgs, random) \
  X(43, RandomTransformArgs, random_transform) \
  X(44, ReduceMaxArgs, reduce_max) \
  X(45, ReduceMaxDxArgs, reduce_max_dx) \
  X(46, ReduceSumArgs, reduce_sum) \
  X(47, ResizeArgs, resize) \
  X(48, ResizeDxArgs, resize_dx) \
  X(49, RestartsArgs, restarts) \
  X(50, RmspropArgs, rmsprop) \
  X(51, SgdArgs, sgd) \
  X(52, SoftmaxArgs, softmax) \
  X(53, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(54, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(55, StepCountArgs, step_count) \
  X(56, TargetRankArgs, target_rank) \
  X(57, TopMaskArgs, top_mask) \
  X(58, TransposeArgs, transpose)

constexpr uint32_t kOpCount = 59;

}  // namespace gradstep
