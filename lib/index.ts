/** gradstep's public API, and nothing else. */
export * as activations from './activations/index.js';
export * as constraints from './constraints/index.js';
export * as initializers from './initializers/index.js';
export * as layers from './layers/index.js';
export * as losses from './losses/index.js';
export * as metrics from './metrics/index.js';
export * as ops from './ops/index.js';
export * as optimizers from './optimizers/index.js';
export * as regularizers from './regularizers/index.js';
export * as schedules from './schedules/index.js';

export { Tensor, tensor, type NestedNumbers, type TensorData, type TensorLike } from './data/tensor.js';
export { GradstepError, type ErrorCode } from './errors.js';
export { devices, type DeviceInfo } from './runtime/devices.js';
export { loadModel, type LoadOptions } from './train/load_model.js';
export { Sequential, sequential, type SummaryOptions } from './train/sequential.js';

export type { Activation, ActivationName } from './activations/activation.js';
export type { Constraint, ConstraintFunction } from './constraints/constraint.js';
export type { ConstraintName, ConstraintOption } from './constraints/registry.js';
export type { Value } from './graph/graph.js';
export type { Initializer } from './initializers/initializer.js';
export type { InitializerName } from './initializers/registry.js';
export type { Layer, LayerOptions } from './layers/define_layer.js';
export type { Loss, LossFunction } from './losses/loss.js';
export type { LossName } from './losses/registry.js';
export type { Metric, MetricFunction } from './metrics/metric.js';
export type { MetricName } from './metrics/registry.js';
export type { Optimizer } from './optimizers/optimizer.js';
export type { OptimizerName } from './optimizers/registry.js';
export type { Regularizer, RegularizerFunction } from './regularizers/regularizer.js';
export type { RegularizerName, RegularizerOption } from './regularizers/registry.js';
export type { Schedule } from './schedules/schedule.js';
export type { CompileOptions, DeviceName } from './train/compile_options.js';
export type { History, Logs, Progress } from './train/history.js';
export type { FitOptions, PassOptions } from './train/run_options.js';
export type { SaveOptions } from './train/save_model.js';
