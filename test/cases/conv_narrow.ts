/**
 * conv and its gradients on tensors that are stored in bfloat16, each of them alone and all of them: channels that divide by 8, by 4
 * and by nothing; every tile of CUDA's tensor cores; bias, relu, mask, sums that are added to.
 */
import { convDwOp, convDxOp, convOp, type ConvWindow } from '../../lib/ops/conv.js';
import { elementwise } from '../../lib/ops/map.js';
import { sizeOf } from '../../lib/graph/shape.js';
import type { Value } from '../../lib/graph/graph.js';
import { outputShape, products, SAME } from './conv.js';
import type { OpCase } from './op_case.js';
import { bfloat16 } from './rounded_operand.js';

type Numbers = readonly number[];
type Stored = readonly (readonly string[])[];

const precision = 'bfloat16';
const SAME_DEEP = { ...SAME, padFront: 1, padBack: 1 };
const STRIDED = { strideH: 2, strideW: 2 };

const SOME_OF_CONV: Stored = [['x', 'w', 'y'], ['x', 'w'], ['x', 'y'], ['w'], ['y']];
const ALL_OF_CONV: Stored = [['x', 'w', 'y']];
const SOME_OF_DX: Stored = [['dy', 'w', 'dx'], ['dy', 'w'], ['dy', 'dx'], ['w'], ['dx']];
const SOME_OF_MASKED: Stored = [['dy', 'w', 'mask', 'dx'], ['mask'], ['dy', 'w', 'dx']];
const SOME_OF_ADDED: Stored = [['dy', 'dz', 'w', 'x', 'z', 'dx'], ['dx'], ['dy', 'dz', 'w', 'x', 'z']];
const SOME_OF_DW: Stored = [['x', 'dy'], ['x'], ['dy']];

/** Float32's rounding of a sum of so many terms, which grows more slowly than they do; no more, so that bfloat16's last bit is seen. */
const termsOf = (count: number): number => Math.max(16, count / 4);

/** y = relu(conv(x, w) + bias), the latter two where they are wanted. */
export function forward(
  name: string,
  x: Numbers,
  w: Numbers,
  g: ConvWindow,
  narrow: Stored,
  ends: readonly ('bias' | 'relu')[] = [],
): OpCase {
  const o = w.at(-1)!;
  const [bias, relu] = [ends.includes('bias'), ends.includes('relu')];
  return {
    name: `conv: ${name}`,
    inputs: { x: { shape: x }, w: { shape: w }, ...(bias && { bias: { shape: [o] } }) },
    build: (v) => ({
      y: v.x!.graph.add(
        convOp,
        { x: v.x, w: v.w, bias: v.bias },
        { ...g, precision, ...(relu && { activation: 'relu' as const }) },
      ).outputs.y!,
    }),
    reference: (v) => {
      const y = Array.from({ length: sizeOf(outputShape(x, w, g)) }, (_, i) => (bias ? v.bias![i % o]! : 0));
      const [xs, ws] = [v.x!.map(bfloat16), v.w!.map(bfloat16)];
      products(x, w, g, (a, b, c) => (y[c]! += xs[a]! * ws[b]!));
      return { y: relu ? y.map((s) => Math.max(0, s)) : y };
    },
    gradients: [],
    terms: termsOf(sizeOf(w) / o),
    narrow,
  };
}

/** The gradient by x, where wanted back through the relu that yielded `mask`. */
export function byInput(name: string, x: Numbers, w: Numbers, g: ConvWindow, narrow: Stored, masked = false): OpCase {
  const relu = Array.from({ length: sizeOf(x) }, (_, i) => ((i * 7) % 9) - 4);
  return {
    name: `convDx: ${name}`,
    inputs: { dy: { shape: outputShape(x, w, g) }, w: { shape: w }, ...(masked && { mask: { shape: x, data: relu } }) },
    build: ({ dy, w: by, mask }) => ({
      dx: dy!.graph.add(convDxOp, { dy, w: by, mask }, { ...g, shape: x, precision }).outputs.dx!,
    }),
    reference: (v) => {
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const [dy, ws] = [v.dy!.map(bfloat16), v.w!.map(bfloat16)];
      products(x, w, g, (a, b, c) => (dx[a]! += dy[c]! * ws[b]!));
      return { dx: masked ? dx.map((s, i) => (relu[i]! > 0 ? s : 0)) : dx };
    },
    gradients: [],
    terms: termsOf(sizeOf(w) / w.at(-2)!),
    narrow,
  };
}

