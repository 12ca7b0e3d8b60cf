/** rescaling: y = x · scale + offset; what turns bytes 0…255 into the numbers a network likes. */
import { elementwise } from '../ops/map.js';
import { number, optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface RescalingOptions extends LayerOptions {
  /** Factor of every element: 1 / 255 for bytes. */
  scale: number;
  /** Added to every element afterwards. Default 0. */
  offset?: number;
}

const options = { scale: number(), offset: optional(number(), 0) } satisfies SchemaOf<Omit<RescalingOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Rescaling',
  factory: 'rescaling',
  baseName: 'rescaling',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call({ scale, offset }, x) {
    const scaled = elementwise('mul', x, scale);
    return offset === 0 ? scaled : elementwise('add', scaled, offset);
  },
});

/** y = x · scale + offset: [rows, …] → [rows, …]. */
export function rescaling(options: RescalingOptions): Layer {
  return make(options);
}
