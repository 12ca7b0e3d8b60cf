/**
 * lstm over a sequence (Hochreiter & Schmidhuber 1997, with forget gates: Gers et al. 2000). Per step, with gates in Keras's
 * order i, f, g, o: z = xw + (h·keep)·u, i = σ(z_i), f = σ(z_f), g = φ(z_g), o = σ(z_o), c ← f·c + i·g, h ← o·φ(c).
 *
 * Inputs: xw [B, T, 4H] (products with the kernel, bias added), u [H, 4H], h0 and c0 [B, H] (zeros where absent), mask
 * [B, T], keep [B, H]. Outputs: y [B, T, H], the last states h and c [B, H]; for the gradient gates [B, T, 4H] (i, f, g, o),
 * cells [B, T, H] (c after each step) and hPrev. lstmDx yields the gradients by xw, h0 and c0; overwrites.
 */
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Node, Value } from '../graph/graph.js';
import type { Named } from './autodiff.js';
import { addGiven, elementwise } from './map.js';
import { matmul } from './matmul.js';
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

const attrs = { ...recurrenceAttrs, recurrentActivation } as const;

export const lstmOp = defineOp({
  name: 'lstm',
  inputs: { xw: overTime, u: float, h0: optionalFloat, c0: optionalFloat, mask: optionalFloat, keep: optionalFloat },
  outputs: {
    y: optionalOverTime,
    h: optionalFloat,
    c: optionalFloat,
    gates: { ...optionalOverTime, inPlace: ['xw'] },
    cells: optionalFloat,
    hPrev: optionalOverTime,
  },
  attrs,
  infer(given): Record<string, TensorType> {
    const [b, t, h] = checkRecurrence(given, 4);
    const type = (...shape: number[]): TensorType => ({ dtype: 'float32', shape });
    return {
      y: type(b, t, h),
      h: type(b, h),
      c: type(b, h),
      gates: type(b, t, 4 * h),
      cells: type(b, t, h),
      hPrev: type(b, t, h),
    };
  },
  backward(context) {
    checkDifferentiable(context, ['y', 'h', 'c', 'hPrev']);
    const { node, grads, needs } = context;
    const { xw, u, h0, c0, mask, keep } = node.inputs as Record<string, Value>;
    const { gates, cells, hPrev } = node.outputs as Record<string, Value>;
    const { dy, dh0: throughPrevious } = byStates(node, grads);
    if (!dy && !grads.h && !grads.c) return { h0: throughPrevious };
    const given = { u, gates, cells, h0, c0, mask, keep, dy, dh: grads.h, dc: grads.c };
    const { dxw, dh0, dc0 } = xw!.graph.add(lstmDxOp, given, node.attrs).outputs;
    return {
      xw: dxw,
      u: needs('u') ? stepProducts(metKernel(hPrev!, keep), dxw!) : undefined,
      h0: addGiven(dh0, throughPrevious),
      c0: dc0,
    };
  },
});

/** lstm written out. */
function stepByStep(given: Named, node: Node): Named {
  const [activation, gate] = [cellFunction(node, 'activation'), cellFunction(node, 'recurrentActivation')];
  const units = node.inputs.u!.shape[0]!;
  return unroll(given, node, ({ xw, u }, met, { c: before }) => {
    const z = elementwise('add', xw!, matmul(met, u!));
    const [i, f, g, o] = [
      gate(part(z, 0, units)),
      gate(part(z, 1, units)),
      activation(part(z, 2, units)),
      gate(part(z, 3, units)),
    ];
    const c = elementwise('add', elementwise('mul', f, before), elementwise('mul', i, g));
    return { h: elementwise('mul', o, activation(c)), c };
  });
}

export const lstmDxOp = defineOp({
  name: 'lstmDx',
  inputs: {
    u: float,
    gates: overTime,
    cells: float,
    h0: optionalFloat,
    c0: optionalFloat,
    mask: optionalFloat,
    keep: optionalFloat,
    dy: optionalOverTime,
    dh: optionalFloat,
    dc: optionalFloat,
  },
  outputs: { dxw: { ...overTime, inPlace: ['gates'] }, dh0: optionalFloat, dc0: optionalFloat },
  attrs,
  infer({ gates, h0, c0 }): Record<string, TensorType> {
    return {
      dxw: { dtype: 'float32', shape: gates!.shape },
      ...(h0 && { dh0: { dtype: 'float32', shape: h0.shape } }),
      ...(c0 && { dc0: { dtype: 'float32', shape: c0.shape } }),
    };
  },
  backward(context) {
    checkDifferentiable(context, ['dxw', 'dh0', 'dc0']);
    const { node, grads, give } = context;
    const forward = node.inputs.gates!.node!;
    const { xw, u, h0, c0 } = forward.inputs;
    const arriving = { xw: grads.dxw, h0: grads.dh0, c0: grads.dc0 };
    const found = backTwice(node, { xw, u, h0, c0 }, (given) => stepByStep(given, forward), arriving);
    give(xw!, found.xw);
    return found;
  },
});

export interface LstmOptions {
  /** Initial states [B, H]; zeros by default. */
  h0?: Value | undefined;
  c0?: Value | undefined;
  /** [B, T]: 0 for steps that leave the state as it is. */
  mask?: Value | undefined;
  /** [B, H]: what the state is multiplied by before it meets the recurrent kernel. */
  keep?: Value | undefined;
  direction?: Direction;
  activation?: CellActivation;
  recurrentActivation?: CellActivation;
}

/** Runs an LSTM over xw [B, T, 4H]: all states [B, T, H], the last state and the last cell state [B, H]. */
export function lstm(xw: Value, u: Value, options: LstmOptions = {}): { y: Value; h: Value; c: Value } {
  const { h0, c0, mask, keep, direction = 'forward', activation = 'tanh', recurrentActivation = 'sigmoid' } = options;
  const inputs = { xw, u, h0, c0, mask, keep };
  const { y, h, c } = xw.graph.add(lstmOp, inputs, { direction, activation, recurrentActivation }).outputs;
  return { y: y!, h: h!, c: c! };
}
