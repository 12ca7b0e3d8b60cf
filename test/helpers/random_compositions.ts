/**
 * More operations of `gs.ops` with random options (see random_operations.ts): those that are composed of others, and what looks up by
 * number.
 */
import * as gs from '../../lib/index.js';
import { built, elementwise, product, sums, transposed, type Array64 } from './array64.js';
import type { Draws } from './draws.js';
import { anyValue, axisOf, ofArray, orderedAlong, type Drawn } from './random_operations.js';

const { ops } = gs;

type Element = readonly [name: string, apply: (x: gs.ops.Value) => gs.ops.Value, exact: (v: number) => number];

/** Of any number. */
const SMOOTH: readonly Element[] = [
  ['reciprocal (x² + ½)', (x) => ops.reciprocal(ops.add(ops.square(x), 0.5)), (v) => 1 / (v * v + 0.5)],
  ['rsqrt (x² + ½)', (x) => ops.rsqrt(ops.add(ops.square(x), 0.5)), (v) => 1 / Math.sqrt(v * v + 0.5)],
  ['squaredDifference 2 x', (x) => ops.squaredDifference(2, x), (v) => (2 - v) ** 2],
  ['add x fill', (x) => ops.add(x, ops.fill(x, [], 0.25)), (v) => v + 0.25],
  ['sub onesLike x', (x) => ops.sub(ops.onesLike(x), x), (v) => 1 - v],
  ['maximum zerosLike x²', (x) => ops.maximum(ops.zerosLike(x), ops.add(ops.square(x), 0.1)), (v) => v * v + 0.1],
];

/** Of inputs, which are far from 0 and at most 1.5 in size. */
const CORNERS: readonly Element[] = [
  ['ceil of in / 2', (x) => ops.ceil(ops.mul(x, 0.5)), (v) => Math.ceil(v / 2)],
  ['round of in / 4', (x) => ops.round(ops.mul(x, 0.25)), () => 0],
  ['clipByValue of in', (x) => ops.clipByValue(x, 0, 2), (v) => Math.max(0, v)],
  ['isNaN of in', ops.isNaN, () => 0],
  ['isFinite of in', ops.isFinite, () => 1],
  ['logicalNot in > 0', (x) => ops.logicalNot(ops.relu(x)), (v) => (v > 0 ? 0 : 1)],
  ['logicalAnd in > 0, 1', (x) => ops.logicalAnd(ops.relu(x), 1), (v) => (v > 0 ? 1 : 0)],
  ['logicalOr in > 0, 0', (x) => ops.logicalOr(0, ops.relu(x)), (v) => (v > 0 ? 1 : 0)],
  ['logicalXor in > 0, 1', (x) => ops.logicalXor(ops.relu(x), 1), (v) => (v > 0 ? 0 : 1)],
  ['cast of 3 · sign of in', (x) => ops.cast(ops.cast(ops.mul(ops.sign(x), 3.5), 'int32'), 'float32'), (v) => (v > 0 ? 3 : -3)],
];

const ofElement =
  (list: readonly Element[], isOfInput: boolean): Drawn =>
  (draws, values, inputs) => {
    const [text, apply, exact] = draws.pick(list);
    const of = [isOfInput ? draws.integer(0, inputs - 1) : anyValue(draws, values)];
    return { text, of, apply: (x) => apply(x!), exact: (x) => elementwise(exact, x!) };
  };

const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
const variance = (v: readonly number[]) => mean(v.map((a) => (a - mean(v)) ** 2));

type Statistic = readonly [string, (x: gs.ops.Value, o: gs.ops.ReduceOptions) => gs.ops.Value, (v: readonly number[]) => number];

const STATISTICS: readonly Statistic[] = [
  ['variance', ops.variance, variance],
  ['moments', (x, o) => ops.sub(ops.moments(x, o).mean, ops.moments(x, o).variance), (v) => mean(v) - variance(v)],
  ['logSumExp', ops.logSumExp, (v) => Math.log(v.reduce((sum, a) => sum + Math.exp(a), 0))],
  ['prod', ops.prod, (v) => v.reduce((a, b) => a * b, 1)],
  // Away from 0, where they have no slope.
  ['norm of x² + ½', (x, o) => ops.norm(ops.add(ops.square(x), 0.5), o), (v) => Math.hypot(...v.map((a) => a * a + 0.5))],
  ['std of x, 1', (x, o) => shiftedSpread(x, o), (v) => Math.sqrt(variance(v.flatMap((a) => [a, a + 1])))],
];

