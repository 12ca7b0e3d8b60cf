/** The part of `gs.ops` that multiplies matrices, and sums products by the names of axes. */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { floats } from './arguments.js';
import { multiply } from './batch_matmul.js';
import { pad, sliceAxis } from './pad.js';
import { sum } from './reduce_sum.js';
import { reshape } from './reshape.js';
import { transpose } from './transpose.js';

/** Options of matrix products. */
export interface MatmulOptions {
  /** Whether the last two axes of a are swapped. Default false. */
  transposeA?: boolean;
  /** Whether the last two axes of b are swapped. Default false. */
  transposeB?: boolean;
}

const matmulOptions = {
  transposeA: optional(boolean, false),
  transposeB: optional(boolean, false),
} satisfies SchemaOf<MatmulOptions>;

/**
 * Product of matrices over the last two axes: [..., m, k]·[..., k, n] → [..., m, n]. The axes before them broadcast.
 * ERR_SHAPE where sizes do not match.
 */
export function matmul(a: Value, b: Value, options?: MatmulOptions): Value {
  const { transposeA, transposeB } = checkOptions('ops.matmul', options, matmulOptions);
  return multiply(floats('ops.matmul a', a), floats('ops.matmul b', b), transposeA, transposeB);
}

/** A value whose axes have names. */
interface Named {
  readonly value: Value;
  readonly axes: string;
}

const EXPECTED = 'equation of letters such as "bij,bjk->bik", each once in the result';

/** What axes that "..." stands for are called, the last one by the last of these. */
const REST = 'αβγδεζ';
const DOTS = '...';

/** The axes of each operand, of as many as `ranks` says, and of the result. */
function parse(equation: unknown, ranks: readonly number[]): { inputs: string[]; output: string } {
  if (typeof equation !== 'string') throw optionError('ops.einsum equation', EXPECTED, equation);
  const [left, right, ...more] = equation.replace(/\s/g, '').split('->');
  const given = left!.split(',');
  const isValid = (axes: string) => /^[A-Za-z]*(\.\.\.[A-Za-z]*)?$/.test(axes);
  const letters = (right ?? '').replace(DOTS, '');
  const isTwice = new Set(letters).size < letters.length;
  if (more.length > 0 || isTwice || ![...given, right ?? ''].every(isValid))
    throw optionError('ops.einsum equation', EXPECTED, equation);
  if (given.length !== ranks.length) {
    throw new GradstepError('ERR_OPTION', `ops.einsum "${equation}" names ${given.length} operands but received ${ranks.length}`);
  }
  const rest = given.map((axes, i) => (axes.includes(DOTS) ? Math.max(0, ranks[i]! - axes.length + DOTS.length) : 0));
  const named = (axes: string, count: number) => axes.replace(DOTS, REST.slice(REST.length - count));
  const inputs = given.map((axes, i) => named(axes, rest[i]!));
  const output = named(right ?? DOTS + implied(given.join('').replaceAll(DOTS, '')), Math.max(...rest));
  const unknown = [...output].find((axis) => !inputs.some((axes) => axes.includes(axis)));
  if (unknown !== undefined) {
    throw new GradstepError('ERR_OPTION', `Axis ${unknown} of the result is in no operand of ops.einsum "${equation}"`);
  }
  return { inputs, output };
}