/** The gradient by w, and by the bias, which is a sum of what is not rounded. */
export function byKernel(name: string, x: Numbers, w: Numbers, g: ConvWindow, narrow: Stored, withBias = false): OpCase {
  const y = outputShape(x, w, g);
  const o = w.at(-1)!;
  return {
    name: `convDw: ${name}`,
    inputs: { x: { shape: x }, dy: { shape: y } },
    build: (v) => {
      const attrs = { ...g, shape: w, precision, withBias: withBias ? ('yes' as const) : ('no' as const) };
      return v.x!.graph.add(convDwOp, { x: v.x, dy: v.dy }, attrs).outputs as Record<string, Value>;
    },
    reference: (v) => {
      const dw = new Array<number>(sizeOf(w)).fill(0);
      const db = new Array<number>(o).fill(0);
      const [xs, dy] = [v.x!.map(bfloat16), v.dy!.map(bfloat16)];
      products(x, w, g, (a, b, c) => (dw[b]! += xs[a]! * dy[c]!));
      v.dy!.forEach((slope, i) => (db[i % o]! += slope));
      return { dw, ...(withBias && { db }) };
    },
    gradients: [],
    terms: termsOf(sizeOf(y) / o),
    narrow,
  };
}

/**
 * Two gradients by x that are added up, and two by w. Those by x are whole numbers that bfloat16 holds, and their sum is one that it
 * must round: who rounds other than once, when all is added, is seen.
 */
export function added(name: string, x: Numbers, w: Numbers, g: ConvWindow, narrow = SOME_OF_ADDED): OpCase {
  const y = outputShape(x, w, g);
  const whole = (shape: Numbers, values: Numbers): { shape: Numbers; data: number[] } => ({
    shape,
    data: Array.from({ length: sizeOf(shape) }, (_, i) => values[(i * 7) % values.length]!),
  });
  const [few, signs] = [
    [12, 13, 15, 9, 14],
    [1, 1, 0, 1, 1, -1, 1, 1, 1, 0, 1],
  ];
  return {
    name: `convDx and convDw: ${name}: gradients accumulate`,
    inputs: { dy: whole(y, few), dz: whole(y, [...few].reverse()), w: whole(w, signs), x: { shape: x }, z: { shape: x } },
    build: ({ dy, dz, w: by, x: from, z }) => {
      const byX = (slope: Value): Value =>
        slope.graph.add(convDxOp, { dy: slope, w: by }, { ...g, shape: x, precision }).outputs.dx!;
      const byW = (a: Value, slope: Value): Value =>
        a.graph.add(convDwOp, { x: a, dy: slope }, { ...g, shape: w, precision }).outputs.dw!;
      return { dx: elementwise('add', byX(dy!), byX(dz!)), dw: elementwise('add', byW(from!, dy!), byW(z!, dz!)) };
    },
    reference: (v) => {
      const [dx, first] = [new Array<number>(sizeOf(x)).fill(0), new Array<number>(sizeOf(x)).fill(0)];
      const dw = new Array<number>(sizeOf(w)).fill(0);
      const [xs, zs] = [v.x!.map(bfloat16), v.z!.map(bfloat16)];
      products(x, w, g, (a, b, c) => {
        first[a]! += v.dy![c]! * v.w![b]!;
        dx[a]! += v.dz![c]! * v.w![b]!;
        dw[b]! += xs[a]! * v.dy![c]! + zs[a]! * v.dz![c]!;
      });
      for (const part of [...first, ...dx]) if (bfloat16(part) !== part) throw new Error(`bfloat16 does not hold ${part}`);
      return { dx: dx.map((s, i) => s + first[i]!), dw };
    },
    gradients: [],
    terms: 16,
    // Whole numbers are exact; sums of x times a dozen are as much less exact.
    rtol: 2e-5,
    narrow,
  };
}

const ENDS = ['bias', 'relu'] as const;

