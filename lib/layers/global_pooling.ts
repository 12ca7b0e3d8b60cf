/** What the poolings over whole samples share: each channel becomes one number. */
import type { Value } from '../graph/graph.js';
import { boolean, optional, type Axes, type SchemaOf } from '../options.js';
import type { LayerNames } from './conv.js';
import { defineLayer, type CallContext, type Layer, type LayerOptions } from './define_layer.js';
import { axesOf } from './window.js';

export interface GlobalPoolingOptions extends LayerOptions {
  /** Whether the axes stay, with one element each. Default false. */
  keepDims?: boolean;
}

const options = {
  keepDims: optional(boolean, false),
} satisfies SchemaOf<Omit<GlobalPoolingOptions, keyof LayerOptions>>;

/** Makes the factory of a global pooling over `axes` axes from its names and what it does over `over`. */
export function defineGlobalPooling(
  axes: Axes,
  names: LayerNames,
  reduce: (x: Value, over: readonly number[], keepDims: boolean, context: CallContext) => Value,
): (options: unknown) => Layer {
  return defineLayer({
    ...names,
    options,
    outputShape(o, input) {
      const ones = axesOf(axes, input).map(() => 1);
      return [...(o.keepDims ? ones : []), input.at(-1)!];
    },
    call(o, x, context) {
      return reduce(
        x,
        Array.from({ length: axes }, (_, i) => i + 1),
        o.keepDims,
        context,
      );
    },
  });
}
