/**
 * simpleRnn over a sequence (Elman 1990): h ← φ(xw + (h·keep)·u) per step.
 *
 * Inputs: xw [B, T, H] (products with the kernel, bias added), u [H, H], h0 [B, H] (zeros where absent), mask [B, T], keep
 * [B, H]. Outputs: y [B, T, H], the last state h [B, H], and hPrev for the gradient. simpleRnnDx yields the gradients by xw
 * and h0; overwrites.
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
  stepProducts,
  type CellActivation,
  type Direction,
} from './recurrence.js';
import { backTwice, byStates, cellFunction, unroll } from './recurrence_steps.js';

export const simpleRnnOp = defineOp({
  name: 'simpleRnn',
  inputs: { xw: overTime, u: float, h0: optionalFloat, mask: optionalFloat, keep: optionalFloat },
  outputs: { y: optionalOverTime, h: optionalFloat, hPrev: optionalOverTime },
  attrs: recurrenceAttrs,
  infer(given): Record<string, TensorType> {
    const [b, t, h] = checkRecurrence(given, 1);
    const steps: TensorType = { dtype: 'float32', shape: [b, t, h] };
    return { y: steps, h: { dtype: 'float32', shape: [b, h] }, hPrev: steps };
  },
  backward(context) {
    checkDifferentiable(context, ['y', 'h', 'hPrev']);
    const { node, grads, needs } = context;
    const { xw, u, h0, mask, keep } = node.inputs as Record<string, Value>;
    const { y, hPrev } = node.outputs as Record<string, Value>;
    const { dy, dh0: throughPrevious } = byStates(node, grads);
    if (!dy && !grads.h) return { h0: throughPrevious };
    const given = { u, y, h0, mask, keep, dy, dh: grads.h };
    const { dxw, dh0 } = xw!.graph.add(simpleRnnDxOp, given, node.attrs).outputs;
    return {
      xw: dxw,
      u: needs('u') ? stepProducts(metKernel(hPrev!, keep), dxw!) : undefined,
      h0: addGiven(dh0, throughPrevious),
    };
  },
});

/** simpleRnn written out. */
function stepByStep(given: Named, node: Node): Named {
  const activation = cellFunction(node, 'activation');
  return unroll(given, node, ({ xw, u }, met) => ({ h: activation(elementwise('add', xw!, matmul(met, u!))) }));
}

export const simpleRnnDxOp = defineOp({
  name: 'simpleRnnDx',
  inputs: {
    u: float,
    y: overTime,
    h0: optionalFloat,
    mask: optionalFloat,
    keep: optionalFloat,
    dy: optionalOverTime,
    dh: optionalFloat,
  },
  outputs: { dxw: overTime, dh0: optionalFloat },
  attrs: recurrenceAttrs,
  infer: ({ y, h0 }) => ({
    dxw: { dtype: 'float32', shape: y!.shape },
    ...(h0 && { dh0: { dtype: 'float32' as const, shape: h0.shape } }),
  }),
  backward(context) {
    checkDifferentiable(context, ['dxw', 'dh0']);
    const { node, grads, give } = context;
    const forward = node.inputs.y!.node!;
    const { xw, u, h0 } = forward.inputs;
    const arriving = { xw: grads.dxw, h0: grads.dh0 };
    const found = backTwice(node, { xw, u, h0 }, (given) => stepByStep(given, forward), arriving);
    give(xw!, found.xw);
    return found;
  },
});

export interface SimpleRnnOptions {
  /** Initial state [B, H]; zeros by default. */
  h0?: Value | undefined;
  /** [B, T]: 0 for steps that leave the state as it is. */
  mask?: Value | undefined;
  /** [B, H]: what the state is multiplied by before it meets the recurrent kernel. */
  keep?: Value | undefined;
  direction?: Direction;
  activation?: CellActivation;
}

/** Runs a simple recurrent cell over xw [B, T, H]: all states [B, T, H] and the last [B, H]. */
export function simpleRnn(xw: Value, u: Value, options: SimpleRnnOptions = {}): { y: Value; h: Value } {
  const { h0, mask, keep, direction = 'forward', activation = 'tanh' } = options;
  const { y, h } = xw.graph.add(simpleRnnOp, { xw, u, h0, mask, keep }, { direction, activation }).outputs;
  return { y: y!, h: h! };
}
