/**
 * Stages of a dataset: what produces elements, pass after pass. A stage holds no state of a pass; each pass opens an iterator,
 * and closing that closes the iterators before it. Iterators accept a call of `next` while another is under way, as those of
 * async generators do: that is how stages work ahead.
 */
import { GradstepError, type ErrorCode } from '../errors.js';
import type { Pass } from './pass.js';
import type { Structure } from './structure.js';

export interface Stage {
  /** Elements in a pass; Infinity where it never ends, undefined where only the pass will tell. */
  readonly size: number | undefined;
  /** Whether elements are batches made by `batch`. */
  readonly batched: boolean;
  /**
   * Begins a pass at element number `from`; those before are not made where that can be avoided. `key` tells passes apart:
   * shuffling is the same for the same key.
   */
  open(pass: Pass, key: string, from: number): AsyncGenerator<unknown, void, undefined>;
  /** The same elements, joined into batches of any sizes; `rows` is the size of most use. A faster way to batches, where there is one. */
  openBatches?(pass: Pass, key: string, from: number, rows: number): AsyncGenerator<Structure, void, undefined>;
}

/** Elements without the first `count`, which are made all the same. */
export async function* after<T>(count: number, elements: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  let left = count;
  for await (const element of elements) {
    if (left > 0) left--;
    else yield element;
  }
}

/** An error with the place in the dataset where it happened; the code stays, or is ERR_DATA where there is none. */
export function placed(error: unknown, what: string, index: number): unknown {
  if (error instanceof GradstepError && error.code === 'ERR_ABORTED') return error;
  const code: ErrorCode = error instanceof GradstepError ? error.code : 'ERR_DATA';
  const message = error instanceof Error ? error.message : String(error);
  return new GradstepError(code, `${what} failed at element ${index}: ${message}`, { cause: error });
}

export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** What a user's function returns for an element, waited for; failures name the element. */
async function applied<R>(
  pass: Pass,
  fn: (element: never, index: number) => unknown,
  element: unknown,
  index: number,
  what: string,
) {
  try {
    const result = fn(element as never, index);
    return (isPromise(result) ? await pass.race(result) : result) as R;
  } catch (error) {
    throw placed(error, what, index);
  }
}

type UserFunction = (element: never, index: number) => unknown;

const END = Symbol('end');

/**
 * Elements of the iterator that `open` makes after `work`, in order, with up to `depth` under way; when `eager` so many are also
 * under way while the consumer works. What is under way when the consumer leaves is given up. The first element has number `first`.
 */
async function* ahead<T, R>(
  outer: Pass,
  open: (pass: Pass) => AsyncGenerator<T, void, undefined>,
  depth: number,
  eager: boolean,
  first: number,
  work: (element: T, index: number, pass: Pass) => Promise<R> | R,
): AsyncGenerator<R, void, undefined> {
  const pass = outer.part();
  const source = open(pass);
  const flight: Promise<R | typeof END>[] = [];
  let index = first;
  // Until an element has come the next is not asked for: there may be none.
  let canAsk = true;
  const push = () => {
    if (!canAsk || flight.length === depth) return;
    canAsk = false;
    const at = index++;
    const entry = source.next().then((result) => {
      if (result.done) return END;
      const made = work(result.value, at, pass);
      canAsk = true;
      push();
      return made;
    });
    // Whoever takes the entry sees its failure; until then it must not count as unhandled.
    entry.catch(() => undefined);
    flight.push(entry);
  };
  try {
    for (;;) {
      push();
      const value = await flight[0]!;
      if (value === END) return;
      void flight.shift();
      if (eager) push();
      yield value;
    }
  } finally {
    pass.stop();
    await source.return();
  }
}

export function mapStage(source: Stage, fn: UserFunction, concurrency: number): Stage {
  const what = 'map of the dataset';
  return {
    size: source.size,
    batched: source.batched,
    open(outer, key, from) {
      const work = (element: unknown, index: number, pass: Pass) => applied<unknown>(pass, fn, element, index, what);
      return ahead(outer, (pass) => source.open(pass, key, from), concurrency, concurrency > 1, from, work);
    },
  };
}

export function prefetchStage(source: Stage, count: number): Stage {
  return {
    size: source.size,
    batched: source.batched,
    open: (outer, key, from) =>
      ahead(
        outer,
        (pass) => source.open(pass, key, from),
        count,
        true,
        from,
        (element) => element,
      ),
  };
}

