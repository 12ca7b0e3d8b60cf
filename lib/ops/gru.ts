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
import type { Node, Value } from '../graph/graph.js';
import { pullBack, type Named } from './autodiff.js';
import { concat } from './concat.js';
import { addGiven, constant, elementwise } from './map.js';
import { matmul } from './matmul.js';
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
import { backTwice, byStates, cellFunction, part, unroll } from './recurrence_steps.js';

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
    checkDifferentiable(context, ['y', 'h', 'hPrev', 'inner']);
    const { node, grads, needs } = context;
    const { xw, u, bias, h0, mask, keep } = node.inputs as Record<string, Value>;
    const { gates, inner, hPrev } = node.outputs as Record<string, Value>;
    const { dy, dh0: throughPrevious } = byStates(node, grads);
    const through = pullBack({ xw, u, bias, h0 }, (given) => stepByStep(given, node), { inner: grads.inner });
    if (!dy && !grads.h) return { ...through, h0: addGiven(through.h0, throughPrevious) };
    const given = { u, gates, inner, hPrev, h0, mask, keep, dy, dh: grads.h };
    const { dxw, dhw, dh0 } = xw!.graph.add(gruDxOp, given, node.attrs).outputs;
    const kernel = (): Value => {
      const met = metKernel(hPrev!, keep);
      if (dhw) return stepProducts(met, dhw);
      const units = u!.shape[0]!;
      const [gatesOf, candidate] = [sliceAxis(dxw!, 2, 0, 2 * units), sliceAxis(dxw!, 2, 2 * units, 3 * units)];
      return concat([stepProducts(met, gatesOf), stepProducts(inner!, candidate)], 1);
    };
    return {
      xw: addGiven(dxw, through.xw),
      u: needs('u') ? addGiven(kernel(), through.u) : undefined,
      bias: bias && needs('bias') ? addGiven(sum(dhw!, [0, 1]), through.bias) : undefined,
      h0: addGiven(addGiven(dh0, through.h0), throughPrevious),
    };
  },
});

/** gru written out; `hw` [B, T, 3H], where given, is added to what the state adds to xw. */
function stepByStep(given: Named, node: Node): Named {
  const [activation, gate] = [cellFunction(node, 'activation'), cellFunction(node, 'recurrentActivation')];
  const units = node.inputs.u!.shape[0]!;
  const isAfter = node.attrs.reset === 'after';
  return unroll(given, node, ({ xw, u, bias, hw }, met, { h: before }) => {
    // What the state adds, of some of the gates.
    const added = (state: Value, first: number, end: number): Value => {
      const cut = (v: Value, axis: number): Value => sliceAxis(v, axis, first * units, end * units);
      const product = matmul(state, cut(u!, 1));
      return [bias && cut(bias, 0), hw && cut(hw, 1)].reduce<Value>((sum, v) => addGiven(sum, v)!, product);
    };
    const [zr, candidate] = [sliceAxis(xw!, 1, 0, 2 * units), part(xw!, 2, units)];
    const gates = gate(elementwise('add', zr, added(met, 0, 2)));
    const [z, r] = [part(gates, 0, units), part(gates, 1, units)];
    const inner = isAfter ? added(met, 2, 3) : elementwise('mul', r, met);
    const reset = isAfter ? elementwise('mul', r, inner) : added(inner, 2, 3);
    const fresh = activation(elementwise('add', candidate, reset));
    const h = elementwise('add', elementwise('mul', z, before), elementwise('mul', elementwise('sub', 1, z), fresh));
    return { h, inner };
  });
}

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
  backward(context) {
    checkDifferentiable(context, ['dxw', 'dhw', 'dh0']);
    const { node, grads, give } = context;
    const forward = node.inputs.gates!.node!;
    const { xw, u, bias, h0 } = forward.inputs;
    const hw = grads.dhw && constant(xw!.graph, 0, xw!.shape);
    const arriving = { xw: grads.dxw, hw: grads.dhw, h0: grads.dh0 };
    const found = backTwice(node, { xw, u, bias, h0, hw }, (given) => stepByStep(given, forward), arriving);
    give(xw!, found.xw);
    if (bias) give(bias, found.bias);
    return found;
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
