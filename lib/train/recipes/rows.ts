/** Rows of data for recipes: the first of them, or batches without end. */
import { Dataset } from '../../data/dataset.js';
import { shuffledRows } from '../../data/row_order.js';
import { rowsOf, sliceSamples, type Samples } from '../../data/samples.js';
import { Tensor, type TensorData } from '../../data/tensor.js';
import { GradstepError, optionError } from '../../errors.js';
import { sizeOf } from '../../graph/shape.js';
import { samplesOf } from '../inputs.js';
import type { Model } from '../model.js';
import { coreOf } from '../model_core.js';
import { labelsAndOptions, type DataLike, type Labels } from '../run_options.js';
import { batched, chunksOf, joinSamples, sampleReader } from '../stream.js';
import type { BatchOptions } from '../train_on_batch.js';

/** The arguments of a recipe after the model: `x, y, options` or `dataset, options`. */
export interface Given<O> {
  readonly x: DataLike | Dataset;
  readonly y: Labels;
  readonly options: O | undefined;
}

export function givenOf<O>(what: string, x: DataLike | Dataset, rest: readonly unknown[]): Given<O> {
  const [y, options] = labelsAndOptions<O>(what, x, rest);
  return { x, y, options };
}

function residentRows(model: Model, x: DataLike, y: Labels, what: string): Samples {
  const core = coreOf(model);
  if (y === undefined) throw optionError(`${what}.y`, 'labels', y);
  core.prepareFor(x);
  return samplesOf(core, x, y);
}

/** The first rows, at most `rows` of them. */
export async function firstRows(
  model: Model,
  { x, y }: Given<unknown>,
  rows: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<Samples> {
  if (!(x instanceof Dataset)) {
    const all = residentRows(model, x, y, what);
    return sliceSamples(all, 0, Math.min(rows, rowsOf(all)));
  }
  const parts: Samples[] = [];
  let found = 0;
  for await (const { samples } of chunksOf(batched(x, rows), sampleReader(coreOf(model)), { epoch: 0, signal })) {
    parts.push(samples);
    found += rowsOf(samples);
    if (found >= rows) break;
  }
  if (found === 0) throw new GradstepError('ERR_DATA', `Expected at least one batch for ${what} but the dataset is empty`);
  return sliceSamples(joinSamples(parts), 0, Math.min(rows, found));
}

/** Batches in random order, pass after pass; those of a dataset as it yields them. */
export async function* endlessBatches(
  model: Model,
  { x, y }: Given<unknown>,
  batchSize: number,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Samples, void, undefined> {
  if (!(x instanceof Dataset)) {
    const all = residentRows(model, x, y, what);
    const rows = rowsOf(all);
    const size = Math.min(batchSize, rows);
    for (let epoch = 0; ; epoch++) {
      const order = await shuffledRows(rows, coreOf(model).seed, epoch);
      for (let at = 0; at + size <= rows; at += size) yield gather(all, order.subarray(at, at + size));
    }
  }
  for (let epoch = 0; ; epoch++) {
    let isEmpty = true;
    for await (const chunk of chunksOf(batched(x, batchSize), sampleReader(coreOf(model)), { epoch, signal })) {
      const rows = rowsOf(chunk.samples);
      for (let at = 0; at < rows; at += chunk.batchSize) {
        isEmpty = false;
        yield sliceSamples(chunk.samples, at, Math.min(rows, at + chunk.batchSize));
      }
    }
    if (isEmpty) throw new GradstepError('ERR_DATA', `Expected at least one batch for ${what} but the dataset is empty`);
  }
}

function gather({ x, y, weights }: Samples, order: Int32Array): Samples {
  const take = ({ data, shape }: Tensor): Tensor => {
    const size = sizeOf(shape.slice(1));
    const rows = new (data.constructor as new (length: number) => TensorData)(order.length * size);
    order.forEach((row, i) => rows.set(data.subarray(row * size, (row + 1) * size), i * size));
    return new Tensor(rows, [order.length, ...shape.slice(1)]);
  };
  return { x: x.map(take), y: y.map(take), weights: weights.map((w) => w && take(w)) };
}

const asGiven = (list: readonly Tensor[]): DataLike => (list.length === 1 ? list[0]! : list);

/** Samples as `fit` and `trainOnBatch` take them. */
export function argumentsOf({ x, y, weights }: Samples): { x: DataLike; y: DataLike; weighting: BatchOptions } {
  const known = weights.filter((w) => w !== undefined);
  const weighting = known.length > 0 && known.length === weights.length ? { sampleWeight: asGiven(known) } : {};
  return { x: asGiven(x), y: asGiven(y), weighting };
}
