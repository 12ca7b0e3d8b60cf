/** gradstep's public API, and nothing else. */
/// <reference lib="esnext.disposable" preserve="true" />
export * as activations from './activations/index.js';
export * as callbacks from './train/callbacks/index.js';
export * as constraints from './constraints/index.js';
export * as data from './data/index.js';
export * as initializers from './initializers/index.js';
export * as layers from './layers/index.js';
export * as losses from './losses/index.js';
export * as metrics from './metrics/index.js';
export * as ops from './ops/index.js';
export * as optimizers from './optimizers/index.js';
export * as regularizers from './regularizers/index.js';
export * as recipes from './train/recipes/index.js';
export * as schedules from './schedules/index.js';
export * as utils from './data/keras_utils.js';

export { Tensor, tensor, type DataType, type NestedNumbers, type TensorData, type TensorLike } from './data/tensor.js';
export { GradstepError, type ErrorCode } from './errors.js';
export { devices, type DeviceInfo } from './runtime/devices.js';
export { loadModel, modelFromJson, type LoadOptions } from './train/load_model.js';
export {
  applyGradients,
  compile,
  grad,
  type CompiledFunction,
  type CompileFunctionOptions,
  type Computed,
  type Described,
  type FunctionArguments,
  type InputSpec,
} from './train/compile_function.js';
export { computeLoss, type LossOptions } from './train/compute_loss.js';
export { VariableHandle, variable, type VariableOptions } from './train/variable.js';
export { model, type ModelOptions } from './train/functional.js';
export { Model, type CallOptions, type SummaryOptions, type WeightInfo } from './train/model.js';
export { Sequential, sequential } from './train/sequential.js';

export type { Activation, ActivationName } from './activations/activation.js';
export type { Constraint, ConstraintFunction } from './constraints/constraint.js';
export type { ConstraintName, ConstraintOption } from './constraints/registry.js';
export type { DType } from './graph/dtype.js';
export type { Value } from './graph/graph.js';
export type { PartialShape, Shape } from './graph/shape.js';
export type { Initializer, Sampler } from './initializers/initializer.js';
export type { InitializerName } from './initializers/registry.js';
export type { LayerOptions } from './layers/define_layer.js';
export { Layer } from './layers/layer.js';
export type { SavedLayer } from './layers/registry.js';
export { input, SymbolicTensor, type InputOptions } from './layers/symbolic.js';
export type { Loss, LossContext, LossFunction } from './losses/loss.js';
export type { LossName } from './losses/registry.js';
export type { Metric, MetricContext, MetricFunction, MetricSetting, MetricValue } from './metrics/metric.js';
export type { MetricName } from './metrics/registry.js';
export type { Precision } from './ops/precision.js';
export type { Optimizer, OptimizerContext } from './optimizers/optimizer.js';
export type { OptimizerName } from './optimizers/registry.js';
export type { Regularizer, RegularizerFunction } from './regularizers/regularizer.js';
export type { RegularizerName, RegularizerOption } from './regularizers/registry.js';
export type { RandomStream } from './random.js';
export type { Schedule } from './schedules/schedule.js';
export type { CompileOptions, DeviceName, PerOutput } from './train/compile_options.js';
export type { History, Logs, Progress } from './train/history.js';
export type { Callback, TrainingContext } from './train/callback.js';
export type { Snapshot } from './train/training_state.js';
export type { LoadedWeights, LoadWeightsOptions } from './train/load_weights.js';
export type { Limits as ProfileLimits } from './train/profile/limits.js';
export type { ProfileOptions } from './train/profile/profile.js';
export type { ChromeTrace, Profile, ProfiledInstruction, TraceEvent } from './train/profile/report.js';
export type { EpochReport } from './train/train.js';
export type { DataLike, DataWithLabels, EvaluateOptions, FitOptions, PredictOptions, TestOptions } from './train/run_options.js';
export type { BatchOptions } from './train/train_on_batch.js';
export type { SavedArchitecture, SaveOptions } from './train/save_model.js';
