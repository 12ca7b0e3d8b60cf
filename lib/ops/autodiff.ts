/**
 * Reverse-mode differentiation, op by op: walks the nodes from the loss back, asks each op's `backward` for the
 * gradients of its inputs, and adds up where a value is used more than once. The result is more nodes of the same graph.
 *
 * Most ops' derivatives are made of ops that have derivatives in turn. Where a kernel makes a derivative as a whole (of a
 * normalisation, of attention), its own derivative is that of the op written out in simpler ones: `pullBackTwice`.
 */
import { GradstepError } from '../errors.js';
import { addGiven, constant } from './map.js';
import { rename } from './reshape.js';
import type { Node, Value } from '../graph/graph.js';

/**
 * Gradients of a loss with respect to values of its graph (usually variables). The loss may have any shape: its
 * elements are summed. A value the loss does not depend on has gradient zero.
 */
export function gradients(loss: Value, wrt: readonly Value[]): Value[] {
  return gradientsFound(loss, wrt).map((found, i) => found ?? constant(loss.graph, 0, wrt[i]!.shape));
}

/** The same; undefined for values that the loss does not depend on, or only through what has no gradient. */
export function gradientsFound(loss: Value, wrt: readonly Value[]): (Value | undefined)[] {
  const found = walk([...loss.graph.nodes], wrt, [[loss, () => constant(loss.graph, 1, loss.shape)]]);
  return wrt.map((value) => found.get(value));
}

/** Values by name; undefined where there is none. */
export type Named = Readonly<Record<string, Value | undefined>>;

/**
 * What `compose` makes of `inputs`, differentiated: by input, the sum over the outputs of their gradients `grads` times the
 * outputs' derivatives; undefined where nothing arrives. The outputs themselves are made only where the result reads them.
 */
export function pullBack(inputs: Named, compose: (inputs: Named) => Named, grads: Named): Named {
  const arriving = Object.values(grads).find(Boolean);
  if (!arriving) return {};
  const { graph } = arriving;
  // Names of their own, so that a value that is two inputs has a gradient as each.
  const own = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, value && rename(value)]));
  const first = graph.nodes.length;
  const outputs = compose(own);
  const seeds = Object.entries(grads).flatMap(([name, grad]): [Value, () => Value][] =>
    grad && outputs[name] ? [[outputs[name], () => grad]] : [],
  );
  const wrt = Object.values(own).filter((value) => value?.dtype === 'float32') as Value[];
  const found = walk(graph.nodes.slice(first), wrt, seeds);
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value && found.get(value)]));
}

/**
 * The derivative of a derivative. `compose` makes outputs of `inputs`; `dy` are gradients by the outputs, and the derivative
 * in question is what pullBack makes of those by input. `grads` are the gradients that arrive by that: the result, by name of
 * the inputs and, with `d` before the name, of the outputs, are the gradients by `inputs` and by `dy`.
 */
export function pullBackTwice(inputs: Named, compose: (inputs: Named) => Named, dy: Named, grads: Named): Named {
  const arriving = Object.fromEntries(Object.entries(dy).map(([name, value]) => [`d${name}`, value]));
  const names = Object.keys(dy);
  const once = (all: Named): Named => {
    const given = Object.fromEntries(Object.keys(inputs).map((name) => [name, all[name]]));
    return pullBack(given, compose, Object.fromEntries(names.map((name) => [name, all[`d${name}`]])));
  };
  return pullBack({ ...inputs, ...arriving }, once, grads);
}

/** Gradients that arrive at values when `seeds` (a value, and what makes its gradient) go back through the nodes. */
function walk(nodes: Node[], wrt: readonly Value[], seeds: readonly (readonly [Value, () => Value])[]): Map<Value, Value> {
  // Only what lies on a path from `wrt` to the loss needs a gradient: a first layer's input gradient is never built, nor
  // that of a mask that is made of what layers before it learned.
  const wanted = new Set<Value>(wrt);
  for (const node of nodes) {
    if (!node.op.isFlat(node) && Object.values(node.inputs).some((v) => wanted.has(v))) {
      for (const out of Object.values(node.outputs)) if (out.dtype === 'float32') wanted.add(out);
    }
  }

  const total = new Map<Value, Value>();
  const give = (to: Value, share: Value | undefined): void => {
    if (share && wanted.has(to)) total.set(to, addGiven(total.get(to), share)!);
  };
  for (const [value, seed] of seeds) if (wanted.has(value)) give(value, seed());
  for (const node of nodes.reverse()) {
    const grads: Record<string, Value | undefined> = {};
    for (const [name, out] of Object.entries(node.outputs)) grads[name] = total.get(out);
    if (!Object.values(grads).some(Boolean)) continue;
    if (!Object.values(node.inputs).some((v) => wanted.has(v))) continue;
    if (!node.op.backward) {
      throw new GradstepError(
        'ERR_NOT_DIFFERENTIABLE',
        `${node.op.name} in ${node.scope || 'the graph'} cannot be differentiated here`,
        {
          layer: node.scope,
        },
      );
    }
    const backward = node.op.backward;
    const needs = (name: string) => node.inputs[name] !== undefined && wanted.has(node.inputs[name]);
    const differentiate = (): void => {
      for (const [name, share] of Object.entries(backward({ node, grads, needs, give }))) {
        const input = node.inputs[name];
        if (input) give(input, share);
      }
    };
    const { graph } = Object.values(node.outputs)[0]!;
    if (node.scope === graph.scope) differentiate();
    else graph.inScope(node.scope, differentiate);
  }
  return total;
}
