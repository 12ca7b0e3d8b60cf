/**
 * Runs a graph on a device without the training code: every input is a variable of its own, outputs and gradients are
 * assigned to variables, the program runs and the variables are read back. Memory between buffers is filled with a
 * pattern before and checked after, so a kernel that writes outside its outputs is caught.
 */
import { expect } from 'chai';
import { encodeProgram } from '../../lib/compile/encode.js';
import { assign, lower } from '../../lib/compile/lower.js';
import { align, bytesOf, type Instruction, type Operand, type Program } from '../../lib/compile/program.js';
import type { OpDef } from '../../lib/graph/define_op.js';
import { DTYPES, type DType } from '../../lib/graph/dtype.js';
import { Graph, type Value, type Variable } from '../../lib/graph/graph.js';
import { sizeOf } from '../../lib/graph/shape.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import type { Precision } from '../../lib/ops/precision.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { CaseInput, Numbers, OpCase } from '../cases/op_case.js';
import { bfloat16 } from '../cases/rounded_operand.js';
import type { NativeSession } from '../../binding.js';

const GUARD = 0xa5;

type Typed = Float32Array | Int32Array | Uint8Array | Float64Array | Uint16Array;
const ARRAYS: Record<DType, new (from: readonly number[] | ArrayBuffer) => Typed> = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  float64: Float64Array,
  bfloat16: Uint16Array,
};

/** Numbers as an array of the device holds them, and back. */
function encoded(numbers: readonly number[], dtype: DType): Typed {
  if (dtype !== 'bfloat16') return new ARRAYS[dtype](numbers);
  const bits = new Uint32Array(Float32Array.from(numbers, bfloat16).buffer);
  return Uint16Array.from(bits, (word) => word >>> 16);
}

/** What Array.from and spreading do, which take many times as long. */
function numbersOf(typed: Typed): number[] {
  const numbers = new Array<number>(typed.length);
  for (let i = 0; i < typed.length; i++) numbers[i] = typed[i]!;
  return numbers;
}

function decoded(bytes: ArrayBuffer, dtype: DType): number[] {
  if (dtype !== 'bfloat16') return numbersOf(new ARRAYS[dtype](bytes));
  return numbersOf(new Float32Array(Uint32Array.from(new Uint16Array(bytes), (bits) => bits << 16).buffer));
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The numbers of every input, as the device's precision holds them. */
export function inputNumbers(inputs: Record<string, CaseInput>, seed = 1): Record<string, number[]> {
  const next = random(seed);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, dtype = 'float32', data, range = [-1, 1] }]) => {
      const raw = data ?? Array.from({ length: sizeOf(shape) }, () => range[0] + next() * (range[1] - range[0]));
      const held = dtype === 'float32' ? raw.map(Math.fround) : dtype === 'float64' ? [...raw] : raw.map(Math.floor);
      return [name, held];
    }),
  );
}

export interface RunOptions {
  /** Bytes between buffers; with guards nothing is computed in place. */
  guardBytes: number;
  fusion: boolean;
  /** Inputs and outputs of the case that are stored in bfloat16; no gradients are made then. */
  narrow?: readonly string[];
  /** That of the whole program, which then stores in bfloat16 what it may. */
  precision?: Precision;
}

export interface RunResult {
  /** Outputs, mutated inputs and slots, by name. */
  outputs: Record<string, number[]>;
  /** Gradient of Σ output · weights by input. */
  gradients: Record<string, number[]>;
  program: Program;
}

/** Weights that make one number of all float outputs: L = Σ_k Σ_i output_k[i] · weights_k[i]. */
export function lossWeights(name: string, size: number): number[] {
  const next = random(size * 31 + name.length);
  return Array.from({ length: size }, () => Math.fround(next() * 2 - 1));
}

