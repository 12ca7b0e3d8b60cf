/** The namespace `gs.schedules`. */
export { constant, type ConstantScheduleOptions } from './constant.js';
export { cosineDecay, type CosineDecayOptions } from './cosine_decay.js';
export { cosineDecayRestarts, type CosineDecayRestartsOptions } from './cosine_decay_restarts.js';
export { exponentialDecay, type ExponentialDecayOptions } from './exponential_decay.js';
export { inverseTimeDecay, type InverseTimeDecayOptions } from './inverse_time_decay.js';
export { oneCycle, type OneCycleOptions } from './one_cycle.js';
export { piecewiseConstantDecay, type PiecewiseConstantDecayOptions } from './piecewise_constant_decay.js';
export { polynomialDecay, type PolynomialDecayOptions } from './polynomial_decay.js';
export { stepDecay, type StepDecayOptions } from './step_decay.js';
export { warmup, type WarmupOptions } from './warmup.js';
