/** conv1d: convolution over time. */
import { defineConv, type ConvOptions } from './conv.js';
import type { Layer } from './define_layer.js';

export type Conv1dOptions = ConvOptions<1>;

const make = defineConv(1, { className: 'Conv1D', factory: 'conv1d', baseName: 'conv1d' });

/**
 * A 1-D convolution: [rows, steps, in] → [rows, steps′, filters].
 * Weights: kernel [kernelSize, in/groups, filters], bias [filters].
 */
export function conv1d(options: Conv1dOptions): Layer {
  return make(options);
}
