/** normalization: (x − mean) / √variance with statistics that are given, such as those of the training data. */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import type { Initializer } from '../initializers/initializer.js';
import { elementwise } from '../ops/map.js';
import { boolean, optional, type Check, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface NormalizationOptions extends LayerOptions {
  /** One number, or one for each element of the kept axes. */
  mean: number | readonly number[];
  /** Likewise, each >= 0. */
  variance: number | readonly number[];
  /** Axes along which statistics differ, the batch being 0 and negative ones from the end; null for none. Default −1. */
  axis?: number | readonly number[] | null;
  /** Undoes it: x · √variance + mean. Default false. */
  invert?: boolean;
}

const numbers =
  (expected: string, accepts: (v: number) => boolean): Check<readonly number[]> =>
  (value, name) => {
    const all: unknown[] = Array.isArray(value) ? value : [value];
    if (all.length === 0 || !all.every((v) => typeof v === 'number' && Number.isFinite(v) && accepts(v))) {
      throw optionError(name, `${expected} or array of them`, value);
    }
    return all as number[];
  };

const axes: Check<readonly number[]> = (value, name) => {
  const all: unknown[] = value === null ? [] : Array.isArray(value) ? value : [value];
  if (!all.every((v) => Number.isInteger(v) && v !== 0))
    throw optionError(name, 'integer other than 0, array of them, or null', value);
  return all as number[];
};

const options = {
  mean: numbers('finite number', () => true),
  variance: numbers('number >= 0', (v) => v >= 0),
  axis: optional(axes, [-1]),
  invert: optional(boolean, false),
} satisfies SchemaOf<Omit<NormalizationOptions, keyof LayerOptions>>;

/** The smallest deviation that is divided by. */
const EPSILON = 1e-7;

/** The shape that statistics broadcast from: that of a sample, 1 where an axis is not kept. */
function keptShape(axis: readonly number[], input: Shape): number[] {
  const rank = input.length + 1;
  const kept = new Set(axis.map((a) => (a < 0 ? a + rank : a) - 1));
  for (const a of kept) {
    if (a < 0 || a >= input.length) {
      throw new GradstepError('ERR_SHAPE', `Axes ${formatShape(axis)} are outside samples of shape ${formatShape(input)}`);
    }
  }
  return input.map((d, i) => (kept.has(i) ? d : 1));
}

function given(values: readonly number[]): Initializer {
  return {
    name: 'given',
    config: {},
    sampler() {
      let at = 0;
      return () => values[at++ % values.length]!;
    },
  };
}

const make = defineLayer({
  className: 'Normalization',
  factory: 'normalization',
  baseName: 'normalization',
  options,
  mask: 'pass',
  weights({ mean, variance, axis }, input) {
    const shape = keptShape(axis, input);
    return [
      { role: 'mean', shape, initializer: given(mean), trainable: false },
      { role: 'variance', shape, initializer: given(variance), trainable: false },
    ];
  },
  outputShape({ mean, variance, axis }, input) {
    const shape = keptShape(axis, input);
    for (const [name, values] of Object.entries({ mean, variance })) {
      if (values.length !== 1 && values.length !== sizeOf(shape)) {
        const wanted = `${sizeOf(shape) === 1 ? 'one number' : `1 or ${sizeOf(shape)} numbers`} for ${name} of samples of shape ${formatShape(input)}`;
        throw new GradstepError('ERR_SHAPE', `Expected ${wanted} but received ${values.length}`);
      }
    }
    return input;
  },
  call({ invert }, x, { weight }): Value {
    const deviation = elementwise('maximum', elementwise('sqrt', weight('variance')), EPSILON);
    if (invert) return elementwise('add', elementwise('mul', x, deviation), weight('mean'));
    return elementwise('div', elementwise('sub', x, weight('mean')), deviation);
  },
});

/** (x − mean) / max(√variance, 10⁻⁷), the statistics broadcast from the kept axes: [rows, …] → [rows, …]. */
export function normalization(options: NormalizationOptions): Layer {
  return make(options);
}