/** The standard deviation of numbers and those numbers plus 1, which is never 0. */
function shiftedSpread(x: gs.ops.Value, options: gs.ops.ReduceOptions): gs.ops.Value {
  return ops.std(ops.concat([x, ops.add(x, 1)], options.axis as number), options);
}

const TRUTHS: readonly Statistic[] = [
  ['any in > 0', (x, o) => ops.any(ops.relu(x), o), (v) => (v.some((a) => a > 0) ? 1 : 0)],
  ['all in > 0', (x, o) => ops.all(ops.relu(x), o), (v) => (v.every((a) => a > 0) ? 1 : 0)],
];

/** `make` of the numbers along an axis, which is gone or has size 1. */
function along(x: Array64, axis: number, keepDims: boolean, make: (v: readonly number[]) => number): Array64 {
  const [front, back] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  return built([...front, ...(keepDims ? [1] : []), ...back], (index) => {
    const rest = index.slice(axis + (keepDims ? 1 : 0));
    return make(Array.from({ length: x.shape[axis]! }, (_, i) => x.at([...index.slice(0, axis), i, ...rest])));
  });
}

const ofStatistic =
  (list: readonly Statistic[], isOfInput: boolean): Drawn =>
  (draws, values, inputs) => {
    const of = [isOfInput ? draws.integer(0, inputs - 1) : anyValue(draws, values)];
    const x = values[of[0]!]!;
    if (x.shape.length === 0) return undefined;
    const [name, apply, make] = draws.pick(list);
    const [axis, keepDims] = [axisOf(draws, x), draws.chance(0.5)];
    return {
      text: `${name} over ${axis}${keepDims ? ' kept' : ''}`,
      of,
      apply: (v) => apply(v!, { axis, keepDims }),
      exact: (v) => along(v!, axis, keepDims, make),
    };
  };

/** Whole numbers ⌊begin + k·step⌋, modulo nothing: below `length` they must be. */
interface Numbers {
  readonly value: (like: gs.ops.Value) => gs.ops.Value;
  readonly at: readonly number[];
}

/** Positions along an axis: all or some, forwards or backwards, some of them twice or thrice. */
function positions(draws: Draws, length: number): Numbers {
  const step = draws.pick([1, 2, 0.5, 1 / 4, -1, -0.5]);
  const [begin, end] = step > 0 ? [0, length] : [length - 0.5, -0.25];
  const at = Array.from({ length: Math.ceil((end - begin) / step) }, (_, k) => Math.floor(begin + k * step));
  return { value: (like) => ops.cast(ops.range(like, begin, end, step), 'int32'), at };
}

const gather = ofArray((draws, x) => {
  const axis = axisOf(draws, x);
  const { value, at } = positions(draws, x.shape[axis]!);
  return {
    text: `gather along ${axis} by range ${at.join()}`,
    apply: (v) => ops.gather(v, value(v), { axis }),
    exact: (v) => built(v.shape.with(axis, at.length), (index) => v.at(index.with(axis, at[index[axis]!]!))),
  };
});

/** Each row its own positions: those of the range, further along by the row's number. */
const takeAlong = ofArray((draws, x) => {
  if (x.shape.length < 2) return undefined;
  const length = x.shape.at(-1)!;
  const { value, at } = positions(draws, length);
  const shape = [...x.shape.slice(0, -1), at.length];
  const first = shape[0]!;
  const moved = (row: number, k: number): number => (at[k]! + row) % length;
  return {
    text: `takeAlongAxis by range ${at.join()}, moved by rows`,
    apply(v) {
      const rows = ops.reshape(ops.range(v, 0, first), [first, ...shape.slice(1).map(() => 1)]);
      const there = ops.add(rows, value(v));
      const wrapped = ops.sub(there, ops.mul(ops.floor(ops.div(ops.add(there, 0.5), length)), length));
      return ops.takeAlongAxis(v, ops.cast(ops.broadcastTo(ops.add(wrapped, 0.25), shape), 'int32'));
    },
    exact: (v) => built(shape, (index) => v.at([...index.slice(0, -1), moved(index[0]!, index.at(-1)!)])),
  };
});

