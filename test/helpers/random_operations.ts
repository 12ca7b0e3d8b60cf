/**
 * Operations of `gs.ops` with random options, each with what it is in float64 (array64.ts); more in random_compositions.ts. All are smooth where their inputs lie, so
 * that differences tell their gradients: jumps and corners are of inputs only, and far from them.
 */
import * as gs from '../../lib/index.js';
import { sizeOf } from '../../lib/graph/shape.js';
import { EXACT } from '../cases/map.js';
import {
  broadcastShape,
  built,
  elementwise,
  joined,
  padded,
  product,
  runningSums,
  sliced,
  sums,
  transposed,
  type Array64,
} from './array64.js';
import type { Draws } from './draws.js';

const { ops } = gs;

/** Inputs keep this distance from where functions of inputs jump or turn. */
export const FAR = 0.05;
const CONSTANTS = [0.5, -2, 3, 1, 0];

const SMOOTH = ['neg', 'square', 'tanh', 'sigmoid', 'sin', 'cos', 'softplus', 'erf'] as const;
const PAIRED = ['add', 'sub', 'mul'] as const;
const CORNERS = ['relu', 'abs', 'sign', 'floor'] as const;
const COMPARISONS = ['less', 'lessEqual', 'greater', 'greaterEqual', 'equal', 'notEqual', 'maximum', 'minimum'] as const;

/** An operation to be: what it takes of the values before it, and how both sides make it. */
export interface Operation {
  readonly text: string;
  readonly of: readonly number[];
  apply(...operands: gs.ops.Value[]): gs.ops.Value;
  exact(...operands: Array64[]): Array64;
}

/** What may be done to a value: undefined where it does not fit. */
export type Drawn = (draws: Draws, values: readonly Array64[], inputs: number) => Operation | undefined;

/** A value, more often one of the latest. */
export function anyValue(draws: Draws, values: readonly Array64[]): number {
  return draws.integer(draws.chance(0.6) ? Math.max(0, values.length - 3) : 0, values.length - 1);
}

/** Draws that take one value with at least one axis. */
export function ofArray(draw: (draws: Draws, x: Array64) => Omit<Operation, 'of'> | undefined): Drawn {
  return (draws, values) => {
    const at = anyValue(draws, values);
    const x = values[at]!;
    const drawn = x.shape.length > 0 ? draw(draws, x) : undefined;
    return drawn && { ...drawn, of: [at] };
  };
}

function ofPair(make: (draws: Draws) => Omit<Operation, 'of'>): Drawn {
  return (draws, values) => {
    const of = [anyValue(draws, values), anyValue(draws, values)];
    return broadcastShape(...of.map((i) => values[i]!.shape)) && { ...make(draws), of };
  };
}

export const axisOf = (draws: Draws, { shape }: Array64): number => draws.integer(0, shape.length - 1);

const function1: Drawn = (draws, values) => {
  const name = draws.pick(SMOOTH);
  const exact = (x: Array64) => elementwise((v) => EXACT[name](v, 0, 0), x);
  return { text: name, of: [anyValue(draws, values)], apply: (x) => ops[name](x), exact };
};

/** Functions that want their argument to be positive, or bounded. */
const bounded: Drawn = (draws, values) => {
  const name = draws.pick(['sqrt', 'log', 'log1p', 'exp', 'expm1'] as const);
  const isOfPositive = ['sqrt', 'log', 'log1p'].includes(name);
  return {
    text: isOfPositive ? `${name}(x² + ½)` : `${name}(tanh x)`,
    of: [anyValue(draws, values)],
    apply: (x) => ops[name](isOfPositive ? ops.add(ops.square(x), 0.5) : ops.tanh(x)),
    exact: (x) => elementwise((v) => EXACT[name](isOfPositive ? v * v + 0.5 : Math.tanh(v), 0, 0), x),
  };
};

const function2 = ofPair((draws) => {
  const name = draws.pick(PAIRED);
  const exact = (a: Array64, b: Array64) => elementwise((v, w) => EXACT[name](v, w, 0), a, b);
  return { text: name, apply: (a, b) => ops[name](a!, b!), exact };
});

const quotient = ofPair(() => ({
  text: 'div a (1 + b²)',
  apply: (a, b) => ops.div(a!, ops.add(1, ops.square(b!))),
  exact: (a, b) => elementwise((v, w) => v / (1 + w * w), a!, b!),
}));

const power = ofPair(() => ({
  text: 'pow (1 + a²) (tanh b)',
  apply: (a, b) => ops.pow(ops.add(ops.square(a!), 1), ops.tanh(b!)),
  exact: (a, b) => elementwise((v, w) => (1 + v * v) ** Math.tanh(w), a!, b!),
}));

