/** unitNormalization: vectors along some axes scaled to length 1. */
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { optional, type SchemaOf } from '../options.js';
import { axesOption, sampleAxes } from './axes.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface UnitNormalizationOptions extends LayerOptions {
  /** The axis or axes that make a vector, the batch being 0. Default −1. */
  axis?: number | readonly number[];
}

const options = { axis: optional(axesOption, -1) } satisfies SchemaOf<Omit<UnitNormalizationOptions, keyof LayerOptions>>;

const SHORTEST = 1e-12;

const make = defineLayer({
  className: 'UnitNormalization',
  factory: 'unitNormalization',
  baseName: 'unit_normalization',
  options,
  mask: 'pass',
  outputShape(o, input) {
    sampleAxes(o.axis, input);
    return input;
  },
  call(o, x) {
    const axes = sampleAxes(o.axis, x.shape.slice(1)).map((axis) => axis + 1);
    const squares = sum(elementwise('square', x), axes, true);
    return elementwise('div', x, elementwise('sqrt', elementwise('maximum', squares, SHORTEST ** 2)));
  },
});

/** y = x/√(Σ x² over `axis`), [rows, …] → the same; lengths below 1e-12 count as 1e-12, so zeros stay zeros. */
export function unitNormalization(options: UnitNormalizationOptions = {}): Layer {
  return make(options);
}
