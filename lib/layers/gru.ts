/**
 * gru (Cho et al. 2014). Gates in Keras's order z, r, h: h ← z·h + (1 − z)·ĥ, where z and r are sigmoids of
 * x·kernel + bias + h·recurrent_kernel, and the candidate ĥ = φ(x_h + r·(h·u_h + b_h)) with the reset gate after the product
 * (cuDNN's form, the default), φ(x_h + (r·h)·u_h) with the reset gate before it (the paper's first form).
 * Weights: kernel [in, 3·units], recurrent_kernel [units, 3·units], bias [2, 3·units] (of inputs, of states) or [3·units].
 */
import type { Activation } from '../activations/activation.js';
import { gru as gruOf } from '../ops/gru.js';
import type { CellActivation } from '../ops/recurrence.js';
import { rowProducts } from '../ops/row_products.js';
import { sliceAxis } from '../ops/pad.js';
import { reshape } from '../ops/reshape.js';
import { boolean, optional, type Checked, type SchemaOf } from '../options.js';
import { cellActivation, cellOptions, cellWeights, defineCell, dropFeatures, stateFactors } from './cell.js';
import type { Cell, CellOptions } from './cell.js';
import type { CallContext, Layer, LayerOptions } from './define_layer.js';
import { defineRecurrent, type RecurrentOptions } from './recurrent.js';
import { weight } from './weight_options.js';

export interface GRUCellOptions extends CellOptions {
  /** Applied to the gates z and r; one of those that `activation` may be. Default `sigmoid`. */
  recurrentActivation?: CellActivation | Activation;
  /** Whether the reset gate comes after the product with the recurrent kernel, which then has a bias of its own. Default true. */
  resetAfter?: boolean;
}

export interface GRUOptions extends GRUCellOptions, RecurrentOptions {}

const options = {
  ...cellOptions,
  recurrentActivation: optional(cellActivation, 'sigmoid' as const),
  resetAfter: optional(boolean, true),
} satisfies SchemaOf<Omit<GRUCellOptions, keyof LayerOptions>>;

function gruCellOf(o: Checked<typeof options>): Cell {
  const { units, activation, recurrentActivation, useBias, resetAfter } = o;
  /** The biases of inputs and of states. */
  const biases = (context: CallContext) => {
    if (!useBias) return [];
    const bias = context.weight('bias');
    return resetAfter ? [0, 1].map((row) => reshape(sliceAxis(bias, 0, row, row + 1), [3 * units])) : [bias];
  };
  return {
    axes: ['features'],
    weights: (step) => cellWeights(o, step, 3, () => weight(o, 'bias', resetAfter ? [2, 3 * units] : [3 * units])),
    states: () => [{ role: 'h', shape: [units] }],
    output: () => [units],
    run(x, { context, states: [h0], mask, direction }) {
      const [inputBias, bias] = biases(context);
      const xw = rowProducts(dropFeatures(x, o.dropout, context), context.weight('kernel'), inputBias);
      const keep = stateFactors([x.shape[0]!, units], o.recurrentDropout, context);
      const reset = resetAfter ? 'after' : 'before';
      const given = { bias, h0, mask, keep, direction, activation, recurrentActivation, reset } as const;
      const { y, h } = gruOf(xw, context.weight('recurrent_kernel'), given);
      return { y, last: h, states: [h] };
    },
  };
}

const makeCell = defineCell({ className: 'GRUCell', factory: 'gruCell', baseName: 'gru_cell', options, cell: gruCellOf });
const make = defineRecurrent({ className: 'GRU', factory: 'gru', baseName: 'gru', options, cell: gruCellOf });

/**
 * Gated recurrent units over a sequence (Cho et al. 2014), [rows, time, features] → [rows, units], or [rows, time, units] with
 * `returnSequences`. At each step h ← z·h + (1 − z)·ĥ with z, r = recurrentActivation of their parts of
 * x·kernel + bias + h·recurrent_kernel, and ĥ = activation(x_h + r·(h·u_h + b_h)); with `resetAfter: false`
 * ĥ = activation(x_h + (r·h)·u_h). Apply it to [x, h] for an initial state h [rows, units]; ERR_SHAPE where it has another
 * shape. Weights: kernel [in, 3·units], recurrent_kernel [units, 3·units], bias [2, 3·units], whose rows are added to what
 * comes from inputs and from states; [3·units] with `resetAfter: false`.
 */
export function gru(options: GRUOptions): Layer {
  return make(options);
}

/** One step of a GRU, for `rnn`, or applied to [x, h]: the results are the output and the new h. */
export function gruCell(options: GRUCellOptions): Layer {
  return makeCell(options);
}
