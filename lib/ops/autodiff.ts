/**
 * Reverse-mode differentiation, op by op: walks the nodes from the loss back, asks each op's `backward` for the
 * gradients of its inputs, and adds up where a value is used more than once. The result is more nodes of the same graph.
 */
import { GradstepError } from '../errors.js';
import { constant, elementwise } from './map.js';
import type { Value } from '../graph/graph.js';

/**
 * Gradients of a loss with respect to values of its graph (usually variables). The loss may have any shape: its
 * elements are summed. A value the loss does not depend on has gradient zero.
 */
export function gradients(loss: Value, wrt: readonly Value[]): Value[] {
  const graph = loss.graph;
  const nodes = [...graph.nodes];

  // Only what lies on a path from `wrt` to the loss needs a gradient: a first layer's input gradient is never built, nor
  // that of a mask that is made of what layers before it learned.
  const wanted = new Set<Value>(wrt);
  for (const node of nodes) {
    if (!node.op.isFlat(node) && Object.values(node.inputs).some((v) => wanted.has(v))) {
      for (const out of Object.values(node.outputs)) if (out.dtype === 'float32') wanted.add(out);
    }
  }

  const total = new Map<Value, Value>();
  if (wanted.has(loss)) total.set(loss, constant(graph, 1, loss.shape));
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
    graph.inScope(node.scope, () => {
      const shares = backward({ node, grads, needs });
      for (const [name, share] of Object.entries(shares)) {
        const input = node.inputs[name];
        if (!share || !input || !wanted.has(input)) continue;
        const before = total.get(input);
        total.set(input, before ? elementwise('add', before, share) : share);
      }
    });
  }
  return wrt.map((value) => total.get(value) ?? constant(graph, 0, value.shape));
}