const withConstant: Drawn = (draws, values) => {
  const name = draws.pick([...PAIRED, 'div'] as const);
  const constant = draws.pick(CONSTANTS.filter((c) => name !== 'div' || c !== 0));
  const isFirst = name !== 'div' && draws.chance(0.5);
  return {
    text: isFirst ? `${name} ${constant} x` : `${name} x ${constant}`,
    of: [anyValue(draws, values)],
    apply: (x) => (isFirst ? ops[name](constant, x) : ops[name](x, constant)),
    exact: (x) => elementwise((v) => (isFirst ? EXACT[name](constant, v, 0) : EXACT[name](v, constant, 0)), x),
  };
};

/** Choices by an input. */
const choice: Drawn = (draws, values, inputs) => {
  const of = [draws.integer(0, inputs - 1), anyValue(draws, values), anyValue(draws, values)];
  if (!broadcastShape(...of.map((i) => values[i]!.shape))) return undefined;
  return {
    text: 'where in > 0',
    of,
    apply: (c, a, b) => ops.where(ops.greater(c!, 0), a!, b!),
    exact: (c, a, b) => elementwise((u, v, w) => (u > 0 ? v : w), c!, a!, b!),
  };
};

/** Functions with a corner, or a jump, at 0, of an input; comparisons with 0. */
const corner: Drawn = (draws, _values, inputs) => {
  const of = [draws.integer(0, inputs - 1)];
  const name = draws.pick(CORNERS);
  const exact = (x: Array64) => elementwise((v) => EXACT[name](0.5 * v, 0, 0), x);
  return { text: `${name} of in / 2`, of, apply: (x) => ops[name](ops.mul(x!, 0.5)), exact };
};

const comparison: Drawn = (draws, _values, inputs) => {
  const of = [draws.integer(0, inputs - 1)];
  const name = draws.pick(COMPARISONS);
  return {
    text: `${name} in 0`,
    of,
    apply: (x) => ops[name](x!, 0),
    exact: (x) => elementwise((v) => EXACT[name](v, 0, 0), x!),
  };
};

const reduction = ofArray((draws, x) => {
  const name = draws.pick(['sum', 'mean'] as const);
  const all = x.shape.map((_, axis) => axis);
  const some = all.filter(() => draws.chance(0.5));
  const axes = some.length > 0 ? some : all;
  const [keepDims, fromEnd] = [draws.chance(0.5), draws.chance(0.5)];
  const axis = some.length > 0 ? some.map((a) => (fromEnd ? a - x.shape.length : a)) : undefined;
  return {
    text: `${name} over ${axes.join()}${keepDims ? ' kept' : ''}`,
    apply: (v) => ops[name](v, { keepDims, ...(axis && { axis }) }),
    exact: (v) => {
      const total = sums(v, axes);
      const scale = name === 'mean' ? sizeOf(total.shape) / sizeOf(v.shape) : 1;
      const kept = keepDims ? total.shape : v.shape.filter((_, a) => !axes.includes(a));
      return elementwise((t) => t * scale, total).as(kept);
    },
  };
});

/** The numbers along an axis, at an index of the others, the largest or the smallest in front. */
export function orderedAlong(x: Array64, axis: number, index: readonly number[], first: 'max' | 'min'): number[] {
  const along = Array.from({ length: x.shape[axis]! }, (_, i) => x.at([...index.slice(0, axis), i, ...index.slice(axis)]));
  return along.sort((a, b) => (first === 'max' ? b - a : a - b));
}

/** The largest of rows of an input, where the next one is clearly smaller. */
const extremum: Drawn = (draws, values, inputs) => {
  const at = draws.integer(0, inputs - 1);
  const x = values[at]!;
  if (x.shape.length === 0) return undefined;
  const axis = axisOf(draws, x);
  const name = draws.pick(['max', 'min'] as const);
  const others = x.shape.filter((_, a) => a !== axis);
  const gaps = built(others, (index) => {
    const [first, second] = orderedAlong(x, axis, index, name) as [number, number?];
    return second === undefined ? Infinity : Math.abs(first - second);
  });
  if (gaps.data.some((gap) => gap < FAR / 10)) return undefined;
  return {
    text: `${name} of in over ${axis}`,
    of: [at],
    apply: (v) => ops[name](v, { axis }),
    exact: (v) => built(others, (index) => orderedAlong(v, axis, index, name)[0]!),
  };
};

