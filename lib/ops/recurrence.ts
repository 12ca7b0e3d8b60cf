/**
 * What the recurrent ops (lstm, gru, simple_rnn) share. Each runs one cell over a whole sequence: it takes the products of
 * the inputs of all steps with the kernel (`xw`, one matmul), and does per step what depends on the step before. Batch B,
 * steps T, units H; arrays over time are [B, T, …].
 *
 * `hPrev` [B, T, H] is the state that each step began with: the gradient of the recurrent kernel is one matmul over it.
 * A step whose `mask` [B, T] is 0 leaves the state as it is and yields it again; its gradients by `xw` are zero. `keep`
 * [B, H] multiplies the state before it meets the recurrent kernel (recurrent dropout); it has no gradient.
 */
import { GradstepError } from '../errors.js';
import type { BackwardContext, TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { elementwise } from './map.js';
import { matmul } from './matmul.js';
import { precision } from './precision.js';
import { reshape } from './reshape.js';

/**
 * forward: from the first step to the last. backward: from the last to the first, each result at its input's step.
 * reversed: backward, results in the order in which they were made.
 */
export const DIRECTIONS = ['forward', 'backward', 'reversed'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Activations whose slope follows from their value. */
export const CELL_ACTIVATIONS = [
  'linear',
  'relu',
  'relu6',
  'tanh',
  'sigmoid',
  'hardSigmoid',
  'softsign',
  'softplus',
  'elu',
  'selu',
  'exponential',
] as const;
export type CellActivation = (typeof CELL_ACTIVATIONS)[number];

export const float = { dtypes: ['float32'] } as const;
export const optionalFloat = { dtypes: ['float32'], optional: true } as const;
/** Arrays over time, which may be stored in bfloat16; states, which go from step to step, may not. */
export const overTime = { dtypes: ['float32', 'bfloat16'] } as const;
export const optionalOverTime = { dtypes: ['float32', 'bfloat16'], optional: true } as const;

export const recurrenceAttrs = {
  direction: { type: 'enum', values: DIRECTIONS, default: 'forward' },
  activation: { type: 'enum', values: CELL_ACTIVATIONS, default: 'tanh' },
  precision,
} as const;

export const recurrentActivation = { type: 'enum', values: CELL_ACTIVATIONS, default: 'sigmoid' } as const;

/** [B, T, H] of a recurrence with so many gates; ERR_SHAPE where its inputs do not fit together. */
export function checkRecurrence(given: Readonly<Record<string, TensorType>>, gates: number): [number, number, number] {
  const [xw, u] = [given.xw!.shape, given.u!.shape];
  const [b, t] = xw as [number, number];
  const h = u[0]!;
  if (xw.length !== 3 || !sameShape(u, [h, gates * h]) || xw[2] !== gates * h) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Cannot run inputs of shape ${formatShape(xw)} through a recurrent kernel ${formatShape(u)}`,
    );
  }
  const expected: Record<string, readonly number[]> = {
    h0: [b, h],
    c0: [b, h],
    keep: [b, h],
    mask: [b, t],
    bias: [gates * h],
  };
  for (const [name, shape] of Object.entries(expected)) {
    const value = given[name];
    if (value && !sameShape(value.shape, shape)) {
      const what = { h0: 'an initial state', c0: 'an initial state', mask: 'a mask', keep: 'factors', bias: 'a bias' }[name];
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected ${what} of shape ${formatShape(shape)} but received ${formatShape(value.shape)}`,
      );
    }
  }
  return [b, t, h];
}

/** ERR_NOT_DIFFERENTIABLE where a gradient is wanted that there is none of. */
export function checkDifferentiable({ node, grads, needs }: BackwardContext, differentiable: readonly string[]): void {
  const constant = ['mask', 'keep'].find((name) => node.inputs[name] && needs(name));
  if (constant) throw new GradstepError('ERR_NOT_DIFFERENTIABLE', `${node.op.name} has no gradient with respect to ${constant}`);
  const through = Object.keys(grads).find((name) => grads[name] && !differentiable.includes(name));
  if (through) throw new GradstepError('ERR_NOT_DIFFERENTIABLE', `${node.op.name} has no gradient through ${through}`);
}

/** Σ over rows and steps of aᵀ·b, for a [B, T, n] and b [B, T, m]: [n, m]. */
export function stepProducts(a: Value, b: Value): Value {
  const rows = (x: Value): Value => reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!]);
  return matmul(rows(a), rows(b), true);
}

/** What met the recurrent kernel at each step. */
export function metKernel(hPrev: Value, keep: Value | undefined): Value {
  if (!keep) return hPrev;
  const [b, h] = keep.shape as [number, number];
  return elementwise('mul', hPrev, reshape(keep, [b, 1, h]));
}
