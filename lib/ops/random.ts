/**
 * random: a tensor of random numbers, uniform or normal, a Philox function of (seed, stream, step, element); normal ones
 * by Box & Muller (1958). The same step and seed give the same numbers; nothing flows back through it.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';

export const randomOp = defineOp({
  name: 'random',
  inputs: { state: { dtypes: ['int32'] } },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: {
    distribution: { type: 'enum', values: ['uniform', 'normal'] },
    /** The result is offset + scale · (a number in [0, 1), or of the standard normal distribution). */
    offset: { type: 'f32', default: 0 },
    scale: { type: 'f32', default: 1 },
    stream: { type: 'u32' },
    shape: { type: 'dims' },
  },
  infer: (_inputs, attrs) => ({ y: { dtype: 'float32', shape: attrs.shape as number[] } }),
});

/**
 * Numbers of 24 random bits from low to high (high itself only where float32 rounds up to it).
 * @param stream identifies the random stream: a hash of the layer's path and the role of the numbers.
 */
export function randomUniform(state: Value, shape: Shape, low: number, high: number, stream: number): Value {
  const attrs = { distribution: 'uniform', offset: low, scale: high - low, stream, shape: [...shape] };
  return state.graph.add(randomOp, { state }, attrs).outputs.y!;
}

/** Numbers of the normal distribution, none further than 6.7 standard deviations from the mean. */
export function randomNormal(state: Value, shape: Shape, mean: number, stddev: number, stream: number): Value {
  const attrs = { distribution: 'normal', offset: mean, scale: stddev, stream, shape: [...shape] };
  return state.graph.add(randomOp, { state }, attrs).outputs.y!;
}
