/** Tensors of several sizes in one: each is filled up, behind what it holds, to the longest or to a size that is asked for. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sizeOf, type PartialShape, type Shape } from '../graph/shape.js';
import { float32, partialShape, record, unknownName, type Check } from '../options.js';
import { zipStructures, type Structure } from './structure.js';
import { allocate, Tensor, type DataType } from './tensor.js';

/** A setting for all tensors of an element, or for each by its path: `x`, `x.tokens`; '' where the element is a tensor. */
interface Setting<T> {
  of(path: string): T | undefined;
  /** Paths that it names. */
  readonly paths: readonly string[];
}

export interface Padding {
  /** Sizes that are asked for; null, as where there is no setting: as long as the longest. */
  readonly paddedShapes: Setting<PartialShape>;
  /** What fills; 0 where there is no setting. */
  readonly paddingValues: Setting<number>;
}

function setting<T>(each: Check<T>): Check<Setting<T>> {
  const byPath = record('a setting or an object of them');
  return (value, name) => {
    if (value === undefined) return { of: () => undefined, paths: [] };
    if (Array.isArray(value) || typeof value !== 'object') {
      const all = each(value, name);
      return { of: () => all, paths: [] };
    }
    const own = new Map(Object.entries(byPath(value, name)).map(([path, given]) => [path, each(given, `${name}.${path}`)]));
    return { of: (path) => own.get(path), paths: [...own.keys()] };
  };
}

export const paddingSchema = { paddedShapes: setting(partialShape), paddingValues: setting(float32()) };

/** Copies a tensor into a larger one, `base` elements behind its beginning: to the front of each axis. */
function place({ data, shape }: Tensor, to: Tensor['data'], room: Shape, base: number): void {
  const copy = (axis: number, from: number, at: number): void => {
    const [count, here, there] = [shape[axis] ?? 1, sizeOf(shape.slice(axis + 1)), sizeOf(room.slice(axis + 1))];
    if (here === there) {
      to.set(data.subarray(from, from + count * here), at);
      return;
    }
    for (let i = 0; i < count; i++) copy(axis + 1, from + i * here, at + i * there);
  };
  if (data.length > 0) copy(0, 0, base);
}

/** An array full of a value; ERR_OPTION where the type does not hold it. */
export function filledWith(value: number, dtype: DataType, length: number, where: string): Tensor['data'] {
  const data = allocate(dtype, length);
  if (value === 0) return data;
  data.fill(value);
  const isHeld = dtype === 'float32' || length === 0 || data[0] === value;
  if (!isHeld) throw optionError(where, `number that ${dtype} holds`, value);
  return data;
}

const where = 'dataset.paddedBatch';

/** Elements as one batch: an axis of rows in front of each tensor, filled up. `first` is the number of the first element in messages. */
export function stackPadded(elements: readonly unknown[], padding: Padding, first: number): Structure {
  const nameOf = (i: number) => `element ${first + i}`;
  const paths: string[] = [];
  const stack = (parts: readonly Tensor[], path: string): Tensor => {
    paths.push(path);
    const { dtype, shape } = parts[0]!;
    const wanted = padding.paddedShapes.of(path) ?? shape.map(() => null);
    parts.forEach((part, i) => {
      const at = path === '' ? nameOf(i) : `${path} of ${nameOf(i)}`;
      if (part.dtype !== dtype)
        throw new GradstepError('ERR_DTYPE', `Expected ${dtype} for ${at}, as in ${nameOf(0)}, but received ${part.dtype}`);
      const fits = part.shape.length === wanted.length && part.shape.every((d, axis) => d <= (wanted[axis] ?? d));
      if (fits) return;
      const expected = wanted.every((d) => d === null) ? `${wanted.length} axes` : `at most ${formatShape(wanted)}`;
      throw new GradstepError('ERR_SHAPE', `Expected ${expected} for ${at} but received shape ${formatShape(part.shape)}`);
    });
    const room = wanted.map((d, axis) => d ?? Math.max(...parts.map((part) => part.shape[axis]!)));
    const size = sizeOf(room);
    const data = filledWith(padding.paddingValues.of(path) ?? 0, dtype, parts.length * size, `${where}.paddingValues`);
    parts.forEach((part, i) => place(part, data, room, i * size));
    return new Tensor(data, [parts.length, ...room]);
  };
  const batch = zipStructures(elements, '', stack, nameOf);
  for (const [option, { paths: named }] of [
    ['paddedShapes', padding.paddedShapes],
    ['paddingValues', padding.paddingValues],
  ] as const) {
    const unknown = named.find((path) => !paths.includes(path));
    if (unknown !== undefined) throw unknownName('tensor', unknown, `${where}.${option}`, paths);
  }
  return batch;
}