export async function runCase(
  session: NativeSession,
  backend: 'cpu' | 'cuda',
  test: OpCase,
  numbers: Numbers,
  options: RunOptions,
): Promise<RunResult> {
  const contents = new Map<Variable, readonly number[]>();
  const variable = (name: string, shape: readonly number[], dtype: DType, data?: readonly number[]): Variable => {
    const made = { name, shape, dtype };
    contents.set(made, data ?? new Array<number>(sizeOf(shape)).fill(0));
    return made;
  };
  const graph = new Graph();
  const variables: Record<string, Variable> = {};
  const values: Record<string, Value> = {};
  for (const [name, { shape, dtype = 'float32' }] of Object.entries(test.inputs)) {
    variables[name] = variable(name, shape, dtype, numbers[name]);
    values[name] = graph.read(variables[name]);
  }
  const made = test.build(values, variables);
  const results = new Map<string, Variable>();
  for (const [name, value] of Object.entries(made)) results.set(name, variable(`out/${name}`, value.shape, value.dtype));

  const narrow = options.narrow ?? [];
  const differentiated = narrow.length > 0 ? [] : test.gradients;
  const wrt = differentiated ?? Object.keys(test.inputs).filter((n) => (test.inputs[n]!.dtype ?? 'float32') === 'float32');
  const slopes = new Map<string, Variable>();
  if (wrt.length > 0) {
    const parts = Object.entries(made)
      .filter(([, v]) => v.dtype === 'float32')
      .map(([name, v]) => {
        const weights = variable(`weights/${name}`, v.shape, 'float32', lossWeights(name, sizeOf(v.shape)));
        return sum(elementwise('mul', v, graph.read(weights)));
      });
    const loss = parts.reduce((a, b) => elementwise('add', a, b));
    const grads = gradients(
      loss,
      wrt.map((n) => values[n]!),
    );
    wrt.forEach((name, i) => {
      slopes.set(name, variable(`grad/${name}`, test.inputs[name]!.shape, 'float32'));
      assign(slopes.get(name)!, grads[i]!);
    });
  }
  for (const [name, value] of Object.entries(made)) assign(results.get(name)!, value);

  // Persistent region: every variable with a guard before and after it.
  const offsets = new Map<Variable, number>();
  let persistentBytes = 64;
  for (const v of contents.keys()) {
    offsets.set(v, persistentBytes);
    persistentBytes += align(bytesOf(v.dtype, v.shape)) + 64;
  }
  const stored = new Map([...narrow].map((name) => [variables[name] ?? results.get(name)!, 'bfloat16' as const]));
  const dtypeOf = (v: Variable): DType => stored.get(v) ?? v.dtype;
  const wide = lower(graph, {
    name: test.name,
    backend,
    offsetOf: (v) => offsets.get(v)!,
    persistentBytes: () => persistentBytes,
    guardBytes: options.guardBytes,
    fusion: options.fusion,
    precision: options.precision,
  });
  const program = { ...wide, instructions: wide.instructions.map((i) => storedAs(i, stored)) };

  await session.reserve(persistentBytes);
  for (const [slot, { dtype, rows, data }] of Object.entries(test.slots ?? {})) {
    await session.allocateSlot(Number(slot), DTYPES[dtype].code, rows, data.length / rows);
    await session.write({ region: 'slot', slot: Number(slot), offset: 0 }, new ARRAYS[dtype](data));
  }
  const entry = await session.load(encodeProgram(program));
  try {
    await session.write({ region: 'persistent', offset: 0 }, new Uint8Array(persistentBytes).fill(GUARD));
    for (const [v, data] of contents) {
      await session.write({ region: 'persistent', offset: offsets.get(v)! }, encoded(data, dtypeOf(v)));
    }
    if (program.scratchBytes > 0) {
      await session.write({ region: 'scratch', offset: 0 }, new Uint8Array(program.scratchBytes).fill(GUARD));
    }
    const steps = test.steps ?? 1;
    const run = await session.run(entry, steps, 0, { offset: 0, bytes: persistentBytes });
    expect(run.steps).to.equal(steps);

    const bytes = new Uint8Array(run.report);
    expectGuards(
      bytes,
      [...contents.keys()].map((v) => [offsets.get(v)!, bytesOf(dtypeOf(v), v.shape)]),
      'persistent',
    );
    if (options.guardBytes > 0 && program.scratchBytes > 0) {
      const scratch = await session.read({ region: 'scratch', offset: 0, bytes: program.scratchBytes });
      expectGuards(new Uint8Array(scratch), scratchSpans(program), 'scratch');
    }
    const read = (v: Variable): number[] => {
      const at = offsets.get(v)!;
      return decoded(bytes.slice(at, at + bytesOf(dtypeOf(v), v.shape)).buffer, dtypeOf(v));
    };
    const outputs: Record<string, number[]> = {};
    for (const [name, v] of Object.entries(variables)) outputs[name] = read(v);
    for (const [name, v] of results) outputs[name] = read(v);
    for (const [slot, { dtype, data }] of Object.entries(test.slots ?? {})) {
      const slotBytes = data.length * DTYPES[dtype].bytes;
      const held = await session.read({ region: 'slot', slot: Number(slot), offset: 0, bytes: slotBytes });
      outputs[`slot${slot}`] = [...new ARRAYS[dtype](held)];
    }
    return { outputs, gradients: Object.fromEntries([...slopes].map(([name, v]) => [name, read(v)])), program };
  } finally {
    await session.unload(entry);
    for (const slot of Object.keys(test.slots ?? {})) await session.releaseSlot(Number(slot));
  }
}

/** An instruction whose operands in these variables are stored in another type, as the op table must allow. */
function storedAs(instruction: Instruction, types: ReadonlyMap<Variable, DType>): Instruction {
  const typed = (operands: Record<string, Operand>, specs: OpDef['inputs']): Record<string, Operand> =>
    Object.fromEntries(
      Object.entries(operands).map(([name, operand]) => {
        const dtype = operand.buffer.variable && types.get(operand.buffer.variable);
        if (dtype) expect(specs[name]!.dtypes, `${instruction.op.name}.${name}`).to.include(dtype);
        return [name, dtype ? { ...operand, dtype } : operand];
      }),
    );
  const { op, inputs, outputs } = instruction;
  return { ...instruction, inputs: typed(inputs, op.inputs), outputs: typed(outputs, op.outputs) };
}

function scratchSpans(program: Program): [number, number][] {
  return program.instructions.flatMap(({ inputs, outputs }) =>
    [...Object.values(inputs), ...Object.values(outputs)].flatMap(({ buffer }) =>
      buffer.region === 'scratch' ? [[buffer.offset, buffer.bytes] as [number, number]] : [],
    ),
  );
}

/** Every byte outside the spans still holds the pattern. */
function expectGuards(bytes: Uint8Array, spans: [number, number][], region: string): void {
  const others = Uint8Array.from(bytes);
  for (const [offset, length] of spans) others.fill(GUARD, offset, offset + length);
  let broken = -1;
  for (let i = others.length - 1; i >= 0; i--) if (others[i] !== GUARD) broken = i;
  expect(broken, `a kernel wrote outside its buffers, at byte ${broken} of the ${region} region`).to.equal(-1);
}