export function filterStage(source: Stage, fn: UserFunction): Stage {
  async function* kept(pass: Pass, key: string): AsyncGenerator<unknown, void, undefined> {
    let index = 0;
    for await (const element of source.open(pass, key, 0)) {
      const keep = await applied<unknown>(pass, fn, element, index++, 'filter of the dataset');
      if (typeof keep !== 'boolean') {
        const error = new TypeError(`expected true or false but received ${typeof keep}`);
        throw placed(error, 'filter of the dataset', index - 1);
      }
      if (keep) yield element;
    }
  }
  return { size: undefined, batched: source.batched, open: (pass, key, from) => after(from, kept(pass, key)) };
}

export function takeStage(source: Stage, count: number): Stage {
  return {
    size: source.size === undefined ? undefined : Math.min(source.size, count),
    batched: source.batched,
    async *open(pass, key, from) {
      let left = count - from;
      if (left <= 0) return;
      for await (const element of source.open(pass, key, from)) {
        yield element;
        if (--left === 0) return;
      }
    },
  };
}

export function skipStage(source: Stage, count: number): Stage {
  return {
    size: source.size === undefined ? undefined : Math.max(source.size - count, 0),
    batched: source.batched,
    open: (pass, key, from) => source.open(pass, key, count + from),
  };
}

/** Passes one after the other, each with a key of its own; ends with a pass that has no element. */
export function repeatStage(source: Stage, count: number): Stage {
  // Passes without end are one, whatever each has; where none has an element that is an error of its own.
  const size = source.size ?? (count === Infinity ? Infinity : undefined);
  return {
    size: size === 0 || count === 0 ? 0 : size === undefined ? undefined : size * count,
    batched: source.batched,
    async *open(pass, key, from) {
      // Of rounds that are not as long as one another only reading tells where they end.
      const { size } = source;
      const canJump = size !== undefined && size > 0 && size < Infinity;
      let left = canJump ? 0 : from;
      let begin = canJump ? from % size : 0;
      for (let round = canJump ? Math.floor(from / size) : 0; round < count; round++) {
        let isEmpty = begin === 0;
        for await (const element of source.open(pass, `${key}.${round}`, begin)) {
          isEmpty = false;
          if (left > 0) left--;
          else yield element;
        }
        if (isEmpty) return;
        begin = 0;
      }
    },
  };
}

export function concatenateStage(first: Stage, second: Stage): Stage {
  async function* joined(pass: Pass, key: string, from: number): AsyncGenerator<unknown, void, undefined> {
    yield* first.open(pass, key, from);
    yield* second.open(pass, key, 0);
  }
  return {
    size: first.size === undefined || second.size === undefined ? undefined : first.size + second.size,
    batched: first.batched && second.batched,
    open(pass, key, from) {
      const { size } = first;
      if (size === undefined) return after(from, joined(pass, key, 0));
      return from < size ? joined(pass, key, from) : second.open(pass, key, from - size);
    },
  };
}

/** The key of the pass that a cache keeps. */
const CACHED = '0';

/** Keeps the elements of the first whole pass and replays them: the same ones, whichever pass that is. */
export function cacheStage(source: Stage): Stage {
  let kept: readonly unknown[] | undefined;
  return {
    get size() {
      return kept?.length ?? source.size;
    },
    batched: source.batched,
    async *open(pass, _key, from) {
      if (kept) {
        for (let i = from; i < kept.length; i++) {
          const turn = pass.turn();
          if (turn) await turn;
          yield kept[i];
        }
        return;
      }
      const elements: unknown[] = [];
      for await (const element of source.open(pass, CACHED, 0)) {
        elements.push(element);
        if (elements.length > from) yield element;
      }
      kept ??= elements;
    },
  };
}

/** Elements of several stages at the same place, in an array or a record like `stages`; ends with the shortest. */
export function zipStage(stages: readonly Stage[], join: (elements: readonly unknown[]) => unknown): Stage {
  const sizes = stages.map(({ size }) => size);
  return {
    size: sizes.includes(undefined) ? undefined : Math.min(...(sizes as number[])),
    batched: stages.every(({ batched }) => batched),
    async *open(pass, key, from) {
      const open = stages.map((stage) => stage.open(pass, key, from));
      try {
        for (;;) {
          const results = await Promise.allSettled(open.map((iterator) => iterator.next()));
          const failed = results.find((result) => result.status === 'rejected');
          if (failed) throw failed.reason;
          const values = results.map((result) => (result as PromiseFulfilledResult<IteratorResult<unknown, void>>).value);
          if (values.some(({ done }) => done)) return;
          yield join(values.map(({ value }) => value));
        }
      } finally {
        await Promise.allSettled(open.map((iterator) => iterator.return()));
      }
    },
  };
}