/** Where rows of an input have their largest element. */
const place: Drawn = (draws, values, inputs) => {
  const of = [draws.integer(0, inputs - 1)];
  const depth = values[of[0]!]!.shape.at(-1);
  if (depth === undefined || new Set(values[of[0]!]!.data).size < values[of[0]!]!.data.length) return undefined;
  const name = draws.pick(['argmax', 'argmin'] as const);
  const sign = name === 'argmax' ? 1 : -1;
  return {
    text: `oneHot of ${name} of in`,
    of,
    apply: (x) => ops.oneHot(ops[name](x!), depth),
    exact: (x) =>
      built(x!.shape, (index) => {
        const row = Array.from({ length: depth }, (_, i) => sign * x!.at([...index.slice(0, -1), i]));
        return Number(row.every((v) => v <= row[index.at(-1)!]!));
      }),
  };
};

/** Whole numbers, cut or padded, added to a value. */
const addedPlaces: Drawn = (draws, values, inputs) => {
  const of = [anyValue(draws, values), draws.integer(0, inputs - 1)];
  const [to, from] = of.map((i) => values[i]!) as [Array64, Array64];
  if (from.shape.length < 2 || new Set(from.data).size < from.data.length) return undefined;
  const rows = from.shape.slice(0, -1);
  const paddings = rows.map((_, axis): [number, number] => (axis === 0 && draws.chance(0.5) ? [1, 0] : [0, 0]));
  const isCut = draws.chance(0.4) && rows[0]! > 1;
  const [begin, size] = [rows.map(() => 0), rows.map((d, axis) => (axis === 0 ? d - 1 : d))];
  const places = (x: Array64): Array64 =>
    built(rows, (index) => {
      const row = Array.from({ length: x.shape.at(-1)! }, (_, i) => x.at([...index, i]));
      return row.indexOf(Math.max(...row));
    });
  const moved = (x: Array64): Array64 => (isCut ? sliced(places(x), begin, size) : padded(places(x), paddings));
  if (!broadcastShape(to.shape, moved(from).shape)) return undefined;
  return {
    text: `add argmax of in, ${isCut ? 'slice' : `pad ${paddings.join()}`}`,
    of,
    apply: (x, y) => ops.add(x!, isCut ? ops.slice(ops.argmax(y!), begin, size) : ops.pad(ops.argmax(y!), paddings)),
    exact: (x, y) => elementwise((a, b) => a + b, x!, moved(y!)),
  };
};

const matmul: Drawn = (draws, values) => {
  const of = [anyValue(draws, values), anyValue(draws, values)];
  const [a, b] = of.map((i) => values[i]!) as [Array64, Array64];
  if (a.shape.length < 2 || b.shape.length < 2) return undefined;
  const [transposeA, transposeB] = [draws.chance(0.5), draws.chance(0.5)];
  const depths = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  if (depths[0] !== depths[1] || !broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))) return undefined;
  const turned = ({ shape }: Array64) => [...shape.keys()].map((i) => (i < shape.length - 2 ? i : 2 * shape.length - 3 - i));
  const flip = (x: Array64, isTurned: boolean) => (isTurned ? transposed(x, turned(x)) : x);
  return {
    text: `matmul ${transposeA ? 'aᵀ' : 'a'} ${transposeB ? 'bᵀ' : 'b'}`,
    of,
    apply: (u, v) => ops.matmul(u!, v!, { transposeA, transposeB }),
    exact: (u, v) => product(flip(u!, transposeA), flip(v!, transposeB)),
  };
};

const transpose = ofArray((draws, x) => {
  const axes = draws.shuffled(x.shape.length);
  return { text: `transpose ${axes.join()}`, apply: (v) => ops.transpose(v, axes), exact: (v) => transposed(v, axes) };
});

const slice = ofArray((draws, x) => {
  const begin = x.shape.map((d) => draws.integer(0, d - 1));
  const size = x.shape.map((d, axis) => draws.integer(1, d - begin[axis]!));
  return {
    text: `slice ${begin.join()} of ${size.join()}`,
    apply: (v) => ops.slice(v, begin, size),
    exact: (v) => sliced(v, begin, size),
  };
});

const pad = ofArray((draws, x) => {
  const paddings = x.shape.map(() => [draws.integer(0, 2), draws.integer(0, 2)] as const);
  return { text: `pad ${paddings.join(' ')}`, apply: (v) => ops.pad(v, paddings), exact: (v) => padded(v, paddings) };
});

