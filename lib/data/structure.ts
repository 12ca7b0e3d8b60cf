/**
 * Elements of a dataset: tensors in arrays and records, such as `{ x: { image, meta }, y }`. What is done to an element or a
 * batch is done to each of its tensors; messages name the part concerned: `x.image`.
 */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { allocate, checkAttached, dtypeOf, firstArrays, Tensor, type TensorLike, tensorOf } from './tensor.js';

/**
 * Tensors, alone or in arrays and records. null stands where there is no tensor, such as labels of an output without a loss:
 * in an array it keeps the place; such parts of a record, and undefined ones, are left out.
 */
export type Structure = Tensor | readonly (Structure | null)[] | { readonly [name: string]: Structure | null | undefined };

/** What becomes a structure: numbers, typed arrays and nested arrays stand for tensors. */
export type StructureLike =
  TensorLike | number | readonly (StructureLike | null)[] | { readonly [name: string]: StructureLike | null | undefined };

/** The structure that something becomes: a tensor in each place of a number, typed array or nested array. */
export type TensorsOf<T> = T extends Tensor
  ? T
  : T extends TensorLike | number
    ? Tensor
    : T extends readonly unknown[]
      ? { [K in keyof T]: TensorsOf<T[K]> }
      : T extends object
        ? { [K in keyof T]: TensorsOf<T[K]> }
        : T;

export function isPresent(part: unknown): boolean {
  return part !== undefined && part !== null;
}

/** Whether an array has null between parts that are no numbers: then it is one of parts, though they be nested arrays. */
function hasGaps(value: unknown): boolean {
  if (!Array.isArray(value) || typeof value.find(isPresent) === 'number') return false;
  return value.includes(null) || value.includes(undefined);
}

/** Whether an array has numbers beside arrays, as in `[[1, 2, 3], 0]`: then it is one of parts. */
function isMixed(value: unknown): boolean {
  return Array.isArray(value) && Array.isArray(value[0]) && value.some((part) => typeof part === 'number');
}

/** Whether something is a tensor, a typed array or numbers in arrays in arrays. */
export function isTensorLike(value: unknown): value is TensorLike {
  if (value instanceof Tensor || dtypeOf(value)) return true;
  if (hasGaps(value) || isMixed(value)) return false;
  return typeof firstArrays(value).at(-1)?.[0] === 'number';
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Of whichever realm.
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'));
}

