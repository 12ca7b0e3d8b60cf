/** Times every instruction of a case (bench/op_sizes.ts), its gradients included, in a session of its own. */
import { assign, lower } from '../lib/compile/lower.js';
import type { Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { sizeOf } from '../lib/graph/shape.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { RandomStream } from '../lib/random.js';
import { Layout } from '../lib/runtime/layout.js';
import { bytesToProfile, timeInstructions, type InstructionTime } from './time_instructions.js';
import { Session } from '../lib/runtime/session.js';
import type { SizedCase, SizedInput } from './op_sizes.js';

/** Numbers made once and repeated: what they are matters little, that they are no zeros does. */
const POOL = 1 << 16;

function contents({ shape, dtype = 'float32', below = 1 }: SizedInput, random: RandomStream): ArrayBufferView {
  const size = sizeOf(shape);
  if (dtype === 'float64') return new Float64Array(size);
  const pool = Float64Array.from({ length: POOL }, () => random.uint32() / 2 ** 32);
  if (dtype === 'int32') return Int32Array.from({ length: size }, (_, i) => Math.floor(pool[i % POOL]! * below));
  return Float32Array.from({ length: size }, (_, i) => 0.01 + pool[i % POOL]!);
}

/** Describes a case with the gradients of its outputs; everything it reads is a variable. */
function describe(
  test: SizedCase,
  backend: 'cpu' | 'cuda',
  precision: 'float32' | 'bfloat16',
): { program: Program; layout: Layout; variables: Map<string, Variable> } {
  const layout = new Layout();
  const graph = new Graph();
  const variables = new Map<string, Variable>();
  const values: Record<string, Value> = {};
  for (const [name, { shape, dtype = 'float32' }] of Object.entries(test.inputs)) {
    const variable = layout.variable(name, dtype, shape);
    variables.set(name, variable);
    values[name] = graph.read(variable);
  }
  const results = test.build(values, graph);
  const wrt = Object.entries(test.inputs).filter(([name, i]) => (i.dtype ?? 'float32') === 'float32' && name !== 'rate');
  for (const [i, result] of results.entries()) {
    assign(
      layout.variable(`result ${i}`, result.dtype, result.shape),
      result.dtype === 'float32' ? elementwise('identity', result) : result,
    );
  }
  const differentiable = results.filter((r) => r.dtype === 'float32' && r.node?.op.backward);
  if (differentiable.length > 0) {
    // Weights that differ, so that no gradient is a constant.
    const losses = differentiable.map((r) => {
      const weights = layout.variable('weights', 'float32', r.shape);
      variables.set(`weights ${variables.size}`, weights);
      return sum(elementwise('mul', r, graph.read(weights)));
    });
    const loss = losses.reduce((a, b) => elementwise('add', a, b));
    const grads = gradients(
      loss,
      wrt.map(([name]) => values[name]!),
    );
    grads.forEach((g, i) => assign(layout.variable(`gradient ${i}`, 'float32', g.shape), g));
  }
  const program = lower(graph, {
    name: test.name,
    backend,
    precision,
    offsetOf: (v) => layout.offsetOf(v),
    persistentBytes: () => layout.bytes,
  });
  return { program, layout, variables };
}

export async function timeCase(
  test: SizedCase,
  device: string,
  precision: 'float32' | 'bfloat16' = 'float32',
): Promise<InstructionTime[]> {
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const { program, layout, variables } = describe(test, backend, precision);
  const session = await Session.open(device, 0, bytesToProfile(program));
  const random = new RandomStream(1, 1);
  try {
    for (const [name, variable] of variables) {
      const spec = test.inputs[name] ?? { shape: variable.shape };
      if (variable.shape.length === 1 && variable.shape[0] === 4 && variable.dtype === 'int32') continue;
      await session.write(layout.offsetOf(variable), contents(spec, random));
    }
    for (const [slot, [rows, elements]] of Object.entries(test.slots ?? {})) {
      await session.allocateSlot(Number(slot), { dtype: 'float32', shape: [rows, elements] });
    }
    return await timeInstructions(session, program);
  } finally {
    await session.dispose();
  }
}