const concat: Drawn = (draws, values) => {
  const first = anyValue(draws, values);
  const x = values[first]!;
  if (x.shape.length === 0) return undefined;
  const axis = axisOf(draws, x);
  const fits = ({ shape }: Array64) => shape.length === x.shape.length && shape.every((d, a) => a === axis || d === x.shape[a]);
  const others = [0, 1].map(() => anyValue(draws, values)).filter((i) => fits(values[i]!));
  return {
    text: `concat along ${axis}`,
    of: [first, ...others],
    apply: (...parts) => ops.concat(parts, axis),
    exact: (...parts) => joined(parts, axis),
  };
};

const stack: Drawn = (draws, values) => {
  const first = anyValue(draws, values);
  const { shape } = values[first]!;
  const axis = draws.integer(0, shape.length);
  const others = [0, 1].map(() => anyValue(draws, values)).filter((i) => String(values[i]!.shape) === String(shape));
  const longer = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  return {
    text: `stack along ${axis}`,
    of: [first, ...others],
    apply: (...parts) => ops.stack(parts, axis),
    exact: (...parts) =>
      joined(
        parts.map((p) => p.as(longer)),
        axis,
      ),
  };
};

const part = ofArray((draws, x) => {
  const axis = axisOf(draws, x);
  const length = x.shape[axis]!;
  if (length < 2) return undefined;
  const first = draws.integer(1, length - 1);
  const which = draws.integer(0, 1);
  const size = x.shape.map((d, a) => (a === axis ? (which === 0 ? first : length - first) : d));
  const begin = x.shape.map((_, a) => (a === axis && which === 1 ? first : 0));
  return {
    text: `split at ${first} of ${axis}, part ${which}`,
    apply: (v) => ops.split(v, [first, length - first], axis)[which]!,
    exact: (v) => sliced(v, begin, size),
  };
});

const softmax = ofArray((draws) => {
  const name = draws.pick(['softmax', 'logSoftmax'] as const);
  return {
    text: name,
    apply: (v) => ops[name](v),
    exact: (v) => {
      const total = sums(elementwise(Math.exp, v), [v.shape.length - 1]);
      return elementwise((u, t) => (name === 'softmax' ? Math.exp(u) / t : u - Math.log(t)), v, total);
    },
  };
});

const cumsum = ofArray((draws, x) => {
  const [axis, exclusive, reverse] = [axisOf(draws, x), draws.chance(0.5), draws.chance(0.5)];
  return {
    text: `cumsum along ${axis}${exclusive ? ' exclusive' : ''}${reverse ? ' in reverse' : ''}`,
    apply: (v) => ops.cumsum(v, axis, { exclusive, reverse }),
    exact: (v) => runningSums(v, axis, { exclusive, reverse }),
  };
});

const reshape = ofArray((draws, x) => {
  const size = sizeOf(x.shape);
  const d = draws.pick([1, 2, 3, 4, 5, 7, 8].filter((n) => size % n === 0));
  const shape = draws.pick([[size], [d, size / d], [size / d, d], [1, d, size / d], [size / d, 1, d]]);
  return { text: `reshape ${shape.join()}`, apply: (v) => ops.reshape(v, shape), exact: (v) => v.as(shape) };
});

const narrowed: Drawn = (draws, values) => {
  const of = [anyValue(draws, values)];
  const { shape } = values[of[0]!]!;
  if (draws.chance(0.5)) {
    const axis = draws.integer(0, shape.length);
    const longer = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
    return { text: `expandDims ${axis}`, of, apply: (x) => ops.expandDims(x!, axis), exact: (x) => x!.as(longer) };
  }
  const kept = shape.filter((d) => d !== 1);
  return { text: 'squeeze', of, apply: (x) => ops.squeeze(x!), exact: (x) => x!.as(kept) };
};

const broadcast = ofArray((draws, x) => {
  const front = draws.chance(0.5) ? [draws.integer(1, 3)] : [];
  const shape = [...front, ...x.shape.map((d) => (d === 1 ? draws.integer(1, 4) : d))];
  return {
    text: `broadcastTo ${shape.join()}`,
    apply: (v) => ops.broadcastTo(v, shape),
    exact: (v) => built(shape, (i) => v.at(i)),
  };
});

const once: readonly Drawn[] = [
  bounded,
  quotient,
  power,
  choice,
  corner,
  comparison,
  extremum,
  place,
  addedPlaces,
  softmax,
  cumsum,
];
const shapes: readonly Drawn[] = [transpose, slice, pad, concat, stack, part, reshape, narrowed, broadcast];
const often: readonly Drawn[] = [function1, function2, withConstant, reduction, matmul];
export const OPERATIONS: readonly Drawn[] = [...once, ...shapes, ...often, ...often, ...often];
