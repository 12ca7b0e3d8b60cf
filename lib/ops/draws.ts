/** The part of `gs.ops` that draws random numbers: each call has a stream of its own, and other numbers at every step. */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { checkOptions, float32, optional, shape, type SchemaOf } from '../options.js';
import { streamOf } from '../random.js';
import { value } from './arguments.js';
import { randomNormal as normal, randomUniform as uniform } from './random.js';

/** Options of normal random numbers. */
export interface RandomNormalOptions {
  /** Default: that of the value. */
  shape?: Shape;
  /** Default 0. */
  mean?: number;
  /** Standard deviation, number >= 0. Default 1. */
  stddev?: number;
}

/** Options of uniform random numbers. */
export interface RandomUniformOptions {
  /** Default: that of the value. */
  shape?: Shape;
  /** Default 0. */
  minval?: number;
  /** At least minval. Default 1. */
  maxval?: number;
}

const normalOptions = {
  shape: optional(shape, undefined),
  mean: optional(float32(), 0),
  stddev: optional(
    float32('finite number >= 0', (v) => v >= 0),
    1,
  ),
} satisfies SchemaOf<RandomNormalOptions>;

const uniformOptions = {
  shape: optional(shape, undefined),
  minval: optional(float32(), 0),
  maxval: optional(float32(), 1),
} satisfies SchemaOf<RandomUniformOptions>;

/** What numbers are drawn by. */
function source(what: string, { graph }: Value): [state: Value, stream: number] {
  if (graph.step) return [graph.read(graph.step.state), streamOf(graph.nextDraw())];
  throw new GradstepError('ERR_OPTION', `${what} can only be used in models and inside functions that gs.compile describes`);
}

/**
 * Normal random numbers of the shape of `like`, of which nothing else counts: their gradient is 0. The seed (of `model.compile`,
 * of `gs.compile`) fixes them; every call draws others, and so does every step. Prediction and evaluation begin with the same ones
 * each time. ERR_OPTION outside of models and functions.
 */
export function randomNormal(like: Value, options?: RandomNormalOptions): Value {
  const given = value('ops.randomNormal like', like);
  const { shape: wanted, mean, stddev } = checkOptions('ops.randomNormal', options, normalOptions);
  const [state, stream] = source('ops.randomNormal', given);
  return normal(state, wanted ?? given.shape, mean, stddev, stream);
}

/** Random numbers from minval to maxval, all of them as likely; otherwise as randomNormal. */
export function randomUniform(like: Value, options?: RandomUniformOptions): Value {
  const given = value('ops.randomUniform like', like);
  const { shape: wanted, minval, maxval } = checkOptions('ops.randomUniform', options, uniformOptions);
  if (minval > maxval) {
    const message = `Expected ops.randomUniform.minval to be at most maxval but received ${minval} and ${maxval}`;
    throw new GradstepError('ERR_OPTION', message);
  }
  if (!Number.isFinite(Math.fround(maxval - minval))) {
    const message = `Expected ops.randomUniform.minval and maxval to differ by a number that float32 holds but received ${minval} and ${maxval}`;
    throw new GradstepError('ERR_OPTION', message);
  }
  const [state, stream] = source('ops.randomUniform', given);
  return uniform(state, wanted ?? given.shape, minval, maxval, stream);
}
