/** flatten: each sample as one row; no computation. */
import { sizeOf } from '../graph/shape.js';
import { reshape } from '../ops/reshape.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

const make = defineLayer({
  className: 'Flatten',
  factory: 'flatten',
  baseName: 'flatten',
  options: {},
  outputShape: (_options, input) => [sizeOf(input)],
  call: (_options, x) => reshape(x, [x.shape[0]!, sizeOf(x.shape.slice(1))]),
});

/** Each sample as one row: [rows, a, b, …] → [rows, a·b·…]. */
export function flatten(options?: LayerOptions): Layer {
  return make(options);
}