/** `x.image` of `x` and `image`; `name` alone at the top. */
function join(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

const named = (path: string): string => (path === '' ? 'the element' : path);

const placeIn = (path: string, element: string): string => (path === '' ? element : `${path} of ${element}`);

/** Applies a function to each tensor or what stands for one. `path` names the whole in messages. */
export function mapStructure(value: unknown, path: string, each: (leaf: Tensor, path: string) => Structure): Structure {
  if (value instanceof Tensor) {
    checkAttached(value, named(path));
    return each(value, path);
  }
  if (typeof value === 'number' || isTensorLike(value)) return each(tensorOf(value, path === '' ? 'data' : path), path);
  if (Array.isArray(value) && value.some(isPresent))
    return [...value].map((part, i) => (isPresent(part) ? mapStructure(part, join(path, i), each) : null));
  if (!isRecord(value)) throw elementError(value, path);
  const entries = Object.entries(value).filter(([, part]) => isPresent(part));
  if (entries.length === 0) throw elementError(value, path);
  return Object.fromEntries(entries.map(([key, part]) => [key, mapStructure(part, join(path, key), each)]));
}

function elementError(value: unknown, path: string): GradstepError {
  const { message } = optionError(named(path), 'tensors, numbers or records of them', value);
  return new GradstepError('ERR_DTYPE', message);
}

/** Each tensor of a structure with its path. */
function leaves(value: Structure, path = ''): (readonly [path: string, leaf: Tensor])[] {
  const found: (readonly [string, Tensor])[] = [];
  mapStructure(value, path, (leaf, at) => {
    found.push([at, leaf]);
    return leaf;
  });
  return found;
}

/** Numbers, typed arrays and nested arrays become tensors. */
export function toStructure(value: unknown, path = ''): Structure {
  return mapStructure(value, path, (leaf) => leaf);
}

/** The number of rows that all tensors of a batch have; ERR_SHAPE where they differ. */
export function rowCount(batch: Structure, path = ''): number {
  let first: readonly [path: string, rows: number] | undefined;
  for (const [at, { shape }] of leaves(batch, path)) {
    const rows = shape[0];
    if (rows === undefined) throw new GradstepError('ERR_SHAPE', `Expected rows in ${named(at)} but received a single number`);
    first ??= [at, rows];
    if (rows !== first[1]) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected as many rows in ${at} as in ${first[0]} but received ${rows} and ${first[1]}`,
      );
    }
  }
  return first![1];
}

/** Rows `begin` to `end` (exclusive), over the same memory. */
export function rowsOf(batch: Structure, begin: number, end: number): Structure {
  return mapStructure(batch, '', (leaf) => leaf.rows(begin, end));
}

/** One row without the axis of rows, over the same memory. */
export function rowOf(batch: Structure, index: number): Structure {
  return mapStructure(batch, '', ({ data, shape }) => {
    const row = shape.slice(1);
    const size = sizeOf(row);
    return new Tensor(data.subarray(index * size, (index + 1) * size), row);
  });
}

/** The rows with the given numbers, copied. */
export function gatherRows(batch: Structure, rows: Int32Array): Structure {
  return mapStructure(batch, '', ({ data, dtype, shape }) => {
    const row = shape.slice(1);
    const size = sizeOf(row);
    const out = allocate(dtype, rows.length * size);
    if (size === 1) rows.forEach((from, to) => (out[to] = data[from]!));
    else rows.forEach((from, to) => out.set(data.subarray(from * size, (from + 1) * size), to * size));
    return new Tensor(out, [rows.length, ...row]);
  });
}

/** Of a part whose form is not the first's. */
function formError(
  expected: string,
  path: string,
  index: number,
  part: unknown,
  nameOf: (index: number) => string,
): GradstepError {
  const { message } = optionError(placeIn(path, nameOf(index)), `${expected}, as in ${nameOf(0)},`, part);
  return new GradstepError('ERR_SHAPE', message);
}

/** The parts at the same place in several structures of one form; ERR_SHAPE where a form differs from the first. */
export function zipStructures(
  parts: readonly unknown[],
  path: string,
  each: (leaves: readonly Tensor[], path: string) => Structure,
  nameOf: (index: number) => string,
): Structure {
  const [first] = parts;
  const check = (fits: (part: unknown) => boolean, expected: string) => {
    const odd = parts.findIndex((part) => !fits(part));
    if (odd < 0) return;
    throw formError(expected, path, odd, parts[odd], nameOf);
  };
  if (typeof first === 'number' || isTensorLike(first)) {
    check((part) => typeof part === 'number' || isTensorLike(part), 'a tensor');
    const tensors = parts.map((part, i) => tensorOf(part as TensorLike | number, placeIn(path, nameOf(i))));
    return each(tensors, path);
  }
  if (Array.isArray(first) && first.some(isPresent)) {
    check((part) => Array.isArray(part) && part.length === first.length, `an array of ${first.length}`);
    const at = (i: number) => parts.map((part) => (part as unknown[])[i]);
    return [...first].map((part, i) => {
      if (isPresent(part)) return zipStructures(at(i), join(path, i), each, nameOf);
      const odd = at(i).findIndex(isPresent);
      if (odd >= 0) throw formError('null', join(path, i), odd, at(i)[odd], nameOf);
      return null;
    });
  }
  if (!isRecord(first)) throw elementError(first, path);
  const keysOf = (part: object) => Object.keys(part).filter((key) => isPresent((part as Record<string, unknown>)[key]));
  const keys = keysOf(first);
  if (keys.length === 0) throw elementError(first, path);
  const same = (part: unknown) =>
    isRecord(part) && keysOf(part).length === keys.length && keys.every((key) => isPresent(part[key]));
  check(same, `a record of ${keys.join(', ')}`);
  const at = (key: string) => parts.map((part) => (part as Record<string, unknown>)[key]);
  return Object.fromEntries(keys.map((key) => [key, zipStructures(at(key), join(path, key), each, nameOf)]));
}

/** One array of all the parts' elements; ERR_SHAPE or ERR_DTYPE where a part differs from the first. */
function concatenated(parts: readonly Tensor[], path: string, rowAxis: 0 | 1, nameOf: (index: number) => string): Tensor['data'] {
  const { dtype, shape } = parts[0]!;
  const row = shape.slice(rowAxis);
  let length = 0;
  parts.forEach((part, i) => {
    const where = placeIn(path, nameOf(i));
    if (!sameShape(part.shape.slice(rowAxis), row)) {
      const [wanted, received] = [formatShape(row), formatShape(part.shape.slice(rowAxis))];
      const isShorter = rowAxis === 0 && part.shape.length === shape.length && part.data.length > 0;
      const advice = isShorter ? ': paddedBatch fills up what is shorter' : '';
      const expected = `Expected shape ${wanted} for ${where}, as in ${nameOf(0)},`;
      throw new GradstepError('ERR_SHAPE', `${expected} but received ${received}${advice}`);
    }
    if (part.dtype !== dtype)
      throw new GradstepError('ERR_DTYPE', `Expected ${dtype} for ${where}, as in ${nameOf(0)}, but received ${part.dtype}`);
    length += part.data.length;
  });
  const out = allocate(dtype, length);
  let at = 0;
  for (const { data } of parts) {
    if (data.length > 0) out.set(data, at); // an array whose memory was taken away is empty, and not to be read
    at += data.length;
  }
  return out;
}

/** Elements as one batch: each tensor gets an axis of rows in front. `first` is the number of the first element in messages. */
export function stackElements(elements: readonly unknown[], first = 0): Structure {
  const nameOf = (i: number) => `element ${first + i}`;
  return zipStructures(
    elements,
    '',
    (parts, path) => new Tensor(concatenated(parts, path, 0, nameOf), [parts.length, ...parts[0]!.shape]),
    nameOf,
  );
}

/** The rows of several batches as one batch; a single one is returned as it is. */
export function concatenateBatches(batches: readonly Structure[]): Structure {
  if (batches.length === 1) return batches[0]!;
  const nameOf = (i: number) => `batch ${i}`;
  return zipStructures(
    batches,
    '',
    (parts, path) => {
      const row = parts[0]!.shape.slice(1);
      const data = concatenated(parts, path, 1, nameOf);
      const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
      return new Tensor(data, [rows, ...row]);
    },
    nameOf,
  );
}
