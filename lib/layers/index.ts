/** The namespace `gs.layers`. */
export { activation, type ActivationOptions } from './activation.js';
export {
  elu,
  leakyReLU,
  reLU,
  softmax,
  thresholdedReLU,
  type ELUOptions,
  type LeakyReLUOptions,
  type ReLUOptions,
  type SoftmaxOptions,
  type ThresholdedReLUOptions,
} from './activation_layers.js';
export { activityRegularization, type ActivityRegularizationOptions } from './activity_regularization.js';
export { alphaDropout, type AlphaDropoutOptions } from './alpha_dropout.js';
export { attention, type AttentionOptions } from './attention.js';
export { averagePooling1d, type AveragePooling1dOptions } from './average_pooling1d.js';
export { averagePooling2d, type AveragePooling2dOptions } from './average_pooling2d.js';
export { averagePooling3d, type AveragePooling3dOptions } from './average_pooling3d.js';
export { batchNormalization, type BatchNormalizationOptions } from './batch_normalization.js';
export { bidirectional, type BidirectionalOptions } from './bidirectional.js';
export { categoryEncoding, type CategoryEncodingOptions } from './category_encoding.js';
export { centerCrop, type CenterCropOptions } from './center_crop.js';
export { concatenate, type ConcatenateOptions } from './concatenate.js';
export { conv1d, type Conv1dOptions } from './conv1d.js';
export { conv1dTranspose, type Conv1dTransposeOptions } from './conv1d_transpose.js';
export { conv2d, type Conv2dOptions } from './conv2d.js';
export { conv2dTranspose, type Conv2dTransposeOptions } from './conv2d_transpose.js';
export { conv3d, type Conv3dOptions } from './conv3d.js';
export { conv3dTranspose, type Conv3dTransposeOptions } from './conv3d_transpose.js';
export { convLstm2d, type ConvLSTM2dOptions } from './conv_lstm2d.js';
export { cropping1d, cropping2d, cropping3d } from './cropping.js';
export type { Cropping1dOptions, Cropping2dOptions, Cropping3dOptions } from './cropping.js';
export {
  defineLayer,
  defineMergeLayer,
  type CustomWeight,
  type LayerDescription,
  type LayerFactory,
  type MergeLayerDescription,
} from './custom.js';
export { defineCell, type CellContext, type CellDescription, type CustomState } from './custom_cell.js';
export type { CustomContext } from './custom_context.js';
export * as options from './option_checks.js';
export type { Layer, LayerOptions } from './define_layer.js';
export { dense, type DenseOptions } from './dense.js';
export { depthwiseConv1d, type DepthwiseConv1dOptions } from './depthwise_conv1d.js';
export { depthwiseConv2d, type DepthwiseConv2dOptions } from './depthwise_conv2d.js';
export { dot, type DotOptions } from './dot.js';
export type { NoiseShape } from './drop_options.js';
export { dropout, type DropoutOptions } from './dropout.js';
export { embedding, type EmbeddingOptions } from './embedding.js';
export type { Factor } from './factor_option.js';
export { flatten } from './flatten.js';
export { gaussianDropout, type GaussianDropoutOptions } from './gaussian_dropout.js';
export { gaussianNoise, type GaussianNoiseOptions } from './gaussian_noise.js';
export { globalAveragePooling1d, type GlobalAveragePooling1dOptions } from './global_average_pooling1d.js';
export { globalAveragePooling2d, type GlobalAveragePooling2dOptions } from './global_average_pooling2d.js';
export { globalAveragePooling3d, type GlobalAveragePooling3dOptions } from './global_average_pooling3d.js';
export { globalMaxPooling1d, type GlobalMaxPooling1dOptions } from './global_max_pooling1d.js';
export { globalMaxPooling2d, type GlobalMaxPooling2dOptions } from './global_max_pooling2d.js';
export { globalMaxPooling3d, type GlobalMaxPooling3dOptions } from './global_max_pooling3d.js';
export { groupNormalization, type GroupNormalizationOptions } from './group_normalization.js';
export { gru, gruCell, type GRUCellOptions, type GRUOptions } from './gru.js';
export { layerNormalization, type LayerNormalizationOptions } from './layer_normalization.js';
export { lstm, lstmCell, type LSTMCellOptions, type LSTMOptions } from './lstm.js';
export { masking, type MaskingOptions } from './masking.js';
export { maxPooling1d, type MaxPooling1dOptions } from './max_pooling1d.js';
export { maxPooling2d, type MaxPooling2dOptions } from './max_pooling2d.js';
export { maxPooling3d, type MaxPooling3dOptions } from './max_pooling3d.js';
export { add, average, maximum, minimum, multiply, subtract } from './merge.js';
export { multiHeadAttention, type MultiHeadAttentionOptions } from './multi_head_attention.js';
export { normalization, type NormalizationOptions } from './normalization.js';
export { permute, type PermuteOptions } from './permute.js';
export { prelu, type PReLUOptions } from './prelu.js';
export { randomBrightness, type RandomBrightnessOptions } from './random_brightness.js';
export { randomContrast, type RandomContrastOptions } from './random_contrast.js';
export { randomCrop, type RandomCropOptions } from './random_crop.js';
export { randomFlip, type RandomFlipOptions } from './random_flip.js';
export { randomRotation, type RandomRotationOptions } from './random_rotation.js';
export { randomTranslation, type RandomTranslationOptions } from './random_translation.js';
export { randomZoom, type RandomZoomOptions } from './random_zoom.js';
export { repeatVector, type RepeatVectorOptions } from './repeat_vector.js';
export { rescaling, type RescalingOptions } from './rescaling.js';
export { reshape, type ReshapeOptions } from './reshape.js';
export { resizing, type ResizingOptions } from './resizing.js';
export { rmsNormalization, type RmsNormalizationOptions } from './rms_normalization.js';
export { rnn, stackedRNNCells, type RNNOptions, type StackedRNNCellsOptions } from './rnn.js';
export { separableConv1d, type SeparableConv1dOptions } from './separable_conv1d.js';
export { separableConv2d, type SeparableConv2dOptions } from './separable_conv2d.js';
export { simpleRNN, simpleRNNCell, type SimpleRNNCellOptions, type SimpleRNNOptions } from './simple_rnn.js';
export type { Amounts, Amounts1d, Amounts2d, Amounts3d } from './spatial_amounts.js';
export { spatialDropout1d, spatialDropout2d, spatialDropout3d, type SpatialDropoutOptions } from './spatial_dropout.js';
export { timeDistributed, type TimeDistributedOptions } from './time_distributed.js';
export { unitNormalization, type UnitNormalizationOptions } from './unit_normalization.js';
export {
  upSampling1d,
  upSampling2d,
  upSampling3d,
  type UpSampling1dOptions,
  type UpSampling2dOptions,
  type UpSampling3dOptions,
} from './up_sampling.js';
export { zeroPadding1d, zeroPadding2d, zeroPadding3d } from './zero_padding.js';
export type { ZeroPadding1dOptions, ZeroPadding2dOptions, ZeroPadding3dOptions } from './zero_padding.js';
export type { FillMode } from '../ops/affine_sample.js';
export type { Interpolation } from '../ops/resize.js';
export type { CausalPadding, Padding } from '../ops/sliding.js';
export type { PerAxis } from '../options.js';
