/**
 * Compares a case with its float64 reference on one backend: guarded, unfused and in place; outputs against the reference,
 * gradients against central differences of the reference.
 */
import { expect } from 'chai';
import { isDeepStrictEqual } from 'node:util';
import type { Program } from '../../lib/compile/program.js';
import type { NativeSession } from '../../binding.js';
import type { Numbers, OpCase } from '../cases/op_case.js';
import { bfloat16 } from '../cases/rounded_operand.js';
import { isOnGpu } from './backends.js';
import { inputNumbers, lossWeights, runCase } from './op_run.js';

/**
 * Tolerances of DESIGN.md: rtol 1.3e-6, atol 1e-5 scaled by the reduction length (in units of 16 terms, at least one). `rounded`:
 * operands may have been rounded to bfloat16 or TF32, or not: six times bfloat16's 1.6e-2, as one step's errors go into the next.
 */
export function expectClose(
  actual: readonly number[],
  expected: readonly number[],
  test: Pick<OpCase, 'terms' | 'rtol' | 'largest'>,
  what: string,
  rounded = false,
): void {
  expect(actual.length, what).to.equal(expected.length);
  const scale = Math.max(1, (test.terms ?? 1) / 16);
  const rtol = test.rtol ?? 1.3e-6;
  const size = (test.largest ?? 1) ** 2;
  actual.forEach((a, i) => {
    const e = expected[i]!;
    if (Object.is(a, e) || a === e) return;
    const allowed = rounded ? 0.1 * (size * Math.sqrt(test.terms ?? 1) + Math.abs(e)) : 1e-5 * scale + rtol * scale * Math.abs(e);
    if (!(Math.abs(a - e) <= allowed))
      expect.fail(`${what}[${i}] is ${a}, the reference says ${e} (allowed difference ${allowed})`);
  });
}

/** dL/dx by central differences of the float64 reference, L = Σ output · weights. */
function differences(
  test: OpCase,
  backend: 'cpu' | 'cuda',
  numbers: Numbers,
  input: string,
  floatOutputs: readonly string[],
): number[] {
  const loss = (x: Numbers): number => {
    const y = test.reference(x, backend);
    return floatOutputs.reduce((total, name) => {
      const w = lossWeights(name, y[name]!.length);
      return total + y[name]!.reduce((s, v, i) => s + v * w[i]!, 0);
    }, 0);
  };
  return numbers[input]!.map((v, i) => {
    const h = 1e-5 * Math.max(1, Math.abs(v));
    const moved = (d: number): Numbers => ({ ...numbers, [input]: numbers[input]!.map((u, j) => (j === i ? u + d : u)) });
    return (loss(moved(h)) - loss(moved(-h))) / (2 * h);
  });
}

const slopesOf = new WeakMap<OpCase, Map<string, number[]>>();

/**
 * The differences, which take far longer than what they are compared with, once a case: for both backends where the reference says
 * the same of both. What they may differ in, TF32, would show in its results.
 */
function slopesFor(test: OpCase, backend: 'cpu' | 'cuda', numbers: Numbers, expected: Numbers, floats: readonly string[]) {
  const known = slopesOf.get(test) ?? new Map<string, number[]>();
  slopesOf.set(test, known);
  let kind: string | undefined;
  return (input: string): number[] => {
    kind ??= isDeepStrictEqual(test.reference(numbers, backend === 'cpu' ? 'cuda' : 'cpu'), expected) ? 'both' : backend;
    const name = `${kind} ${input}`;
    const slopes = known.get(name) ?? differences(test, backend, numbers, input, floats);
    known.set(name, slopes);
    return slopes;
  };
}

/** Ops whose products are cuBLAS's on a GPU. */
const BY_LIBRARY: readonly string[] = [
  'matmul',
  'dense',
  'denseDx',
  'denseDw',
  'mlp',
  'mlpGrad',
  'batchMatmul',
  'lstm',
  'lstmDx',
  'gru',
  'gruDx',
  'simpleRnn',
  'simpleRnnDx',
];

/** Whether it is the library's affair what operands are rounded to: it may use units for bfloat16, for TF32, or none. */
export function isRoundedByLibrary({ instructions }: Pick<Program, 'instructions'>): boolean {
  return instructions.some(({ op, attrs }) => BY_LIBRARY.includes(op.name) && attrs.precision !== 'float32');
}

export const MODES = [
  { name: 'guarded', guardBytes: 64, fusion: true },
  { name: 'unfused', guardBytes: 64, fusion: false },
  { name: 'in place', guardBytes: 0, fusion: true },
];

/** Runs a case in every mode, or in some, and compares; `onProgram` sees each program that was run. */
export async function compareCase(
  session: NativeSession,
  backend: 'cpu' | 'cuda',
  test: OpCase,
  onProgram: (program: Program) => void = () => {},
  modes = MODES,
): Promise<void> {
  const numbers = inputNumbers(test.inputs, test.name.length);
  const expected = test.reference(numbers, backend);
  const floats = Object.keys(expected).filter((n) => !(n in test.inputs) && !n.startsWith('slot'));
  const slopes = slopesFor(test, backend, numbers, expected, floats);
  for (const mode of modes) {
    const { outputs, gradients, program } = await runCase(session, backend, test, numbers, mode);
    onProgram(program);
    const rounded = isOnGpu(session) && isRoundedByLibrary(program);
    for (const [name, values] of Object.entries(expected)) {
      expect(outputs, `${name} (${mode.name})`).to.have.property(name);
      expectClose(outputs[name]!, values, test, `${name} (${mode.name})`, rounded);
    }
    for (const [name, slope] of Object.entries(gradients)) {
      expectClose(slope, slopes(name), test, `d/d${name} (${mode.name})`, rounded);
    }
  }
  const narrow = [...(test.narrow ?? []), ...((backend === 'cuda' && test.narrowOnCuda) || [])];
  for (const names of narrow) await compareNarrow(session, backend, test, numbers, names, onProgram);
}

/** Compares a run in which some inputs and outputs are stored in bfloat16, whose numbers have 8 bits. */
async function compareNarrow(
  session: NativeSession,
  backend: 'cpu' | 'cuda',
  test: OpCase,
  numbers: Numbers,
  narrow: readonly string[],
  onProgram: (program: Program) => void,
): Promise<void> {
  const given = Object.entries(numbers).map(([name, n]) => [name, narrow.includes(name) ? n.map(bfloat16) : n] as const);
  const inputs = Object.fromEntries(given);
  const expected = test.reference(inputs, backend);
  // Once a result, however many terms it has: expectClose multiplies by their number.
  const lastBit = 2 ** -8 / Math.max(1, (test.terms ?? 1) / 16);
  for (const guardBytes of [64, 0]) {
    const { outputs, program } = await runCase(session, backend, test, inputs, { guardBytes, fusion: true, narrow });
    onProgram(program);
    const rounded = isOnGpu(session) && isRoundedByLibrary(program);
    for (const [name, values] of Object.entries(expected)) {
      const rtol = (test.rtol ?? 1.3e-6) + (narrow.includes(name) ? lastBit : 0);
      expectClose(outputs[name]!, values, { ...test, rtol }, `${name} (${narrow.join(', ')} in bfloat16)`, rounded);
    }
  }
}