/** An operand whose letters are each of one axis: of two axes of a letter, what lies on their diagonal. */
function diagonals(equation: string, operand: Named): Named {
  const { value, axes } = operand;
  const letter = [...axes].find((axis, i) => axes.indexOf(axis) !== i);
  if (letter === undefined) return operand;
  const first = axes.indexOf(letter);
  const second = axes.indexOf(letter, first + 1);
  const size = value.shape[first]!;
  if (value.shape[second] !== size) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Axis ${letter} of ops.einsum "${equation}" is ${size} and ${value.shape[second]} in one operand`,
    );
  }
  const others = value.shape.map((_, i) => i).filter((i) => i !== first && i !== second);
  const lengths = others.map((i) => value.shape[i]!);
  const square = reshape(transpose(value, [...others, first, second]), [sizeOf(lengths), size * size]);
  // In rows that are longer by one, the diagonal is the first column.
  const rows = reshape(pad(square, [0, 0], [0, size]), [sizeOf(lengths), size, size + 1]);
  const diagonal = reshape(sliceAxis(rows, 2, 0, 1), [...lengths, size]);
  return diagonals(equation, { value: diagonal, axes: others.map((i) => axes[i]!).join('') + letter });
}

/** Operands without those axes of "..." in which they are 1 and others are not: these broadcast. */
function withoutOnes(operands: readonly Named[]): Named[] {
  const sizeIn = ({ value, axes }: Named, axis: string) => (axes.includes(axis) ? value.shape[axes.indexOf(axis)]! : 1);
  const isGone = (axis: string, operand: Named) =>
    REST.includes(axis) && sizeIn(operand, axis) === 1 && operands.some((other) => sizeIn(other, axis) !== 1);
  return operands.map((operand) => {
    const kept = [...operand.axes].filter((axis) => !isGone(axis, operand)).join('');
    if (kept === operand.axes) return operand;
    return {
      value: reshape(
        operand.value,
        [...kept].map((axis) => sizeIn(operand, axis)),
      ),
      axes: kept,
    };
  });
}

/** What NumPy takes for the result where none is named: the letters that occur once, by alphabet. */
function implied(letters: string): string {
  return [...new Set(letters)]
    .filter((l) => letters.split(l).length === 2)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join('');
}

/** Sums over the axes that are not in `kept`. */
function reduced({ value, axes }: Named, kept: string): Named {
  const gone = [...axes].flatMap((axis, i) => (kept.includes(axis) ? [] : [i]));
  if (gone.length === 0) return { value, axes };
  return { value: sum(value, gone), axes: [...axes].filter((axis) => kept.includes(axis)).join('') };
}

/** The axes in another order. */
function ordered({ value, axes }: Named, order: string): Value {
  return transpose(
    value,
    [...order].map((axis) => axes.indexOf(axis)),
  );
}

/** The product of two, summed over the axes of both that are not in `kept`. */
function product(first: Named, second: Named, kept: string): Named {
  const a = reduced(first, kept + second.axes);
  const b = reduced(second, kept + first.axes);
  const both = [...a.axes].filter((axis) => b.axes.includes(axis));
  const shared = both.filter((axis) => kept.includes(axis)).join('');
  const summed = both.filter((axis) => !kept.includes(axis)).join('');
  const own = (axes: string) => [...axes].filter((axis) => !both.includes(axis)).join('');
  const [ofA, ofB] = [own(a.axes), own(b.axes)];
  const sizes = new Map([a, b].flatMap(({ value, axes }) => [...axes].map((axis, i) => [axis, value.shape[i]!] as const)));
  const lengths = (axes: string) => [...axes].map((axis) => sizes.get(axis)!);
  const size = (axes: string) => sizeOf(lengths(axes));
  const left = reshape(ordered(a, shared + ofA + summed), [size(shared), size(ofA), size(summed)]);
  const right = reshape(ordered(b, shared + summed + ofB), [size(shared), size(summed), size(ofB)]);
  const axes = shared + ofA + ofB;
  return { value: reshape(multiply(left, right), lengths(axes)), axes };
}

function checkRanks(equation: string, operands: readonly Named[]): void {
  for (const { value, axes } of operands) {
    if (value.shape.length !== axes.length) {
      const given = formatShape(value.shape);
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected ${axes.length} axes (${axes}) for ops.einsum "${equation}" but received ${given}`,
      );
    }
  }
}

function checkSizes(equation: string, operands: readonly Named[]): void {
  const sizes = new Map<string, number>();
  for (const { value, axes } of operands) {
    [...axes].forEach((axis, i) => {
      const size = value.shape[i]!;
      const known = sizes.get(axis) ?? size;
      if (known !== size) {
        throw new GradstepError(
          'ERR_SHAPE',
          `Axis ${REST.includes(axis) ? `of "..."` : axis} of ops.einsum "${equation}" is ${known} in one operand and ${size} in another`,
        );
      }
      sizes.set(axis, size);
    });
  }
}

/**
 * Sums of products by the names of axes: each letter is an axis, those that the result lacks are summed over. `"ij,jk->ik"` is a
 * product of matrices, `"bqd,bkd->bqk"` the products of all queries and keys, `"ij->ji"` a transposition, `"ij->j"` a sum, `"bii->bi"`
 * the diagonals of matrices, `"ii->"` a trace. Without `->` the result has the letters that occur once, by alphabet. `...` stands for all axes that an operand has besides its letters; they
 * broadcast, from the last one on: `"...ij,...jk->...ik"`. A result that lacks it is summed over them, one that is not named has them
 * first. Operands are multiplied from left to right. ERR_OPTION where the equation is none, ERR_SHAPE where sizes do not fit it.
 */
export function einsum(equation: string, ...operands: Value[]): Value {
  const values = operands.map((x, i) => floats(`ops.einsum operand ${i + 1}`, x));
  const { inputs, output } = parse(
    equation,
    values.map(({ shape }) => shape.length),
  );
  const given = values.map((value, i) => ({ value, axes: inputs[i]! }));
  checkRanks(equation, given);
  const named = withoutOnes(given.map((operand) => diagonals(equation, operand)));
  checkSizes(equation, named);
  const [first, ...rest] = named;
  let result: Named = first!;
  rest.forEach((next, i) => {
    const later = rest.slice(i + 1).map(({ axes }) => axes);
    result = product(result, next, [output, ...later].join(''));
  });
  return ordered(reduced(result, output), output);
}
