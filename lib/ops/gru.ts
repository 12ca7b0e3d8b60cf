/**
 * gru over a sequence (Cho et al. 2014). Per step, with gates in Keras's order z, r, h and k = h·keep:
 * z = σ(xw_z + k·u_z + b_z), r = σ(xw_r + k·u_r + b_r), and the candidate ĥ = φ(xw_h + r·(k·u_h + b_h)) where the reset gate
 * comes `after` the product (cuDNN's form), φ(xw_h + (r·k)·u_h) where it comes `before`; h ← z·h + (1 − z)·ĥ.
 *
 * Inputs: xw [B, T, 3H] (products with the kernel, input bias added), u [H, 3H], bias [3H] (b; `after` only), h0 [B, H], mask
 * [B, T], keep [B, H]. Outputs: y [B, T, H], the last state h [B, H]; for the gradient gates [B, T, 3H] (z, r, ĥ), inner
 * [B, T, H] (`after`: k·u_h + b_h; `before`: r·k) and hPrev. gruDx yields the gradients by xw, by what the state added to it
 * (dhw, `after` only: it differs in the candidate's part) and by h0; overwrites.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { concat } from './concat.js';
import { sliceAxis } from './pad.js';
import { sum } from './reduce_sum.js';
import {
  checkDifferentiable,
  checkRecurrence,
  float,
  metKernel,
  optionalFloat,
  optionalOverTime,
  overTime,
  recurrenceAttrs,
  recurrentActivation,
  stepProducts,
  type CellActivation,
  type Direction,
} from './recurrence.js';

const attrs = {
  ...recurrenceAttrs,
  recurrentActivation,
  reset: { type: 'enum', values: ['after', 'before'], default: 'after' },
} as const;

export const gruOp = defineOp({
  name: 'gru',
  inputs: { xw: overTime, u: float, bias: optionalFloat, h0: optionalFloat, mask: optionalFloat, keep: optionalFloat },
  outputs: {
    y: optionalOverTime,
    h: optionalFloat,
    gates: { ...optionalOverTime, inPlace: ['xw'] },
    inner: optionalOverTime,
    hPrev: optionalOverTime,
  },
  attrs,
  infer(given, { reset }): Record<string, TensorType> {
    const [b, t, h] = checkRecurrence(given, 3);
    if (given.bias && reset === 'before') {
      throw new GradstepError('ERR_SHAPE', 'A gru whose reset gate comes before the product has no recurrent bias');
    }
    const type = (...shape: number[]): TensorType => ({ dtype: 'float32', shape });
    return { y: type(b, t, h), h: type(b, h), gates: type(b, t, 3 * h), inner: type(b, t, h), hPrev: type(b, t, h) };
  },
  backward(context) {
    checkDifferentiable(context, ['y', 'h']);
    const { node, grads, needs } = context;
    const { xw, u, bias, h0, mask, keep } = node.inputs as Record<string, Value>;
    const { gates, inner, hPrev } = node.outputs as Record<string, Value>;
    const given = { u, gates, inner, hPrev, h0, mask, keep, dy: grads.y, dh: grads.h };
    const { dxw, dhw, dh0 } = xw!.graph.add(gruDxOp, given, node.attrs).outputs;
    const kernel = (): Value => {
      const met = metKernel(hPrev!, keep);
      if (dhw) return stepProducts(met, dhw);
      const units = u!.shape[0]!;
      const [gatesOf, candidate] = [sliceAxis(dxw!, 2, 0, 2 * units), sliceAxis(dxw!, 2, 2 * units, 3 * units)];
      return concat([stepProducts(met, gatesOf), stepProducts(inner!, candidate)], 1);
    };
    return {
      xw: dxw,
      u: needs('u') ? kernel() : undefined,
      bias: bias && needs('bias') ? sum(dhw!, [0, 1]) : undefined,
      h0: dh0,
    };
  },
});

export const gruDxOp = defineOp({
  name: 'gruDx',
  inputs: {
    u: float,
    gates: overTime,
    inner: overTime,
    hPrev: overTime,
    h0: optionalFloat,
    mask: optionalFloat,
    keep: optionalFloat,
    dy: optionalOverTime,
    dh: optionalFloat,
  },
  outputs: { dxw: { ...overTime, inPlace: ['gates'] }, dhw: optionalOverTime, dh0: optionalFloat },
  attrs,
  infer({ gates, h0 }, { reset }): Record<string, TensorType> {
    const dxw: TensorType = { dtype: 'float32', shape: gates!.shape };
    return { dxw, ...(reset === 'after' && { dhw: dxw }), ...(h0 && { dh0: { dtype: 'float32', shape: h0.shape } }) };
  },
});

export interface GruOptions {
  /** Recurrent bias [3H]; only where the reset gate comes after the product. */
  bias?: Value | undefined;
  /** Initial state [B, H]; zeros by default. */
  h0?: Value | undefined;
  /** [B, T]: 0 for steps that leave the state as it is. */
  mask?: Value | undefined;
  /** [B, H]: what the state is multiplied by before it meets the recurrent kernel. */
  keep?: Value | undefined;
  direction?: Direction;
  activation?: CellActivation;
  recurrentActivation?: CellActivation;
  /** Whether the reset gate comes after the product with the recurrent kernel, or before. */
  reset?: 'after' | 'before';
}

/** Runs a GRU over xw [B, T, 3H]: all states [B, T, H] and the last [B, H]. */
export function gru(xw: Value, u: Value, options: GruOptions = {}): { y: Value; h: Value } {
  const {
    bias,
    h0,
    mask,
    keep,
    direction = 'forward',
    activation = 'tanh',
    recurrentActivation = 'sigmoid',
    reset = 'after',
  } = options;
  const inputs = { xw, u, bias, h0, mask, keep };
  const { y, h } = xw.graph.add(gruOp, inputs, { direction, activation, recurrentActivation, reset }).outputs;
  return { y: y!, h: h! };
}
