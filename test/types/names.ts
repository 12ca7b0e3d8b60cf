/**
 * Names for what functions take and return: whoever writes declarations of their own needs each of them from the package's entry.
 * Nothing here runs; `tsc` is the test.
 */
import type * as gs from '../../lib/index.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type All<T extends readonly true[]> = T;
type First<F extends (...args: never[]) => unknown> = NonNullable<Parameters<F>[0]>;

export type Models = All<
  [
    Same<Parameters<gs.Model['testOnBatch']>[2], gs.TestOptions | undefined>,
    Same<Parameters<gs.Model['call']>[1], gs.CallOptions | undefined>,
    Same<Awaited<ReturnType<gs.TrainingContext['snapshot']>>, gs.Snapshot>,
    Same<Exclude<NonNullable<gs.FitOptions['validationData']>, gs.data.Dataset>, gs.DataWithLabels>,
    Same<NonNullable<gs.CompileOptions['lossWeights']>, gs.PerOutput<number>>,
    Same<NonNullable<gs.CompileOptions['precision']>, gs.Precision>,
    Same<gs.Profile['limits'], gs.ProfileLimits>,
    Same<gs.WeightInfo['shape'], gs.Shape>,
    Same<gs.SymbolicTensor['shape'], gs.PartialShape>,
    Same<gs.Value['dtype'], gs.DType>,
  ]
>;

export type Functions = All<
  [
    Same<
      ReturnType<typeof gs.compile<Record<string, gs.InputSpec>, gs.Value>>,
      gs.CompiledFunction<Record<string, gs.InputSpec>, gs.Value>
    >,
    Same<Parameters<gs.CompiledFunction<{ x: gs.InputSpec }, gs.Value>>, gs.FunctionArguments<{ x: gs.InputSpec }>>,
    Same<gs.Described, gs.Value | Readonly<Record<string, gs.Value>> | ReturnType<() => void>>,
    Same<gs.Computed<gs.Value>, gs.Tensor<Float32Array>>,
  ]
>;

export type Parts = All<
  [
    Same<Parameters<gs.Loss['perPosition']>[2], gs.LossContext>,
    Same<Parameters<gs.Metric['update']>[2], gs.MetricContext>,
    Same<Parameters<gs.Metric['size']>[0], gs.MetricSetting>,
    Same<Parameters<gs.Optimizer['apply']>[0], gs.OptimizerContext>,
    Same<gs.Optimizer['common'], gs.optimizers.CheckedCommonOptions>,
    Same<ReturnType<gs.Initializer['sampler']>, gs.Sampler>,
    Same<Parameters<gs.Sampler>[0], gs.RandomStream>,
    Same<NonNullable<gs.callbacks.ProgressBarOptions['stream']>, gs.callbacks.TextStream>,
    Same<gs.SavedLayer['className'], string>,
  ]
>;

export type Layers = All<
  [
    Same<NonNullable<gs.layers.DropoutOptions['noiseShape']>, gs.layers.NoiseShape>,
    Same<gs.layers.RandomZoomOptions['heightFactor'], gs.layers.Factor>,
    Same<NonNullable<gs.layers.RandomZoomOptions['fillMode']>, gs.layers.FillMode>,
    Same<NonNullable<gs.layers.RandomZoomOptions['interpolation']>, gs.layers.Interpolation>,
    Same<NonNullable<gs.layers.Conv1dOptions['padding']>, gs.layers.CausalPadding>,
    Same<NonNullable<gs.layers.Conv2dOptions['padding']>, gs.layers.Padding>,
    Same<gs.layers.Conv2dOptions['kernelSize'], gs.layers.PerAxis<2>>,
    Same<NonNullable<gs.layers.ZeroPadding1dOptions['padding']>, gs.layers.Amounts1d>,
    Same<NonNullable<gs.layers.ZeroPadding2dOptions['padding']>, gs.layers.Amounts2d>,
    Same<NonNullable<gs.layers.ZeroPadding3dOptions['padding']>, gs.layers.Amounts3d>,
    Same<gs.layers.Amounts, readonly [number, number]>,
  ]
>;

type M = typeof gs.metrics;

export type Metrics = All<
  [
    Same<First<M['accuracy']>, gs.metrics.NamedOptions>,
    Same<First<M['binaryAccuracy']>, gs.metrics.BinaryAccuracyOptions>,
    Same<First<M['topKCategoricalAccuracy']>, gs.metrics.TopKOptions>,
    Same<First<M['auc']>, gs.metrics.AucOptions>,
    Same<First<M['confusionMatrix']>, gs.metrics.ConfusionMatrixOptions>,
    Same<First<M['f1Score']>, gs.metrics.F1ScoreOptions>,
    Same<First<M['fBetaScore']>, gs.metrics.FBetaScoreOptions>,
    Same<First<M['fromSums']>, gs.metrics.FromSumsOptions>,
    Same<First<M['iou']>, gs.metrics.IoUOptions>,
    Same<First<M['meanIoU']>, gs.metrics.MeanIoUOptions>,
    Same<First<M['binaryIoU']>, gs.metrics.BinaryIoUOptions>,
    Same<First<M['dice']>, gs.metrics.DiceOptions>,
    Same<First<M['sparseCategoricalCrossentropy']>, gs.metrics.CrossentropyOptions>,
    Same<First<M['binaryCrossentropy']>, gs.metrics.SmoothedCrossentropyOptions>,
    Same<First<M['perplexity']>, gs.metrics.PerplexityOptions>,
    Same<First<M['precision']>, gs.metrics.PrecisionOptions>,
    Same<First<M['truePositives']>, gs.metrics.ThresholdOptions>,
    Same<First<M['r2Score']>, gs.metrics.R2ScoreOptions>,
    Same<First<M['sensitivityAtSpecificity']>, gs.metrics.SensitivityAtSpecificityOptions>,
    Same<First<M['specificityAtSensitivity']>, gs.metrics.SpecificityAtSensitivityOptions>,
    Same<First<M['precisionAtRecall']>, gs.metrics.PrecisionAtRecallOptions>,
    Same<First<M['recallAtPrecision']>, gs.metrics.RecallAtPrecisionOptions>,
  ]
>;
