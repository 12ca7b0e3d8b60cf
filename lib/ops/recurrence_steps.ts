/**
 * The recurrent ops written out in simpler ones, a step at a time. Their kernels run a whole sequence, forward or back; what
 * a derivative of the way back is made of is this. It has a few dozen nodes for each step, and is built for nothing else.
 */
import type { Node, Value } from '../graph/graph.js';
import { elu, hardSigmoid, relu6, selu, softsign } from './activation.js';
import { pullBackTwice, type Named } from './autodiff.js';
import { concat } from './concat.js';
import { addGiven, constant, elementwise } from './map.js';
import { sliceAxis } from './pad.js';
import type { CellActivation } from './recurrence.js';
import { reshape } from './reshape.js';

const FUNCTIONS: Record<CellActivation, (x: Value) => Value> = {
  linear: (x) => x,
  relu: (x) => elementwise('relu', x),
  relu6,
  tanh: (x) => elementwise('tanh', x),
  sigmoid: (x) => elementwise('sigmoid', x),
  hardSigmoid,
  softsign,
  softplus: (x) => elementwise('softplus', x),
  elu: (x) => elu(x, 1),
  selu,
  exponential: (x) => elementwise('exp', x),
};

/** An op's activation or recurrent activation. */
export function cellFunction(node: Node, which: 'activation' | 'recurrentActivation'): (x: Value) => Value {
  return FUNCTIONS[node.attrs[which] as CellActivation];
}

/** Part `index` of v [B, parts·H]. */
export function part(v: Value, index: number, units: number): Value {
  return sliceAxis(v, 1, index * units, (index + 1) * units);
}

/** What a step makes of its states [B, H], and what else is wanted of it. */
interface Made {
  h: Value;
  c?: Value | undefined;
  inner?: Value;
}

/** One step: what of the inputs belongs to it, by name, what the state is when it meets the kernel, and the states before it. */
export type Step = (now: Named, met: Value, before: { h: Value; c: Value }) => Made;

/** Inputs of a whole sequence that a step has its share of. */
const OVER_TIME = ['xw', 'hw'];

/** y [B, T, H] and the last states; inner [B, T, H] where the step makes it. `given` has xw and may have h0, c0 and hw. */
export function unroll(given: Named, node: Node, step: Step): Named {
  const { mask, keep } = node.inputs;
  const [b, t] = given.xw!.shape as [number, number];
  const units = node.inputs.u!.shape[0]!;
  const zeros = (): Value => constant(given.xw!.graph, 0, [b, units]);
  const at = (v: Value, time: number): Value => reshape(sliceAxis(v, 1, time, time + 1), [b, v.shape[2] ?? 1]);

  let [h, c] = [given.h0 ?? zeros(), given.c0 ?? zeros()];
  const forward = node.attrs.direction === 'forward';
  const times = Array.from({ length: t }, (_, i) => (forward ? i : t - 1 - i));
  const [states, inners]: [Value[], Value[]] = [[], []];
  for (const time of times) {
    const now = Object.fromEntries(OVER_TIME.map((name) => [name, given[name] && at(given[name], time)]));
    const made = step({ ...given, ...now }, keep ? elementwise('mul', h, keep) : h, { h, c });
    const counts = mask && elementwise('notEqual', at(mask, time), 0);
    const after = (made: Value, before: Value): Value => (counts ? elementwise('where', counts, made, before) : made);
    [h, c] = [after(made.h, h), made.c ? after(made.c, c) : c];
    states.push(h);
    if (made.inner) inners.push(made.inner);
  }
  const inOrder = (list: Value[], isReversed: boolean): Value => {
    const ordered = forward || isReversed ? list : [...list].reverse();
    return concat(
      ordered.map((v) => reshape(v, [b, 1, units])),
      1,
    );
  };
  return {
    y: inOrder(states, node.attrs.direction === 'reversed'),
    h,
    c,
    ...(inners.length > 0 && { inner: inOrder(inners, false) }),
  };
}

/**
 * The backward of `node`, a recurrent op's way back. `forward` is that op written out, `inputs` are those of its inputs that have a
 * gradient; `grads` arrive by the gradients of these. Returns the gradients by them and by dy, dh and dc.
 */
export function backTwice(node: Node, inputs: Named, forward: (given: Named) => Named, grads: Named): Named {
  const { dy, dh, dc } = node.inputs;
  return pullBackTwice(inputs, forward, { y: dy, h: dh, c: dc }, grads);
}

/**
 * The gradients by all states y and by the initial one. That of hPrev [B, T, H], the states before each step, is of the states
 * after a step and of the initial one: it arrives only where a way back was differentiated.
 */
export function byStates(node: Node, grads: Named): { dy: Value | undefined; dh0: Value | undefined } {
  if (!grads.hPrev) return { dy: grads.y, dh0: undefined };
  const [b, t, units] = grads.hPrev.shape as [number, number, number];
  const { direction } = node.attrs;
  const steps = (begin: number, end: number): Value => sliceAxis(grads.hPrev!, 1, begin, end);
  const first = direction === 'forward' ? 0 : t - 1;
  const dh0 = reshape(steps(first, first + 1), [b, units]);
  if (t === 1) return { dy: grads.y, dh0 };
  const none = constant(dh0.graph, 0, [b, 1, units]);
  const turned = (): Value[] => Array.from({ length: t - 1 }, (_, i) => steps(t - 2 - i, t - 1 - i));
  const later =
    direction === 'forward' ? [steps(1, t), none] : direction === 'backward' ? [none, steps(0, t - 1)] : [...turned(), none];
  return { dy: addGiven(grads.y, concat(later, 1)), dh0 };
}
