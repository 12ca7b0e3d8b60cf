/** repeatVector: each sample as every step of a sequence. */
import { broadcastTo } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import { integer, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';

export interface RepeatVectorOptions extends LayerOptions {
  /** Steps of the result. */
  n: number;
}

const options = { n: integer(1) } satisfies SchemaOf<Omit<RepeatVectorOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'RepeatVector',
  factory: 'repeatVector',
  baseName: 'repeat_vector',
  options,
  outputShape({ n }, input) {
    expectAxes(input, ['features']);
    return [n, input[0]!];
  },
  call({ n }, x) {
    const [rows, features] = x.shape as [number, number];
    return broadcastTo(reshape(x, [rows, 1, features]), [rows, n, features]);
  },
});

/** Each sample n times: [rows, features] → [rows, n, features]. */
export function repeatVector(options: RepeatVectorOptions): Layer {
  return make(options);
}
