/**
 * What an instruction costs at least: the bytes it must read and write once, and its floating-point operations where
 * those decide (products and convolutions). Rooflines are drawn with these.
 */
import { sizeOf, type Shape } from '../graph/shape.js';
import { bytesOf, type Instruction, type Operand } from './program.js';

export interface Cost {
  readonly bytes: number;
  /** Multiplications and additions counted apart; 0 where memory decides. */
  readonly flops: number;
}

type ShapeOf = (name: string) => Shape;

function productFlops(of: ShapeOf, { transposeA }: Instruction['attrs']): number {
  return 2 * sizeOf(of('y')) * of('a').at(transposeA === 'yes' ? -2 : -1)!;
}

/** Keys that a query sees, in the mean: with `causal` those at and before its own place. */
function keysSeen(of: ShapeOf, { causal }: Instruction['attrs']): number {
  const keys = of('k')[1]!;
  return causal === 'yes' ? (keys + 1) / 2 : keys;
}

/** The products of all steps with the recurrent kernel; `gates` is as large as those of the inputs. */
const recurrentFlops =
  (gates: string) =>
  (of: ShapeOf): number =>
    2 * sizeOf(of(gates)) * of('u')[0]!;

/** Multiplications and additions of every row with the weights of a stack of layers, whose names begin so. */
function stackFlops(rows: Shape, shapes: Readonly<Record<string, Shape>>, weights: RegExp): number {
  const sizes = Object.entries(shapes).map(([name, shape]) => (weights.test(name) ? sizeOf(shape) : 0));
  return 2 * rows[0]! * sizes.reduce((a, b) => a + b, 0);
}

type Flops = (of: ShapeOf, attrs: Instruction['attrs'], shapes: Readonly<Record<string, Shape>>) => number;

/** Operations of products, by op; each has its operands by the op's names. */
const FLOPS: Readonly<Record<string, Flops>> = {
  matmul: productFlops,
  batchMatmul: productFlops,
  dense: (of) => 2 * sizeOf(of('y')) * of('x')[1]!,
  denseDw: (of) => 2 * sizeOf(of('dw')) * of('x')[0]!,
  denseDx: (of) => 2 * sizeOf(of('dx')) * of('dy')[1]!,
  conv: (of) => (2 * sizeOf(of('y')) * sizeOf(of('w'))) / of('w').at(-1)!,
  convDx: (of) => (2 * sizeOf(of('dy')) * sizeOf(of('w'))) / of('w').at(-1)!,
  convDw: (of) => (2 * sizeOf(of('dy')) * sizeOf(of('dw'))) / of('dw').at(-1)!,
  // Two products forward; backward the scores once more and four products.
  attention: (of, attrs) => 4 * sizeOf(of('q')) * keysSeen(of, attrs),
  attentionDx: (of, attrs) => 10 * sizeOf(of('q')) * keysSeen(of, attrs),
  mlp: (of, _attrs, shapes) => stackFlops(of('x'), shapes, /^w/),
  mlpGrad: (of, _attrs, shapes) => stackFlops(of('x'), shapes, /^d?w/),
  lstm: recurrentFlops('xw'),
  lstmDx: recurrentFlops('dxw'),
  gru: recurrentFlops('xw'),
  gruDx: recurrentFlops('dxw'),
  simpleRnn: recurrentFlops('xw'),
  simpleRnnDx: recurrentFlops('dxw'),
};

/** Ops that read as many elements of their first input as they write. */
const SPARSE: readonly string[] = ['embedding'];

export function costOf({ op, inputs, outputs, attrs, accumulate }: Instruction): Cost {
  const size = ({ dtype, shape }: Operand): number => bytesOf(dtype, shape);
  const read = Object.entries(inputs).map(([name, o]) => (op.inputs[name]!.mutated ? 2 : 1) * size(o));
  const written = Object.entries(outputs).map(([name, o]) => (accumulate.includes(name) ? 2 : 1) * size(o));
  const shapes = Object.fromEntries(Object.entries({ ...inputs, ...outputs }).map(([name, { shape }]) => [name, shape]));
  const of = (name: string): Shape => shapes[name]!;
  const looked = (): number => bytesOf(Object.values(inputs)[0]!.dtype, outputs.y!.shape) + size(outputs.y!);
  const bytes = SPARSE.includes(op.name) ? looked() : [...read, ...written].reduce((a, b) => a + b, 0);
  return { bytes, flops: FLOPS[op.name]?.(of, attrs, shapes) ?? 0 };
}
