/**
 * simpleRNN (Elman 1990): h ← φ(x·kernel + bias + h·recurrent_kernel).
 * Weights: kernel [in, units], recurrent_kernel [units, units], bias [units].
 */
import { simpleRnn } from '../ops/simple_rnn.js';
import { rowProducts } from '../ops/row_products.js';
import { cellOptions, cellWeights, defineCell, dropFeatures, stateFactors } from './cell.js';
import type { Cell, CellOptions, CheckedCell } from './cell.js';
import type { Layer } from './define_layer.js';
import { defineRecurrent, type RecurrentOptions } from './recurrent.js';
import { weight } from './weight_options.js';

export type SimpleRNNCellOptions = CellOptions;

export interface SimpleRNNOptions extends CellOptions, RecurrentOptions {}

function simpleRNNCellOf(o: CheckedCell): Cell {
  const { units, activation, useBias } = o;
  return {
    axes: ['features'],
    weights: (step) => cellWeights(o, step, 1, () => weight(o, 'bias', [units])),
    states: () => [{ role: 'h', shape: [units] }],
    output: () => [units],
    run(x, { context, states: [h0], mask, direction }) {
      const bias = useBias ? context.weight('bias') : undefined;
      const xw = rowProducts(dropFeatures(x, o.dropout, context), context.weight('kernel'), bias);
      const keep = stateFactors([x.shape[0]!, units], o.recurrentDropout, context);
      const { y, h } = simpleRnn(xw, context.weight('recurrent_kernel'), { h0, mask, keep, direction, activation });
      return { y, last: h, states: [h] };
    },
  };
}

const makeCell = defineCell({
  className: 'SimpleRNNCell',
  factory: 'simpleRNNCell',
  baseName: 'simple_rnn_cell',
  options: cellOptions,
  cell: simpleRNNCellOf,
});

const make = defineRecurrent({
  className: 'SimpleRNN',
  factory: 'simpleRNN',
  baseName: 'simple_rnn',
  options: cellOptions,
  cell: simpleRNNCellOf,
});

/**
 * A simple recurrent network over a sequence (Elman 1990): h ← activation(x·kernel + bias + h·recurrent_kernel) at each step,
 * [rows, time, features] → [rows, units], or [rows, time, units] with `returnSequences`. Apply it to [x, h] for an initial
 * state h [rows, units]; ERR_SHAPE where it has another shape. Weights: kernel [in, units], recurrent_kernel [units, units],
 * bias [units].
 */
export function simpleRNN(options: SimpleRNNOptions): Layer {
  return make(options);
}

/** One step of a simple recurrent network, for `rnn`, or applied to [x, h]: the results are the output and the new h. */
export function simpleRNNCell(options: SimpleRNNCellOptions): Layer {
  return makeCell(options);
}
