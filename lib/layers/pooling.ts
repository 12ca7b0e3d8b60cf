/** What the poolings over one, two and three axes share: options, shapes, the window. */
import type { Value } from '../graph/graph.js';
import type { PoolWindow } from '../ops/max_pool.js';
import { pooling, type Padding, type SlidingWindow } from '../ops/sliding.js';
import { optional, perAxis, type Axes, type PerAxis, type SchemaOf } from '../options.js';
import type { LayerNames } from './conv.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { paddingOption, windowedSize } from './window.js';

export interface PoolingOptions<A extends Axes> extends LayerOptions {
  /** Size of the window: one number for all axes, or one for each. Default 2. */
  poolSize?: PerAxis<A>;
  /** Step between windows. Default: the window's size. */
  strides?: PerAxis<A>;
  /** `valid`: only whole windows; `same`: windows may reach over the edge. Default `valid`. */
  padding?: Padding;
}

function windowOf(o: {
  readonly poolSize: readonly number[];
  readonly strides: readonly number[] | undefined;
  readonly padding: Padding;
}): SlidingWindow {
  return { size: o.poolSize, strides: o.strides ?? o.poolSize, dilation: o.poolSize.map(() => 1), padding: o.padding };
}

/** Makes the factory of a pooling layer over `axes` axes from its names and its op. */
export function definePooling(
  axes: Axes,
  names: LayerNames,
  pool: (x: Value, window: PoolWindow) => Value,
): (options: unknown) => Layer {
  const twos = Array.from({ length: axes }, () => 2) as readonly number[];
  const options = {
    poolSize: optional(perAxis(axes), twos),
    strides: optional(perAxis(axes), undefined),
    padding: optional(paddingOption, 'valid' as const),
  } satisfies SchemaOf<Omit<PoolingOptions<2>, keyof LayerOptions>>;
  return defineLayer({
    ...names,
    options,
    outputShape(o, input) {
      return [...windowedSize(axes, input, windowOf(o)), input.at(-1)!];
    },
    call: (o, x) => pooling(axes, x, windowOf(o), pool),
  });
}
