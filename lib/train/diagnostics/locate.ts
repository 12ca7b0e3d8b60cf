/**
 * Finds where NaN or infinity comes from: the forward and backward pass of a step in which every result is followed by a
 * count of its elements that are not finite. It runs once, without fusion, when something was found not to be finite.
 */
import type { Graph, Node, Value } from '../../graph/graph.js';
import { elementwise } from '../../ops/map.js';
import { sum } from '../../ops/reduce_sum.js';
import type { ModelMemory } from '../memory.js';
import { functionOf } from './probe.js';
import type { Measured, Reading } from './readings.js';

/** x − x is 0 for every finite x, and NaN for the others. */
function countNotFinite(x: Value): Value {
  return sum(elementwise('notEqual', elementwise('sub', x, x), 0));
}

/**
 * Adds the counts. @param key of the program @param forward how many of the graph's nodes are the forward pass @param roots what the step is about:
 * only nodes that they need are looked at
 */
export function describeCounts(graph: Graph, memory: ModelMemory, key: string, forward: number, roots: readonly Value[]): void {
  const found: { reading: Reading; value: Value }[] = [];
  const nodes = [...graph.nodes];
  const needed = neededBy(roots);
  const order: Node[] = [];
  /** The nodes that `body` adds come next. */
  const next = (body: () => void): void => {
    const start = graph.nodes.length;
    graph.inScope('diagnosis', body);
    order.push(...graph.nodes.slice(start));
  };
  for (const weight of memory.network.weights) {
    const reading = { what: 'notFinite', op: weight.name, layer: layerOf(weight.name), where: 'weight' } as const;
    next(() => found.push({ reading, value: countNotFinite(graph.read(memory.variableOf(weight))) }));
  }
  nodes.forEach((node, i) => {
    order.push(node);
    if (!needed.has(node) || node.op.view) return;
    const reading = {
      what: 'notFinite',
      op: functionOf(node),
      layer: node.scope,
      where: i < forward ? 'forward' : 'backward',
    } as const;
    for (const y of Object.values(node.outputs)) {
      if (y.dtype === 'float32') next(() => found.push({ reading, value: countNotFinite(y) }));
    }
  });
  graph.nodes.splice(0, graph.nodes.length, ...order);
  graph.inScope('diagnosis', () => memory.readings.keep(key, found));
}

/** Nodes that values are computed from. */
function neededBy(values: readonly Value[]): Set<Node> {
  const needed = new Set<Node>();
  const stack = values.flatMap((v) => v.node ?? []);
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    for (const input of Object.values(node.inputs)) if (input.node) stack.push(input.node);
  }
  return needed;
}

/** `dense_1` of `dense_1/kernel`. */
export function layerOf(weight: string): string {
  return weight.slice(0, weight.lastIndexOf('/'));
}

/** What made something that is not finite, in words. */
export interface Culprit {
  readonly layer: string;
  readonly message: string;
}

/** The first count that is not zero; undefined where all is finite. */
export function culpritOf(counts: readonly Measured[]): Culprit | undefined {
  for (const { reading, value } of counts) {
    if (reading.what !== 'notFinite' || value === 0) continue;
    const { op, layer, where } = reading;
    if (where === 'weight') {
      const message = `the weight ${op} was not finite before this step: a step before it went wrong; lower the learning rate or clip gradients`;
      return { layer, message };
    }
    if (layer === 'data') return { layer, message: 'the data holds NaN or infinity: look at x and y before training' };
    const helps =
      where === 'backward'
        ? 'its derivative is infinite there (√ and log at 0 are the usual cases): keep its argument away from such points, or clip gradients'
        : 'keep its argument in the range where it is finite, or lower the learning rate if weights grew before';
    const pass = where === 'backward' ? 'on the way back through' : 'in';
    return { layer, message: `the op ${op} ${pass} ${layer || 'the model'} gave the first result that is not finite; ${helps}` };
  }
  return undefined;
}