export const cases: OpCase[] = [
  forward('bias and relu, large tiles', [1, 21, 20, 8], [2, 2, 8, 68], {}, SOME_OF_CONV, ENDS),
  forward('16 channels', [2, 9, 9, 16], [3, 3, 16, 16], SAME, SOME_OF_CONV),
  forward('32 to 36 channels, stride 2', [1, 11, 12, 32], [3, 3, 32, 36], { ...SAME, ...STRIDED }, ALL_OF_CONV),
  forward('12 to 20 channels', [2, 7, 6, 12], [3, 2, 12, 20], { dilationH: 2 }, SOME_OF_CONV, ENDS),
  forward('3 to 16 channels', [2, 9, 8, 3], [3, 3, 3, 16], SAME, SOME_OF_CONV, ENDS),
  forward('5 to 19 channels', [2, 7, 8, 5], [3, 2, 5, 19], {}, SOME_OF_CONV),
  forward('8 to 35 channels', [1, 6, 8, 8], [2, 2, 8, 35], {}, ALL_OF_CONV, ENDS),
  forward('two groups of 8 channels', [1, 9, 10, 16], [3, 3, 8, 32], { ...SAME, groups: 2 }, ALL_OF_CONV),
  forward('two groups of 9 channels', [1, 6, 5, 18], [3, 2, 9, 14], { groups: 2 }, ALL_OF_CONV),
  forward('three axes, 8 to 16 channels', [1, 4, 5, 6, 8], [2, 3, 2, 8, 16], SAME_DEEP, ALL_OF_CONV, ENDS),
  forward('three axes, odd channels', [1, 4, 5, 6, 3], [2, 3, 2, 3, 7], { padFront: 1 }, ALL_OF_CONV),
  forward('one of everything', [1, 1, 1, 1], [1, 1, 1, 1], {}, SOME_OF_CONV),
  forward('depthwise, bias and relu', [2, 7, 9, 16], [3, 3, 1, 16], { ...SAME, groups: 16 }, SOME_OF_CONV, ENDS),
  forward('depthwise, odd channels', [2, 5, 6, 7], [3, 2, 1, 7], { groups: 7 }, SOME_OF_CONV),
  forward('depthwise, two channels from each', [1, 5, 6, 6], [3, 2, 1, 12], { ...STRIDED, groups: 6 }, ALL_OF_CONV),
  byInput('36 to 36 channels', [1, 15, 15, 36], [2, 1, 36, 36], {}, SOME_OF_DX),
  byInput('16 channels, masked', [2, 9, 9, 16], [3, 3, 16, 16], SAME, SOME_OF_MASKED, true),
  byInput('16 to 32 channels, stride 2, masked', [1, 9, 8, 16], [3, 3, 16, 32], STRIDED, SOME_OF_MASKED, true),
  byInput('12 to 20 channels', [1, 7, 6, 12], [3, 2, 12, 20], { dilationH: 2 }, SOME_OF_DX),
  byInput('5 to 19 channels, masked', [2, 7, 8, 5], [3, 2, 5, 19], {}, SOME_OF_MASKED, true),
  byInput('7 to 16 channels', [1, 7, 6, 7], [3, 3, 7, 16], SAME, SOME_OF_DX),
  byInput('two groups of 9 channels', [1, 6, 5, 18], [3, 2, 9, 14], { groups: 2 }, [['dy', 'w', 'dx']]),
  byInput('stride 3 that leaves columns over, masked', [1, 7, 20, 8], [2, 3, 8, 28], { strideW: 3 }, SOME_OF_MASKED, true),
  byInput('three axes', [1, 4, 5, 6, 8], [2, 3, 2, 8, 16], SAME_DEEP, [['dy', 'w', 'dx']]),
  byInput('three axes, odd channels, masked', [1, 4, 5, 6, 3], [2, 3, 2, 3, 7], { padFront: 1 }, SOME_OF_MASKED, true),
  byInput('depthwise, masked', [1, 7, 9, 16], [3, 3, 1, 16], { ...SAME, groups: 16 }, SOME_OF_MASKED, true),
  byInput('depthwise', [1, 6, 6, 16], [3, 3, 1, 16], { ...STRIDED, groups: 16 }, SOME_OF_DX),
  byInput('depthwise, two channels from each, masked', [1, 5, 4, 9], [3, 3, 1, 18], { ...SAME, groups: 9 }, SOME_OF_MASKED, true),
  byKernel('32 to 64 channels', [2, 9, 9, 32], [3, 3, 32, 64], SAME, SOME_OF_DW, true),
  byKernel('16 channels', [2, 16, 15, 16], [3, 3, 16, 16], SAME, SOME_OF_DW),
  byKernel('12 to 20 channels, stride 2', [1, 13, 12, 12], [3, 2, 12, 20], STRIDED, SOME_OF_DW),
  byKernel('1 to 32 channels', [2, 9, 17, 1], [3, 3, 1, 32], SAME, SOME_OF_DW, true),
  byKernel('3 to 20 channels', [1, 9, 8, 3], [3, 3, 3, 20], {}, SOME_OF_DW),
  byKernel('5 to 19 channels', [1, 12, 12, 5], [3, 2, 5, 19], {}, SOME_OF_DW, true),
  byKernel('two groups of 9 channels', [1, 6, 5, 18], [3, 2, 9, 14], { groups: 2 }, [['x', 'dy']]),
  byKernel('three axes', [1, 4, 5, 6, 8], [2, 3, 2, 8, 16], SAME_DEEP, [['x', 'dy']]),
  byKernel('three axes, odd channels', [1, 4, 5, 6, 3], [2, 3, 2, 3, 7], { padFront: 1 }, [['x', 'dy']]),
  byKernel('depthwise', [2, 9, 12, 16], [3, 3, 1, 16], { ...SAME, groups: 16 }, SOME_OF_DW, true),
  byKernel('depthwise, two channels from each', [1, 5, 6, 6], [3, 2, 1, 12], { ...STRIDED, groups: 6 }, SOME_OF_DW),
  added('8 to 16 channels', [1, 6, 7, 8], [1, 1, 8, 16], {}),
  added('odd channels', [1, 6, 5, 3], [2, 1, 3, 7], {}),
  added('depthwise', [1, 5, 6, 8], [3, 3, 1, 8], { groups: 8 }),
  added('depthwise, odd channels', [1, 5, 6, 5], [3, 3, 1, 5], { groups: 5 }),
];
