// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

// What the cuda backend must define: one function an op, which picks algorithms and returns a step that only launches.
#include <string>

#include "cuda/prepare.h"
#include "core/error.h"
#include "generated/ops.h"

namespace gradstep::cuda {

Step adadelta(Prepare& prepare, const AdadeltaArgs& args);
Step adagrad(Prepare& prepare, const AdagradArgs& args);
Step adam(Prepare& prepare, const AdamArgs& args);
Step adamax(Prepare& prepare, const AdamaxArgs& args);
Step affine_sample(Prepare& prepare, const AffineSampleArgs& args);
Step affine_sample_dx(Prepare& prepare, const AffineSampleDxArgs& args);
Step argmax(Prepare& prepare, const ArgmaxArgs& args);
Step attention(Prepare& prepare, const AttentionArgs& args);
Step attention_dx(Prepare& prepare, const AttentionDxArgs& args);
Step average_pool(Prepare& prepare, const AveragePoolArgs& args);
Step average_pool_dx(Prepare& prepare, const AveragePoolDxArgs& args);
Step batch_matmul(Prepare& prepare, const BatchMatmulArgs& args);
Step channel_norm(Prepare& prepare, const ChannelNormArgs& args);
Step channel_norm_grad(Prepare& prepare, const ChannelNormGradArgs& args);
Step clip_by_norm(Prepare& prepare, const ClipByNormArgs& args);
Step clip_by_value(Prepare& prepare, const ClipByValueArgs& args);
Step column_sums(Prepare& prepare, const ColumnSumsArgs& args);
Step concat(Prepare& prepare, const ConcatArgs& args);
Step conv(Prepare& prepare, const ConvArgs& args);
Step conv_dx(Prepare& prepare, const ConvDxArgs& args);
Step conv_dw(Prepare& prepare, const ConvDwArgs& args);
Step crop(Prepare& prepare, const CropArgs& args);
Step crop_dx(Prepare& prepare, const CropDxArgs& args);
Step cumulative_sum(Prepare& prepare, const CumulativeSumArgs& args);
Step dense(Prepare& prepare, const DenseArgs& args);
Step dense_dx(Prepare& prepare, const DenseDxArgs& args);
Step dense_dw(Prepare& prepare, const DenseDwArgs& args);
Step dropout(Prepare& prepare, const DropoutArgs& args);
Step embedding(Prepare& prepare, const EmbeddingArgs& args);
Step embedding_dx(Prepare& prepare, const EmbeddingDxArgs& args);
Step gather(Prepare& prepare, const GatherArgs& args);
Step scatter(Prepare& prepare, const ScatterArgs& args);
Step advance(Prepare& prepare, const AdvanceArgs& args);
Step gru(Prepare& prepare, const GruArgs& args);
Step gru_dx(Prepare& prepare, const GruDxArgs& args);
Step histogram(Prepare& prepare, const HistogramArgs& args);
Step layer_norm(Prepare& prepare, const LayerNormArgs& args);
Step layer_norm_grad(Prepare& prepare, const LayerNormGradArgs& args);
Step lion(Prepare& prepare, const LionArgs& args);
Step log_softmax(Prepare& prepare, const LogSoftmaxArgs& args);
Step lstm(Prepare& prepare, const LstmArgs& args);
Step lstm_dx(Prepare& prepare, const LstmDxArgs& args);
Step map(Prepare& prepare, const MapArgs& args);
Step matmul(Prepare& prepare, const MatmulArgs& args);
Step max_pool(Prepare& prepare, const MaxPoolArgs& args);
Step max_pool_dx(Prepare& prepare, const MaxPoolDxArgs& args);
Step max_pool_at(Prepare& prepare, const MaxPoolAtArgs& args);
Step metric_sum(Prepare& prepare, const MetricSumArgs& args);
Step mlp(Prepare& prepare, const MlpArgs& args);
Step mlp_grad(Prepare& prepare, const MlpGradArgs& args);
Step moving_average(Prepare& prepare, const MovingAverageArgs& args);
Step nadam(Prepare& prepare, const NadamArgs& args);
Step noise(Prepare& prepare, const NoiseArgs& args);
Step one_hot(Prepare& prepare, const OneHotArgs& args);
Step pad(Prepare& prepare, const PadArgs& args);
Step random(Prepare& prepare, const RandomArgs& args);
Step random_transform(Prepare& prepare, const RandomTransformArgs& args);
Step reduce_max(Prepare& prepare, const ReduceMaxArgs& args);
Step reduce_max_dx(Prepare& prepare, const ReduceMaxDxArgs& args);
Step reduce_sum(Prepare& prepare, const ReduceSumArgs& args);
Step resize(Prepare& prepare, const ResizeArgs& args);
Step resize_dx(Prepare& prepare, const ResizeDxArgs& args);
Step restarts(Prepare& prepare, const RestartsArgs& args);
Step reverse(Prepare& prepare, const ReverseArgs& args);
Step rmsprop(Prepare& prepare, const RmspropArgs& args);
Step sgd(Prepare& prepare, const SgdArgs& args);
Step simple_rnn(Prepare& prepare, const SimpleRnnArgs& args);
Step simple_rnn_dx(Prepare& prepare, const SimpleRnnDxArgs& args);
Step softmax(Prepare& prepare, const SoftmaxArgs& args);
Step softmax_cross_entropy(Prepare& prepare, const SoftmaxCrossEntropyArgs& args);
Step softmax_cross_entropy_dx(Prepare& prepare, const SoftmaxCrossEntropyDxArgs& args);
Step step_count(Prepare& prepare, const StepCountArgs& args);
Step target_rank(Prepare& prepare, const TargetRankArgs& args);
Step to_bfloat16(Prepare& prepare, const ToBfloat16Args& args);
Step to_int32(Prepare& prepare, const ToInt32Args& args);
Step top_mask(Prepare& prepare, const TopMaskArgs& args);
Step transpose(Prepare& prepare, const TransposeArgs& args);
Step weight_decay(Prepare& prepare, const WeightDecayArgs& args);

// The step of an op of the table by its code; `args` is the op's argument struct.
inline Step prepare_step(Prepare& prepare, uint32_t op, const void* args) {
  switch (op) {
    case 0: return adadelta(prepare, *static_cast<const AdadeltaArgs*>(args));
    case 1: return adagrad(prepare, *static_cast<const AdagradArgs*>(args));
    case 2: return adam(prepare, *static_cast<const AdamArgs*>(args));
    case 3: return adamax(prepare, *static_cast<const AdamaxArgs*>(args));
    case 4: return affine_sample(prepare, *static_cast<const AffineSampleArgs*>(args));
    case 5: return affine_sample_dx(prepare, *static_cast<const AffineSampleDxArgs*>(args));
    case 6: return argmax(prepare, *static_cast<const ArgmaxArgs*>(args));
    case 7: return attention(prepare, *static_cast<const AttentionArgs*>(args));
    case 8: return attention_dx(prepare, *static_cast<const AttentionDxArgs*>(args));
    case 9: return average_pool(prepare, *static_cast<const AveragePoolArgs*>(args));
    case 10: return average_pool_dx(prepare, *static_cast<const AveragePoolDxArgs*>(args));
    case 11: return batch_matmul(prepare, *static_cast<const BatchMatmulArgs*>(args));
    case 12: return channel_norm(prepare, *static_cast<const ChannelNormArgs*>(args));
    case 13: return channel_norm_grad(prepare, *static_cast<const ChannelNormGradArgs*>(args));
    case 14: return clip_by_norm(prepare, *static_cast<const ClipByNormArgs*>(args));
    case 15: return clip_by_value(prepare, *static_cast<const ClipByValueArgs*>(args));
    case 16: return column_sums(prepare, *static_cast<const ColumnSumsArgs*>(args));
    case 17: return concat(prepare, *static_cast<const ConcatArgs*>(args));
    case 18: return conv(prepare, *static_cast<const ConvArgs*>(args));
    case 19: return conv_dx(prepare, *static_cast<const ConvDxArgs*>(args));
    case 20: return conv_dw(prepare, *static_cast<const ConvDwArgs*>(args));
    case 21: return crop(prepare, *static_cast<const CropArgs*>(args));
    case 22: return crop_dx(prepare, *static_cast<const CropDxArgs*>(args));
    case 23: return cumulative_sum(prepare, *static_cast<const CumulativeSumArgs*>(args));
    case 24: return dense(prepare, *static_cast<const DenseArgs*>(args));
    case 25: return dense_dx(prepare, *static_cast<const DenseDxArgs*>(args));
    case 26: return dense_dw(prepare, *static_cast<const DenseDwArgs*>(args));
    case 27: return dropout(prepare, *static_cast<const DropoutArgs*>(args));
    case 28: return embedding(prepare, *static_cast<const EmbeddingArgs*>(args));
    case 29: return embedding_dx(prepare, *static_cast<const EmbeddingDxArgs*>(args));
    case 30: return gather(prepare, *static_cast<const GatherArgs*>(args));
    case 31: return scatter(prepare, *static_cast<const ScatterArgs*>(args));
    case 32: return advance(prepare, *static_cast<const AdvanceArgs*>(args));
    case 33: return gru(prepare, *static_cast<const GruArgs*>(args));
    case 34: return gru_dx(prepare, *static_cast<const GruDxArgs*>(args));
    case 35: return histogram(prepare, *static_cast<const HistogramArgs*>(args));
    case 36: return layer_norm(prepare, *static_cast<const LayerNormArgs*>(args));
    case 37: return layer_norm_grad(prepare, *static_cast<const LayerNormGradArgs*>(args));
    case 38: return lion(prepare, *static_cast<const LionArgs*>(args));
    case 39: return log_softmax(prepare, *static_cast<const LogSoftmaxArgs*>(args));
    case 40: return lstm(prepare, *static_cast<const LstmArgs*>(args));
    case 41: return lstm_dx(prepare, *static_cast<const LstmDxArgs*>(args));
    case 42: return map(prepare, *static_cast<const MapArgs*>(args));
    case 43: return matmul(prepare, *static_cast<const MatmulArgs*>(args));
    case 44: return max_pool(prepare, *static_cast<const MaxPoolArgs*>(args));
    case 45: return max_pool_dx(prepare, *static_cast<const MaxPoolDxArgs*>(args));
    case 46: return max_pool_at(prepare, *static_cast<const MaxPoolAtArgs*>(args));
    case 47: return metric_sum(prepare, *static_cast<const MetricSumArgs*>(args));
    case 48: return mlp(prepare, *static_cast<const MlpArgs*>(args));
    case 49: return mlp_grad(prepare, *static_cast<const MlpGradArgs*>(args));
    case 50: return moving_average(prepare, *static_cast<const MovingAverageArgs*>(args));
    case 51: return nadam(prepare, *static_cast<const NadamArgs*>(args));
    case 52: return noise(prepare, *static_cast<const NoiseArgs*>(args));
    case 53: return one_hot(prepare, *static_cast<const OneHotArgs*>(args));
    case 54: return pad(prepare, *static_cast<const PadArgs*>(args));
    case 55: return random(prepare, *static_cast<const RandomArgs*>(args));
    case 56: return random_transform(prepare, *static_cast<const RandomTransformArgs*>(args));
    case 57: return reduce_max(prepare, *static_cast<const ReduceMaxArgs*>(args));
    case 58: return reduce_max_dx(prepare, *static_cast<const ReduceMaxDxArgs*>(args));
    case 59: return reduce_sum(prepare, *static_cast<const ReduceSumArgs*>(args));
    case 60: return resize(prepare, *static_cast<const ResizeArgs*>(args));
    case 61: return resize_dx(prepare, *static_cast<const ResizeDxArgs*>(args));
    case 62: return restarts(prepare, *static_cast<const RestartsArgs*>(args));
    case 63: return reverse(prepare, *static_cast<const ReverseArgs*>(args));
    case 64: return rmsprop(prepare, *static_cast<const RmspropArgs*>(args));
    case 65: return sgd(prepare, *static_cast<const SgdArgs*>(args));
    case 66: return simple_rnn(prepare, *static_cast<const SimpleRnnArgs*>(args));
    case 67: return simple_rnn_dx(prepare, *static_cast<const SimpleRnnDxArgs*>(args));
    case 68: return softmax(prepare, *static_cast<const SoftmaxArgs*>(args));
    case 69: return softmax_cross_entropy(prepare, *static_cast<const SoftmaxCrossEntropyArgs*>(args));
    case 70: return softmax_cross_entropy_dx(prepare, *static_cast<const SoftmaxCrossEntropyDxArgs*>(args));
    case 71: return step_count(prepare, *static_cast<const StepCountArgs*>(args));
    case 72: return target_rank(prepare, *static_cast<const TargetRankArgs*>(args));
    case 73: return to_bfloat16(prepare, *static_cast<const ToBfloat16Args*>(args));
    case 74: return to_int32(prepare, *static_cast<const ToInt32Args*>(args));
    case 75: return top_mask(prepare, *static_cast<const TopMaskArgs*>(args));
    case 76: return transpose(prepare, *static_cast<const TransposeArgs*>(args));
    case 77: return weight_decay(prepare, *static_cast<const WeightDecayArgs*>(args));
  }
  throw Error("ERR_PROGRAM", "The cuda backend has no op of code " + std::to_string(op));
}

}  // namespace gradstep::cuda