const segments = ofArray((draws, x) => {
  const length = x.shape[0]!;
  const [each, count] = [draws.pick([0.5, 1, 1 / 3]), draws.integer(1, 4)];
  const ids = Array.from({ length }, (_, i) => Math.floor(i * each + 0.01));
  return {
    text: `unsortedSegmentSum of ${ids.join()} to ${count}`,
    apply: (v) => ops.unsortedSegmentSum(v, ops.cast(ops.add(ops.mul(ops.range(v, 0, length), each), 0.01), 'int32'), count),
    exact: (v) =>
      built([count, ...v.shape.slice(1)], (index) =>
        ids.reduce((total, id, i) => total + (id === index[0] ? v.at([i, ...index.slice(1)]) : 0), 0),
      ),
  };
});

/** The largest of rows of an input, which are clearly apart. */
const leaders: Drawn = (draws, values, inputs) => {
  const at = draws.integer(0, inputs - 1);
  const x = values[at]!;
  if (x.shape.length === 0) return undefined;
  const axis = x.shape.length - 1;
  const k = draws.integer(1, Math.min(4, x.shape[axis]!));
  const gaps = built(x.shape, (index) => {
    const ordered = orderedAlong(x, axis, index.slice(0, -1), 'max');
    const here = index[axis]!;
    return here === 0 ? Infinity : ordered[here - 1]! - ordered[here]!;
  });
  if (gaps.data.some((gap) => gap < 0.005)) return undefined;
  return {
    text: `topk ${k} of in`,
    of: [at],
    apply: (v) => ops.topk(v!, k).values,
    exact: (v) =>
      built([...x.shape.slice(0, -1), k], (index) => orderedAlong(v!, axis, index.slice(0, -1), 'max')[index[axis]!]!),
  };
};

const tile = ofArray((draws, x) => {
  const reps = x.shape.map(() => draws.integer(1, 3));
  return {
    text: `tile ${reps.join()}`,
    apply: (v) => ops.tile(v, reps),
    exact: (v) =>
      built(
        v.shape.map((d, axis) => d * reps[axis]!),
        (index) => v.at(index.map((i, axis) => i % v.shape[axis]!)),
      ),
  };
});

const repeat = ofArray((draws, x) => {
  const [axis, times] = [axisOf(draws, x), draws.integer(1, 3)];
  return {
    text: `repeat ${times} along ${axis}`,
    apply: (v) => ops.repeat(v, times, axis),
    exact: (v) =>
      built(v.shape.with(axis, v.shape[axis]! * times), (index) => v.at(index.with(axis, Math.floor(index[axis]! / times)))),
  };
});

const reverse = ofArray((draws, x) => {
  const axes = x.shape.flatMap((_, axis) => (draws.chance(0.6) ? [axis] : []));
  return {
    text: `reverse along ${axes.join()}`,
    apply: (v) => ops.reverse(v, axes),
    exact: (v) => built(v.shape, (index) => v.at(index.map((i, a) => (axes.includes(a) ? v.shape[a]! - 1 - i : i)))),
  };
});

/** A value with itself: its last axis summed, the others of both in the result, or shared. */
const einsum = ofArray((draws, x) => {
  if (x.shape.length < 2 || x.shape.length > 3) return undefined;
  const rank = x.shape.length;
  if (draws.chance(0.5)) {
    const equation = rank === 2 ? 'ak,bk->ba' : 'nak,nbk->nba';
    const turned = [...x.shape.keys()].slice(0, -2);
    const flip = (v: Array64) => transposed(v, [...turned, rank - 1, rank - 2]);
    // b comes before a: the product of the second with the first.
    return { text: `einsum ${equation}`, apply: (v) => ops.einsum(equation, v, v), exact: (v) => product(v, flip(v)) };
  }
  const equation = rank === 2 ? 'ak,ak->k' : 'nak,nak->nk';
  return {
    text: `einsum ${equation}`,
    apply: (v) => ops.einsum(equation, v, v),
    exact: (v) =>
      sums(
        elementwise((a) => a * a, v),
        [rank - 2],
      ).as(v.shape.toSpliced(rank - 2, 1)),
  };
});

export const COMPOSITIONS: readonly Drawn[] = [
  ofElement(SMOOTH, false),
  ofElement(CORNERS, true),
  ofElement(CORNERS, true),
  ofStatistic(STATISTICS, false),
  ofStatistic(TRUTHS, true),
  gather,
  takeAlong,
  segments,
  leaders,
  tile,
  repeat,
  reverse,
  einsum,
];
