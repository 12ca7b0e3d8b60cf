/** What the two poolings over height and width share: options, shapes, the window. */
import type { Value } from '../graph/graph.js';
import type { PoolWindow } from '../ops/max_pool.js';
import { optional, pair, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { paddingOption, windowedSize, windowPadding, type Padding, type WindowOptions } from './padding.js';

export interface Pooling2dOptions extends LayerOptions {
  /** Height and width of the window: one number for both, or a pair. Default 2. */
  poolSize?: number | readonly [number, number];
  /** Step between windows. Default: the window's size. */
  strides?: number | readonly [number, number];
  /** `valid`: only whole windows; `same`: windows may reach over the edge. Default `valid`. */
  padding?: Padding;
}

const options = {
  poolSize: optional(pair, [2, 2] as const),
  strides: optional(pair, undefined),
  padding: optional(paddingOption, 'valid' as const),
} satisfies SchemaOf<Omit<Pooling2dOptions, keyof LayerOptions>>;

function windowOf(o: {
  poolSize: readonly [number, number];
  strides: readonly [number, number] | undefined;
  padding: Padding;
}): WindowOptions {
  return { size: o.poolSize, strides: o.strides ?? o.poolSize, dilation: [1, 1], padding: o.padding };
}

/** Makes the factory of a pooling layer from its names and its op. */
export function definePooling2d(
  names: { className: string; factory: string; baseName: string },
  pool: (x: Value, window: PoolWindow) => Value,
): (options: unknown) => Layer {
  return defineLayer({
    ...names,
    options,
    outputShape(o, input) {
      return [...windowedSize(input, windowOf(o)), input[2]!];
    },
    call(o, x) {
      const window = windowOf(o);
      const [poolH, poolW] = window.size;
      const [strideH, strideW] = window.strides;
      return pool(x, { poolH, poolW, strideH, strideW, ...windowPadding(x.shape.slice(1), window) });
    },
  });
}
