/** Where the elements of a dataset come from: resident rows, lists, iterables, and functions that make iterables. */
import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { GradstepError, optionError, describeValue } from '../errors.js';
import { unknownName } from '../options.js';
import { RowsStage } from './rows_stage.js';
import { isPromise, placed, type Stage } from './stage.js';
import { isPresent, isRecord, isTensorLike, toStructure } from './structure.js';
import { dtypeOf, Tensor } from './tensor.js';

type AnyIterator = Iterator<unknown> | AsyncIterator<unknown>;
export type AnyIterable = Iterable<unknown> | AsyncIterable<unknown>;

/** The parts of samples. */
export const COLUMNS = ['x', 'y', 'sampleWeight'];

/** Elements that an iterator gives; `make` begins a pass. Failures name the element of `what`, where it is given. */
export function iterableStage(make: () => AnyIterator, size: number | undefined, what?: string): Stage {
  return {
    size,
    batched: false,
    async *open(pass, _key, from) {
      pass.check();
      const iterator = make();
      let index = 0;
      // Whether the iterator can be closed: 'busy' while it is asked for an element, 'over' when it has ended by itself.
      let state: 'idle' | 'busy' | 'over' = 'idle';
      try {
        for (;;) {
          const turn = pass.turn();
          if (turn) await turn;
          let element: unknown;
          try {
            state = 'busy';
            const next = iterator.next();
            const result = isPromise(next) ? await pass.race(next) : next;
            const value: unknown = result.value;
            element = isPromise(value) ? await pass.race(value) : value;
            state = result.done ? 'over' : 'idle';
          } catch (error) {
            const isEnd = !(error instanceof GradstepError && error.code === 'ERR_ABORTED');
            if (isEnd) state = 'over';
            throw what === undefined ? error : placed(error, what, index);
          }
          if (state === 'over') return;
          if (index++ >= from) yield element;
        }
      } finally {
        if (state !== 'over') {
          const closed = Promise.resolve(iterator.return?.());
          // An iterator that is busy closes when it comes back, which may be never.
          if (state === 'idle') await closed;
          else closed.catch(() => undefined);
        }
      }
    },
  };
}

function listStage(elements: readonly unknown[]): Stage {
  return iterableStage(() => elements[Symbol.iterator](), elements.length, 'source of the dataset');
}

export function isIterable(value: unknown): value is AnyIterable {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

function iteratorOf(source: AnyIterable): AnyIterator {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
}

/** Begins passes over an iterable; one that is its own iterator (a stream, a running generator) can be read only once. */
export function beginOf(source: AnyIterable): () => AnyIterator {
  const isStream = source instanceof Readable || source instanceof ReadableStream;
  let isRead = false;
  return () => {
    if (isRead && isStream) throw readTwice();
    const iterator = iteratorOf(source);
    if (isRead && (iterator as unknown) === source) throw readTwice();
    isRead = true;
    return iterator;
  };
}

function readTwice(): GradstepError {
  const remedy = 'use cache() after it, or a function that makes it anew for each pass';
  return new GradstepError('ERR_DATA', `The source of the dataset can be read only once: ${remedy}`);
}

function functionStage(make: () => unknown): Stage {
  const begin = () => {
    const made = make();
    if (isIterable(made)) return iteratorOf(made);
    throw optionError('the result of the function given to data.dataset', 'an iterable', made);
  };
  return iterableStage(begin, undefined, 'source of the dataset');
}

/** Whether something can be a column of data: tensors, or arrays and records of them. */
function isColumn(value: unknown): boolean {
  if (isTensorLike(value)) return true;
  const all: unknown[] = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
  const parts = all.filter(isPresent);
  return parts.length > 0 && parts.every(isColumn);
}

/** Tensors of rows as a stage; each may be a structure of its own. */
function columnsStage(columns: Readonly<Record<string, unknown>>, where: string): Stage {
  for (const name of Object.keys(columns)) if (!COLUMNS.includes(name)) throw unknownName('part', name, where, COLUMNS);
  if (!isPresent(columns['x'])) throw optionError(`${where}.x`, 'tensors or arrays of numbers', columns['x']);
  return RowsStage.of(toStructure(columns));
}

/** What the caller of `data.dataset` gave. */
export function stageOf(source: unknown): Stage {
  const where = 'data.dataset';
  if (typeof source === 'function') return functionStage(source as () => unknown);
  if (source instanceof Tensor || dtypeOf(source)) return columnsStage({ x: source }, where);
  if (Array.isArray(source)) {
    const [x, y, sampleWeight] = source as unknown[];
    const isPair = (source.length === 2 || source.length === 3) && !isRecord(y) && isColumn(y);
    if (isPair) return columnsStage({ x, y, sampleWeight }, where);
    if (source.length > 0 && !source.some((item) => isTensorLike(item) || typeof item === 'number')) return listStage(source);
  } else if (isRecord(source) && !isIterable(source)) return columnsStage(source, where);
  else if (isIterable(source)) return iterableStage(beginOf(source), undefined, 'source of the dataset');
  const expected = '{ x, y, sampleWeight }, [x, y], [x, y, sampleWeight], an array of elements, an iterable or a function';
  throw new GradstepError('ERR_OPTION', `Expected ${expected} for ${where} but received ${briefly(source)}`);
}

function briefly(value: unknown): string {
  return Array.isArray(value) ? `an array of ${value.length}` : describeValue(value);
}
