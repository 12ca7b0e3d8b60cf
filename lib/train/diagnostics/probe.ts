/**
 * What a diagnosed step computes beside training: norms of gradients, weights and updates, and the shares of units that
 * are dead or saturated. It only reads what the step makes, so training goes on as without it.
 *
 * A unit is a position of the last axis: it is dead when relu gives 0 at all other positions of the batch. A result is
 * saturated where the slope of sigmoid or tanh is under 5 % of its largest: sigmoid outside (0.0127, 0.9873), |tanh| over 0.9747.
 */
import { assign } from '../../compile/lower.js';
import type { Tape } from '../../graph/define_op.js';
import type { Graph, Node, Value } from '../../graph/graph.js';
import { elementwise, map } from '../../ops/map.js';
import { extremum } from '../../ops/reduce_max.js';
import { mean, sum } from '../../ops/reduce_sum.js';
import { SCALAR_NAMES } from '../../ops/scalar_table.js';
import type { ModelMemory } from '../memory.js';
import type { ActivationKind, Reading } from './readings.js';

/** Part of the largest slope under which a result counts as saturated. */
const SATURATED_SLOPE = 0.05;

/** Keeps the division by the largest magnitude finite where all is zero. */
const TINY = 1e-30;

/** The scalar function of a map of one; otherwise the op's name. */
export function functionOf({ op, attrs }: Node): string {
  const code = op === map ? (attrs.tape as Tape).code : [];
  return code.length === 1 ? SCALAR_NAMES[code[0]![0]]! : op.name;
}

export class Probe {
  private readonly found: { readonly reading: Reading; readonly value: Value }[] = [];

  constructor(
    private readonly graph: Graph,
    private readonly memory: ModelMemory,
  ) {}

  private add(reading: Reading, value: Value): void {
    this.found.push({ reading, value });
  }

  loss(value: Value): void {
    this.add({ what: 'loss' }, value);
  }

  /** Looks at the activations of all layers; call it when the forward pass is described. */
  activations(outputs: readonly Value[]): void {
    const nodes = [...this.graph.nodes];
    const results = new Set(outputs.map(behindViews));
    for (const node of nodes) {
      const kind = functionOf(node);
      if (kind !== 'relu' && kind !== 'sigmoid' && kind !== 'tanh') continue;
      const y = node.outputs.out0!;
      if (y.shape.length < 2 || isPartOfAnother(node, nodes)) continue;
      const units = y.shape.at(-1)!;
      const reading = { what: 'activity', kind, layer: node.scope, units, isOutput: results.has(y) } as const;
      this.graph.inScope('diagnosis', () => this.add(reading, share(kind, y)));
    }
  }

  /** Norms of the gradients as they lie in their block, and of the weights; keeps a copy of these. */
  beforeUpdate(): void {
    const { graph, memory } = this;
    graph.inScope('diagnosis', () => {
      memory.training!.grads.members.forEach((g, i) => this.norm('gradient', i, graph.read(g)));
      memory.params.members.forEach((w, i) => this.norm('weight', i, graph.read(w)));
      assign(memory.readings.before.whole, graph.read(memory.params.whole));
    });
  }

  /** Norms of what the update changed. */
  afterUpdate(): void {
    const { graph, memory } = this;
    graph.inScope('diagnosis', () => {
      memory.params.members.forEach((w, i) => {
        this.norm('update', i, elementwise('sub', graph.read(w), graph.read(memory.readings.before.members[i]!)));
      });
    });
  }

  private norm(what: 'gradient' | 'weight' | 'update', index: number, x: Value): void {
    const largest = extremum(elementwise('abs', x), 'max');
    const scaled = elementwise('div', x, elementwise('maximum', largest, TINY));
    this.add({ what, index, part: 'largest' }, largest);
    this.add({ what, index, part: 'squares' }, sum(elementwise('square', scaled)));
  }

  /** Leaves all that was found in the block of that name. */
  finish(name: string): void {
    this.graph.inScope('diagnosis', () => this.memory.readings.keep(name, this.found));
  }
}

/** The value whose memory a value has under another shape. */
function behindViews(value: Value): Value {
  let at = value;
  for (let node = at.node; node?.op.view; node = at.node) at = node.inputs.x!;
  return at;
}

/** Whether an activation is a part of another function: elu holds relu, silu sigmoid, gelu tanh. Relu cut at 6 is still relu. */
function isPartOfAnother(node: Node, nodes: readonly Node[]): boolean {
  const y = node.outputs.out0!;
  return nodes.some(
    (reader) =>
      reader.op === map &&
      reader.scope === node.scope &&
      functionOf(reader) !== 'minimum' &&
      Object.values(reader.inputs).includes(y),
  );
}

function share(kind: ActivationKind, y: Value): Value {
  if (kind === 'relu') {
    const largest = extremum(
      y,
      'max',
      y.shape.slice(0, -1).map((_, i) => i),
    );
    return mean(elementwise('lessEqual', largest, 0));
  }
  const slope =
    kind === 'sigmoid'
      ? elementwise('mul', 4, elementwise('mul', y, elementwise('sub', 1, y)))
      : elementwise('sub', 1, elementwise('square', y));
  return mean(elementwise('less', slope, SATURATED_SLOPE));
}
