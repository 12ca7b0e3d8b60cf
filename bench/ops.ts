/**
 * Ops against their rooflines: every instruction of every sized case (bench/op_sizes.ts), timed alone. The roofline is the
 * larger of bytes over the rate at which this machine copies, and operations over the rate of its matrix product; both
 * are measured first. A share above 100 % means that data came from the caches.
 */
import Table from 'cli-table3';
import { assign, lower } from '../lib/compile/lower.js';
import type { Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { sizeOf } from '../lib/graph/shape.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { OP_TABLE } from '../lib/ops/table.js';
import { RandomStream } from '../lib/random.js';
import { Layout } from '../lib/runtime/layout.js';
import { Session } from '../lib/runtime/session.js';
import { SIZED_CASES, type SizedCase, type SizedInput } from './op_sizes.js';
import { bytesToProfile, timeInstructions, type InstructionTime } from './time_instructions.js';

export interface OpRow {
  readonly op: string;
  readonly case: string;
  readonly shapes: string;
  readonly microseconds: number;
  readonly gigabytesPerSecond: number;
  readonly gigaflops: number;
  /** Time at the roofline over time taken. */
  readonly share: number;
}

interface Limits {
  /** Bytes and operations a second. */
  readonly bandwidth: number;
  readonly arithmetic: number;
}

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
    offsetOf: (v) => layout.offsetOf(v),
    persistentBytes: () => layout.bytes,
  });
  return { program, layout, variables };
}

async function timeCase(test: SizedCase, device: string): Promise<InstructionTime[]> {
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const { program, layout, variables } = describe(test, backend);
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

/** What this machine copies and multiplies in a second, by our own kernels at sizes that suit them. */
async function measureLimits(device: string): Promise<Limits> {
  const copy = await timeCase(
    { name: 'copy', inputs: { x: { shape: [1 << 24] } }, build: ({ x }) => [elementwise('identity', x!)] },
    device,
  );
  const product = await timeCase(
    {
      name: 'product',
      inputs: { a: { shape: [2048, 2048] }, b: { shape: [2048, 2048] } },
      build: ({ a, b }) => [matmul(a!, b!)],
    },
    device,
  );
  const best = (times: readonly InstructionTime[], of: (t: InstructionTime) => number) => Math.max(...times.map(of));
  return {
    bandwidth: best(copy, (t) => t.bytes / t.seconds),
    arithmetic: best(product, (t) => t.flops / t.seconds),
  };
}

/** Times every case; ERR when an op of the table is in none. */
export async function benchOps(device: string, only: readonly string[] | undefined): Promise<{ limits: Limits; rows: OpRow[] }> {
  const limits = await measureLimits(device);
  const rows: OpRow[] = [];
  for (const test of SIZED_CASES) {
    if (only && !only.some((o) => test.name.includes(o))) continue;
    process.stderr.write(`${test.name}\n`);
    for (const { op, shapes, seconds, bytes, flops } of await timeCase(test, device)) {
      rows.push({
        op,
        case: test.name,
        shapes: shapes.map((s) => `[${s.join(', ')}]`).join(' '),
        microseconds: seconds * 1e6,
        gigabytesPerSecond: bytes / seconds / 1e9,
        gigaflops: flops / seconds / 1e9,
        share: Math.max(bytes / limits.bandwidth, flops / limits.arithmetic) / seconds,
      });
    }
  }
  const timed = new Set(rows.map((r) => r.op));
  const missing = OP_TABLE.map((op) => op.name).filter((name) => !timed.has(name));
  if (!only && missing.length > 0) throw new Error(`No sized case has ${missing.join(', ')}: add one to bench/op_sizes.ts`);
  return { limits, rows };
}

export function printOps({ limits, rows }: { limits: Limits; rows: readonly OpRow[] }): string {
  const line = (r: OpRow) => [
    r.op,
    r.case,
    r.shapes,
    r.microseconds.toFixed(1),
    r.gigabytesPerSecond.toFixed(1),
    r.gigaflops > 0 ? r.gigaflops.toFixed(0) : '',
    `${(100 * r.share).toFixed(0)} %`,
  ];
  const head = ['op', 'case', 'shapes', 'µs', 'GB/s', 'GFLOP/s', 'of roofline'];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const r of [...rows].sort((a, b) => a.share - b.share)) table.push(line(r));
  // Work below some microseconds is the price of a call, not of a kernel.
  const worst = [...rows].filter((r) => r.microseconds > 20).sort((a, b) => a.share - b.share);
  const named = worst.slice(0, 10).map((r, i) => `${i + 1}. ${r.op} (${r.case}): ${(100 * r.share).toFixed(0)} %`);
  const limit = `copy ${(limits.bandwidth / 1e9).toFixed(1)} GB/s, matrix product ${(limits.arithmetic / 1e9).toFixed(0)} GFLOP/s`;
  return `${table.toString()}\nLimits: ${limit}\nThe ten furthest from their roofline, of those above 20 µs:\n${named.join('\n')}\n`;
}
