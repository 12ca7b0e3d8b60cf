/**
 * Lowering: from a graph to a program. Keeps what the effects need (nodes, and of their optional outputs those that are
 * read), gives every value a buffer (views share one), writes results that are assigned to a variable straight into it,
 * fuses, in bfloat16 chooses what is stored in it, plans the arena.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Graph, Node, Value, Variable } from '../graph/graph.js';
import { sameShape } from '../graph/shape.js';
import { map, REGISTER } from '../ops/map.js';
import type { Precision } from '../ops/precision.js';
import { planArena } from './arena.js';
import { checkOperands } from './check_operands.js';
import { checkSizes } from './check_sizes.js';
import { fuse } from './fuse.js';
import { narrow } from './narrow.js';
import { bytesOf, type Buffer, type Instruction, type Operand, type Program } from './program.js';
import { roundWeights } from './round_weights.js';
import { Uses } from './uses.js';

/** assign: the variable takes the value. No kernel: the value is computed in the variable's memory where that is possible. */
const assignOp = defineOp({
  name: 'assign',
  effect: true,
  inputs: { x: { dtypes: ['float32', 'int32', 'bfloat16'] }, variable: { dtypes: ['float32', 'int32', 'bfloat16'] } },
  outputs: {},
  infer: () => ({}),
});

/** From here on in the step, `variable` holds `x`. Nothing may read the variable between x's making and this point. */
export function assign(variable: Variable, x: Value): void {
  if (!sameShape(variable.shape, x.shape)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Cannot assign [${x.shape.join(', ')}] to ${variable.name} [${variable.shape.join(', ')}]`,
    );
  }
  x.graph.add(assignOp, { x, variable: x.graph.read(variable) });
}

export interface LowerOptions {
  name: string;
  backend: 'cpu' | 'cuda';
  /** Byte offset of a variable inside the persistent region. */
  offsetOf(variable: Variable): number;
  /** Size of the persistent region. */
  persistentBytes(): number;
  /** Bytes kept free before and after every scratch buffer; the tests fill them with a pattern. */
  guardBytes?: number;
  /** Off only to compare: the same program without fusion. */
  fusion?: boolean;
  /** In what ops that let it be chosen compute their products, and programs store their activations. Default: what each op says itself, and float32. */
  precision?: Precision;
}

export function lower(graph: Graph, options: LowerOptions): Program {
  const buffers = new Map<Value, Buffer>();
  const variables = new Map<Variable, Buffer>();
  const bufferOf = (value: Value): Buffer => {
    const variable = value.variable;
    if (!variable) return buffers.get(value)!;
    let buffer = variables.get(variable);
    if (!buffer) {
      const bytes = bytesOf(variable.dtype, variable.shape);
      buffer = { bytes, region: 'persistent', offset: options.offsetOf(variable), variable };
      variables.set(variable, buffer);
    }
    return buffer;
  };
  const operand = (value: Value): Operand => ({ buffer: bufferOf(value), dtype: value.dtype, shape: value.shape });

  const instructions: Instruction[] = [];
  for (const node of liveNodes(graph)) {
    if (!node.op.backends.includes(options.backend)) {
      throw new GradstepError('ERR_DEVICE_UNAVAILABLE', `${node.op.name} in ${node.scope} has no kernel for ${options.backend}`, {
        layer: node.scope,
      });
    }
    if (node.op.view) {
      buffers.set(node.outputs.y!, bufferOf(node.inputs.x!));
    } else if (node.op === assignOp) {
      const from = bufferOf(node.inputs.x!);
      const to = bufferOf(node.inputs.variable!);
      if (from.variable) instructions.push(copy(operand(node.inputs.x!), operand(node.inputs.variable!), node.scope));
      else Object.assign(from, { region: to.region, offset: to.offset, variable: to.variable });
    } else {
      for (const out of Object.values(node.outputs)) {
        buffers.set(out, { bytes: bytesOf(out.dtype, out.shape), region: 'scratch', offset: -1 });
      }
      const operands = (values: Readonly<Record<string, Value>>) =>
        Object.fromEntries(Object.entries(values).map(([name, value]) => [name, operand(value)]));
      instructions.push({
        op: node.op,
        inputs: operands(node.inputs),
        outputs: operands(node.outputs),
        attrs: { ...node.attrs, ...(options.precision && 'precision' in node.attrs && { precision: options.precision }) },
        accumulate: [],
        scope: node.scope,
      });
    }
  }

  dropUnread(instructions);
  const fused = options.fusion === false ? instructions : fuse(instructions, options.backend);
  const narrowed = options.precision === 'bfloat16' ? narrow(fused) : fused;
  const stored = options.precision === 'bfloat16' && options.backend === 'cuda' ? roundWeights(narrowed) : narrowed;
  checkOperands(stored);
  checkSizes(stored);
  const scratchBytes = planArena(stored, options.backend, options.guardBytes ?? 0);
  return { name: options.name, instructions: stored, persistentBytes: options.persistentBytes(), scratchBytes };
}

/** Optional outputs that nobody reads are not made: what only a gradient needs costs a prediction nothing. */
function dropUnread(instructions: readonly Instruction[]): void {
  const uses = new Uses(instructions);
  for (const instruction of instructions) {
    if (instruction.op === map) continue;
    const wanted = Object.entries(instruction.outputs).filter(([name, { buffer }]) => {
      const isRead = buffer.variable !== undefined || uses.readersOf(buffer).size > 0;
      return isRead || !instruction.op.outputs[name]!.optional;
    });
    instruction.outputs = Object.fromEntries(wanted);
  }
}

/** Nodes with an effect and everything they need, in order. */
function liveNodes(graph: Graph): Node[] {
  const live = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.op.effect && !live.has(node)) continue;
    live.add(node);
    for (const value of Object.values(node.inputs)) if (value.node) live.add(value.node);
  }
  return graph.nodes.filter((node) => live.has(node));
}

function copy(from: Operand, to: Operand, scope: string): Instruction {
  const tape = { code: [[0, 0, 0, 0]] as const, immediates: [], results: [REGISTER] };
  const attrs = { domain: from.shape, tape, reduceRank: 0, scale: 1 };
  return { op: map, inputs: { in0: from }, outputs: { out0: to }, attrs, accumulate: [], scope };
}
