/** Splitting data into a part to train with and a part to validate with. */
import { GradstepError } from '../errors.js';
import { boolean, checkOptions, integer, number, optional, type SchemaOf } from '../options.js';
import { RandomStream, randomSeed, streamOf } from '../random.js';
import { classNumbers } from './class_numbers.js';
import {
  gatherRows,
  isRecord,
  isTensorLike,
  rowCount,
  rowsOf,
  toStructure,
  type StructureLike,
  type TensorsOf,
} from './structure.js';
import type { TensorLike } from './tensor.js';

export interface SplitOptions {
  /** Part of the rows to validate with, in (0, 1). Default 0.25. */
  validation?: number;
  /** Whether the parts have the same proportions of classes; `y` is then class numbers, one a row. Default false. */
  stratify?: boolean;
  /** Whether rows are drawn at random; otherwise the last ones are those to validate with. Default true. */
  shuffle?: boolean;
  /** Seed of the draw. Default: a random one. */
  seed?: number;
}

/** One part of the data. */
export interface SplitPart<X, Y> {
  readonly x: TensorsOf<X>;
  readonly y: TensorsOf<Y>;
}

const schema = {
  validation: optional(
    number('number in (0, 1)', (v) => v > 0 && v < 1),
    0.25,
  ),
  stratify: optional(boolean, false),
  shuffle: optional(boolean, true),
  seed: optional(integer(0), undefined),
} satisfies SchemaOf<SplitOptions>;

/** 0 … rows − 1, shuffled by `random` where there is one. */
function rowNumbers(rows: number, random: RandomStream | undefined): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  if (!random) return order;
  for (let i = rows - 1; i > 0; i--) {
    const j = Math.floor((random.uint32() / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** How many of `total` each class gives up, in proportion to its size: whole numbers by largest remainders. */
function quotas(sizes: readonly number[], total: number): number[] {
  const rows = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map((size) => (size * total) / rows);
  const whole = exact.map(Math.floor);
  const byRemainder = exact.map((_, i) => i).sort((a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b);
  const missing = total - whole.reduce((sum, n) => sum + n, 0);
  for (const i of byRemainder.slice(0, missing)) whole[i]!++;
  return whole;
}

/** Row numbers of the two parts, in the given order, with the classes' proportions kept. */
function stratified(order: Int32Array, labels: Int32Array, total: number): [train: Int32Array, validation: Int32Array] {
  const byClass = new Map<number, number[]>();
  for (const row of order) {
    const label = labels[row]!;
    const members = byClass.get(label);
    if (members) members.push(row);
    else byClass.set(label, [row]);
  }
  const classes = [...byClass].sort(([a], [b]) => a - b);
  const share = quotas(
    classes.map(([, members]) => members.length),
    total,
  );
  const chosen = new Set<number>();
  classes.forEach(([label, members], i) => {
    if (members.length < 2) {
      const what = `Expected at least 2 rows of each class to stratify but received 1 of class ${label}`;
      throw new GradstepError('ERR_DATA', what);
    }
    for (const row of members.slice(members.length - share[i]!)) chosen.add(row);
  });
  return [order.filter((row) => !chosen.has(row)), order.filter((row) => chosen.has(row))];
}

/**
 * Data and labels in two parts: `{ train: { x, y }, validation: { x, y } }`. round(n · validation) rows go to `validation`, but at
 * least one to each part. Without `shuffle` the parts are views of the rows where they lie.
 *
 * ERR_SHAPE where x and y have different numbers of rows; ERR_DATA with fewer than two rows, or of a class when stratifying.
 */
export function split<X extends StructureLike, Y extends StructureLike>(
  x: X,
  y: Y,
  options?: SplitOptions,
): { train: SplitPart<X, Y>; validation: SplitPart<X, Y> } {
  const { validation, stratify, shuffle, seed } = checkOptions('data.split', options, schema);
  const whole = toStructure({ x, y });
  const rows = rowCount(whole);
  if (rows < 2) throw new GradstepError('ERR_DATA', `Expected at least 2 rows to split but received ${rows}`);
  const total = Math.min(Math.max(Math.round(rows * validation), 1), rows - 1);
  const parts = (train: unknown, held: unknown) => ({
    train: train as SplitPart<X, Y>,
    validation: held as SplitPart<X, Y>,
  });
  const random = shuffle ? new RandomStream(seed ?? randomSeed(), streamOf('split')) : undefined;
  if (stratify) {
    if (isRecord(y) || !isTensorLike(y)) throw new GradstepError('ERR_OPTION', 'Expected y of class numbers to stratify by');
    const labels = classNumbers(y as TensorLike, 'data.split.y');
    if (labels.length !== rows) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected one class number a row to stratify by but received ${labels.length} for ${rows} rows`,
      );
    }
    const [train, held] = stratified(rowNumbers(rows, random), labels, total);
    return parts(gatherRows(whole, train), gatherRows(whole, held));
  }
  if (!random) return parts(rowsOf(whole, 0, rows - total), rowsOf(whole, rows - total, rows));
  const order = rowNumbers(rows, random);
  return parts(gatherRows(whole, order.subarray(0, rows - total)), gatherRows(whole, order.subarray(rows - total)));
}
