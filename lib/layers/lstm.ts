/**
 * lstm (Hochreiter & Schmidhuber 1997; forget gates: Gers et al. 2000). Gates in Keras's order i, f, c, o:
 * c ← f·c + i·φ(z_c), h ← o·φ(c), where z = x·kernel + bias + h·recurrent_kernel and i, f, o = σ(z_i), σ(z_f), σ(z_o).
 * Weights: kernel [in, 4·units], recurrent_kernel [units, 4·units], bias [4·units].
 */
import type { Activation } from '../activations/activation.js';
import type { Initializer } from '../initializers/initializer.js';
import { lstm as lstmOf } from '../ops/lstm.js';
import type { CellActivation } from '../ops/recurrence.js';
import { rowProducts } from '../ops/row_products.js';
import { boolean, optional, type Checked, type SchemaOf } from '../options.js';
import { cellActivation, cellOptions, cellWeights, defineCell, dropFeatures, stateFactors } from './cell.js';
import type { Cell, CellOptions } from './cell.js';
import type { Layer, LayerOptions, WeightSpec } from './define_layer.js';
import { defineRecurrent, type RecurrentOptions } from './recurrent.js';
import { weight, type CheckedWeight } from './weight_options.js';

export interface LSTMCellOptions extends CellOptions {
  /** Applied to the gates i, f and o; one of those that `activation` may be. Default `sigmoid`. */
  recurrentActivation?: CellActivation | Activation;
  /** Whether the forget gate's bias begins at 1 (Jozefowicz et al. 2015). Default true. */
  unitForgetBias?: boolean;
}

export interface LSTMOptions extends LSTMCellOptions, RecurrentOptions {}

const options = {
  ...cellOptions,
  recurrentActivation: optional(cellActivation, 'sigmoid' as const),
  unitForgetBias: optional(boolean, true),
} satisfies SchemaOf<Omit<LSTMCellOptions, keyof LayerOptions>>;

/** The bias of four gates: the second of them, which forgets, begins at 1 where `unitForgetBias` says so. */
export function gateBias(o: CheckedWeight<'bias'> & { readonly unitForgetBias: boolean }, units: number): WeightSpec {
  const bias = weight(o, 'bias', [4 * units]);
  return o.unitForgetBias ? { ...bias, initializer: forgetsLittle(bias.initializer, units) } : bias;
}

function forgetsLittle(others: Initializer, units: number): Initializer {
  return {
    ...others,
    sampler() {
      const [first, last] = [others.sampler([units]), others.sampler([2 * units])];
      let at = 0;
      return (random) => {
        const gate = Math.floor(at++ / units);
        return gate === 1 ? 1 : (gate === 0 ? first : last)(random);
      };
    },
  };
}

function lstmCellOf(o: Checked<typeof options>): Cell {
  const { units, activation, recurrentActivation, useBias } = o;
  return {
    axes: ['features'],
    weights: (step) => cellWeights(o, step, 4, () => gateBias(o, units)),
    states: () => [
      { role: 'h', shape: [units] },
      { role: 'c', shape: [units] },
    ],
    output: () => [units],
    run(x, { context, states: [h0, c0], mask, direction }) {
      const bias = useBias ? context.weight('bias') : undefined;
      const xw = rowProducts(dropFeatures(x, o.dropout, context), context.weight('kernel'), bias);
      const keep = stateFactors([x.shape[0]!, units], o.recurrentDropout, context);
      const given = { h0, c0, mask, keep, direction, activation, recurrentActivation };
      const { y, h, c } = lstmOf(xw, context.weight('recurrent_kernel'), given);
      return { y, last: h, states: [h, c] };
    },
  };
}

const makeCell = defineCell({ className: 'LSTMCell', factory: 'lstmCell', baseName: 'lstm_cell', options, cell: lstmCellOf });
const make = defineRecurrent({ className: 'LSTM', factory: 'lstm', baseName: 'lstm', options, cell: lstmCellOf });

/**
 * Long short-term memory over a sequence (Hochreiter & Schmidhuber 1997), [rows, time, features] → [rows, units], or
 * [rows, time, units] with `returnSequences`. At each step, with z = x·kernel + bias + h·recurrent_kernel, whose four parts
 * belong to i, f, c and o: c ← f·c + i·activation(z_c), h ← o·activation(c), and i, f, o = recurrentActivation of theirs.
 * Apply it to [x, h, c] for initial states [rows, units]; ERR_SHAPE where they have another shape. With `returnState` the
 * results are [y, h, c]. Weights: kernel [in, 4·units], recurrent_kernel [units, 4·units], bias [4·units].
 */
export function lstm(options: LSTMOptions): Layer {
  return make(options);
}

/** One step of an LSTM, for `rnn`, or applied to [x, h, c]: the results are the output and the new h and c. */
export function lstmCell(options: LSTMCellOptions): Layer {
  return makeCell(options);
}
