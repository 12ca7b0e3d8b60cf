/**
 * mlp: two to four dense layers, y_l = activation_l(y_{l−1}·w_l + bias_l) with y_0 = x, in one launch. mlpGrad: what goes
 * back through them, from dz, the gradient by the last layer's sums (before its activation): dz_l = (dz_{l+1}·w_{l+1}ᵀ) times
 * the slope of activation_l, dw_l = y_{l−1}ᵀ·dz_l, dbias_l = Σ_rows dz_l, dx = dz_1·w_1ᵀ. Both overwrite.
 *
 * x [rows, n_0], w_l [n_{l−1}, n_l], bias_l [n_l], y_l [rows, n_l]; n_0 ≤ MLP_INPUTS, the other widths ≤ MLP_WIDTH.
 * lib/compile/fuse_mlp.ts makes them of matrix products and takes their shapes from those; for CUDA only, where the launches
 * of small layers cost more than their arithmetic.
 */
import { defineOp, type TensorType } from '../graph/define_op.js';
import { precision } from './precision.js';

export const MLP_LAYERS = 4;
export const MLP_WIDTH = 128;
/** Four rows of so many fit into a block's 48 KB of shared memory, beside the sums of its threads. */
export const MLP_INPUTS = 1024;

/** Activations whose slope follows from their value. */
export const MLP_ACTIVATIONS = ['linear', 'relu', 'tanh', 'sigmoid'] as const;
export type MlpActivation = (typeof MLP_ACTIVATIONS)[number];

const float = { dtypes: ['float32'] } as const;
const optionalFloat = { ...float, optional: true } as const;
const activation = { type: 'enum', values: MLP_ACTIVATIONS, default: 'linear' } as const;

/** Fields of the layers from `first` to `last`, by name and number. */
function numbered<T>(name: string, first: number, last: number, field: T): Record<string, T> {
  return Object.fromEntries(Array.from({ length: last - first + 1 }, (_, i) => [`${name}${first + i}`, field]));
}

const matrix = (rows: number, columns: number): TensorType => ({ dtype: 'float32', shape: [rows, columns] });

/** The kernels that are given, each with its layer's number. */
function weightsOf(inputs: Readonly<Record<string, TensorType>>): [string, TensorType][] {
  return Object.entries(inputs).flatMap(([name, of]) => (/^w\d$/.test(name) ? [[name.slice(1), of]] : []));
}

export const mlpOp = defineOp({
  name: 'mlp',
  inputs: {
    x: float,
    ...numbered('w', 1, 2, float),
    ...numbered('w', 3, MLP_LAYERS, optionalFloat),
    ...numbered('bias', 1, MLP_LAYERS, optionalFloat),
  },
  outputs: numbered('y', 1, MLP_LAYERS, optionalFloat),
  attrs: { ...numbered('activation', 1, MLP_LAYERS, activation), precision },
  infer({ x, ...given }) {
    const rows = x!.shape[0]!;
    const layers = weightsOf(given).map(([l, { shape }]) => [`y${l}`, matrix(rows, shape[1]!)] as const);
    return Object.fromEntries(layers);
  },
  backends: ['cuda'],
});

export const mlpGradOp = defineOp({
  name: 'mlpGrad',
  inputs: {
    dz: float,
    x: float,
    y1: float,
    ...numbered('y', 2, MLP_LAYERS - 1, optionalFloat),
    w1: optionalFloat,
    w2: float,
    ...numbered('w', 3, MLP_LAYERS, optionalFloat),
  },
  outputs: {
    ...numbered('dw', 1, MLP_LAYERS, optionalFloat),
    ...numbered('dbias', 1, MLP_LAYERS, optionalFloat),
    dx: optionalFloat,
  },
  attrs: { ...numbered('activation', 1, MLP_LAYERS - 1, activation), precision },
  infer({ dz, x, y1, ...given }) {
    const first = matrix(x!.shape[1]!, y1!.shape[1]!);
    const kernels = [['1', first] as const, ...weightsOf(given).filter(([l]) => l !== '1')];
    const made = kernels.flatMap(([l, { shape }]): [string, TensorType][] => [
      [`dw${l}`, matrix(shape[0]!, shape[1]!)],
      [`dbias${l}`, { dtype: 'float32', shape: [shape[1]!] }],
    ]);
    return { ...Object.fromEntries(made), dx: matrix(dz!.shape[0]!, x!.shape[1]!) };
  },
  backends: ['cuda'],
});
