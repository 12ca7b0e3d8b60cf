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
#include "generated/args/clip_by_norm.h"
#include "generated/args/clip_by_value.h"
#include "generated/args/column_sums.h"
#include "generated/args/concat.h"
#include "generated/args/conv.h"
#include "generated/args/crop.h"
#include "generated/args/cumulative_sum.h"
#include "generated/args/dense.h"
#include "generated/args/dropout.h"
#include "generated/args/embedding.h"
#include "generated/args/gather.h"
#include "generated/args/gru.h"
#include "generated/args/histogram.h"
#include "generated/args/layer_norm.h"
#include "generated/args/lion.h"
#include "generated/args/log_softmax.h"
#include "generated/args/lstm.h"
#include "generated/args/map.h"
#include "generated/args/matmul.h"
#include "generated/args/max_pool.h"
#include "generated/args/metric_sum.h"
#include "generated/args/mlp.h"
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
#include "generated/args/reverse.h"
#include "generated/args/rmsprop.h"
#include "generated/args/sgd.h"
#include "generated/args/simple_rnn.h"
#include "generated/args/softmax.h"
#include "generated/args/softmax_cross_entropy.h"
#include "generated/args/step_count.h"
#include "generated/args/target_rank.h"
#include "generated/args/to_bfloat16.h"
#include "generated/args/to_int32.h"
#include "generated/args/top_mask.h"
#include "generated/args/transpose.h"
#include "generated/args/weight_decay.h"

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0x24d7ce1dc124961aull;

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
  X(14, ClipByNormArgs, clip_by_norm) \
  X(15, ClipByValueArgs, clip_by_value) \
  X(16, ColumnSumsArgs, column_sums) \
  X(17, ConcatArgs, concat) \
  X(18, ConvArgs, conv) \
  X(19, ConvDxArgs, conv_dx) \
  X(20, ConvDwArgs, conv_dw) \
  X(21, CropArgs, crop) \
  X(22, CropDxArgs, crop_dx) \
  X(23, CumulativeSumArgs, cumulative_sum) \
  X(24, DenseArgs, dense) \
  X(25, DenseDxArgs, dense_dx) \
  X(26, DenseDwArgs, dense_dw) \
  X(27, DropoutArgs, dropout) \
  X(28, EmbeddingArgs, embedding) \
  X(29, EmbeddingDxArgs, embedding_dx) \
  X(30, GatherArgs, gather) \
  X(31, ScatterArgs, scatter) \
  X(32, AdvanceArgs, advance) \
  X(33, GruArgs, gru) \
  X(34, GruDxArgs, gru_dx) \
  X(35, HistogramArgs, histogram) \
  X(36, LayerNormArgs, layer_norm) \
  X(37, LayerNormGradArgs, layer_norm_grad) \
  X(38, LionArgs, lion) \
  X(39, LogSoftmaxArgs, log_softmax) \
  X(40, LstmArgs, lstm) \
  X(41, LstmDxArgs, lstm_dx) \
  X(42, MapArgs, map) \
  X(43, MatmulArgs, matmul) \
  X(44, MaxPoolArgs, max_pool) \
  X(45, MaxPoolDxArgs, max_pool_dx) \
  X(46, MaxPoolAtArgs, max_pool_at) \
  X(47, MetricSumArgs, metric_sum) \
  X(48, MlpArgs, mlp) \
  X(49, MlpGradArgs, mlp_grad) \
  X(50, MovingAverageArgs, moving_average) \
  X(51, NadamArgs, nadam) \
  X(52, NoiseArgs, noise) \
  X(53, OneHotArgs, one_hot) \
  X(54, PadArgs, pad) \
  X(55, RandomArgs, random) \
  X(56, RandomTransformArgs, random_transform) \
  X(57, ReduceMaxArgs, reduce_max) \
  X(58, ReduceMaxDxArgs, reduce_max_dx) \
  X(59, ReduceSumArgs, reduce_sum) \
  X(60, ResizeArgs, resize) \
  X(61, ResizeDxArgs, resize_dx) \
  X(62, RestartsArgs, restarts) \
  X(63, ReverseArgs, reverse) \
  X(64, RmspropArgs, rmsprop) \
  X(65, SgdArgs, sgd) \
  X(66, SimpleRnnArgs, simple_rnn) \
  X(67, SimpleRnnDxArgs, simple_rnn_dx) \
  X(68, SoftmaxArgs, softmax) \
  X(69, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(70, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx) \
  X(71, StepCountArgs, step_count) \
  X(72, TargetRankArgs, target_rank) \
  X(73, ToBfloat16Args, to_bfloat16) \
  X(74, ToInt32Args, to_int32) \
  X(75, TopMaskArgs, top_mask) \
  X(76, TransposeArgs, transpose) \
  X(77, WeightDecayArgs, weight_decay)

constexpr uint32_t kOpCount = 78;

}  // namespace gradstep
