/** affineSample: every fill mode and interpolation, rotated, moved, zoomed, sheared and degenerate, few channels and many. */
import { affineSample, FILL_MODES, type AffineSampling, type FillMode } from '../../lib/ops/affine_sample.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import type { Interpolation } from '../../lib/ops/resize.js';
import type { OpCase } from './op_case.js';

type Four = [number, number, number, number];

/** The position that `at` stands for; undefined where the fill value does. */
function position(at: number, size: number, fill: FillMode): number | undefined {
  if (at >= 0 && at < size) return at;
  if (fill === 'constant') return undefined;
  if (fill === 'nearest') return at < 0 ? 0 : size - 1;
  if (fill === 'wrap') return ((at % size) + size) % size;
  // Walk back and forth until inside: reflections at −½ and size − ½.
  let place = at;
  while (place < 0 || place >= size) place = place < 0 ? -1 - place : 2 * size - 1 - place;
  return place;
}

/** Every [source pixel, share] of each result pixel of an image; undefined: the fill value's. */
function taps(h: number, w: number, transform: readonly number[], s: AffineSampling): [number | undefined, number][][] {
  const [a, b, c, d, e, f] = transform as [number, number, number, number, number, number];
  const axis = (at: number): [number, number][] => {
    if (s.interpolation === 'nearest') return [[Math.floor(at + 0.5), 1]];
    const low = Math.floor(at);
    return [
      [low, 1 - (at - low)],
      [low + 1, at - low],
    ];
  };
  return Array.from({ length: s.height * s.width }, (_, i) => {
    const [p, q] = [Math.floor(i / s.width), i % s.width];
    return axis(d * q + e * p + f).flatMap(([y, high]) =>
      axis(a * q + b * p + c).map(([x, wide]): [number | undefined, number] => {
        const [row, column] = [position(y, h, s.fillMode), position(x, w, s.fillMode)];
        return [row === undefined || column === undefined ? undefined : row * w + column, high * wide];
      }),
    );
  });
}

/** The whole operation in float64. */
export function sampled(x: readonly number[], [n, h, w, c]: Four, transforms: readonly number[], s: AffineSampling): number[] {
  return Array.from({ length: n }).flatMap((_, image) =>
    taps(h, w, transforms.slice(image * 6, image * 6 + 6), s).flatMap((reads) =>
      Array.from({ length: c }, (_v, k) =>
        reads.reduce((sum, [at, share]) => sum + share * (at === undefined ? s.fillValue : x[(image * h * w + at) * c + k]!), 0),
      ),
    ),
  );
}

/** Turned by `turns`, zoomed, then moved. */
export function similarity(turns: number, zoom: number, right: number, down: number): number[] {
  const [cos, sin] = [Math.cos(2 * Math.PI * turns), Math.sin(2 * Math.PI * turns)];
  return [zoom * cos, -zoom * sin, right, zoom * sin, zoom * cos, down];
}

function simple(
  name: string,
  shape: Four,
  transforms: number[],
  how: Interpolation,
  fillMode: FillMode,
  size?: [number, number],
) {
  const [height, width] = size ?? [shape[1], shape[2]];
  const s: AffineSampling = { height, width, interpolation: how, fillMode, fillValue: fillMode === 'constant' ? 0.75 : 0 };
  return {
    name: `${name}: ${how}, ${fillMode}`,
    inputs: { x: { shape }, transform: { shape: [shape[0], 6], data: transforms } },
    build: ({ x, transform }) => ({ y: affineSample(x!, transform!, s) }),
    reference: ({ x, transform }) => ({ y: sampled(x!, shape, transform!, s) }),
    gradients: ['x'],
    terms: 16,
  } satisfies OpCase;
}

/** The gradient where images are shared out among threads: too large for differences, so its transpose is written out. */
function transposed(shape: Four, transforms: number[], fillMode: FillMode): OpCase {
  const [n, h, w, c] = shape;
  const s: AffineSampling = { height: h, width: w, interpolation: 'bilinear', fillMode, fillValue: 0 };
  return {
    name: `gradient of [${shape.join(', ')}], ${fillMode}`,
    inputs: { x: { shape }, transform: { shape: [n, 6], data: transforms }, g: { shape } },
    build: ({ x, transform, g }) => ({ dx: gradients(elementwise('mul', affineSample(x!, transform!, s), g!), [x!])[0]! }),
    reference: ({ transform, g }) => {
      const dx = new Array<number>(n * h * w * c).fill(0);
      for (let image = 0; image < n; image++)
        taps(h, w, transform!.slice(image * 6, image * 6 + 6), s).forEach((reads, i) => {
          for (const [at, share] of reads)
            for (let k = 0; k < c && at !== undefined; k++)
              dx[(image * h * w + at) * c + k]! += share * g![(image * h * w + i) * c + k]!;
        });
      return { dx };
    },
    gradients: shape.reduce((size, d) => size * d) > 400 ? [] : ['g'],
    // Coordinates of some hundred carry an error of 1e-5 of a pixel, and edges sum many results.
    terms: 256,
  };
}

const TURNED = [...similarity(0.11, 1.1, 0.83, -1.27), ...similarity(-0.3, 0.7, 4.1, 2.6)];
const AWAY = [...similarity(0, 1, -17.3, 12.6), ...similarity(0.4, 2.3, 11.2, -3.9)];
const SHEARED = [1.3, 0.6, -0.45, -0.2, 0.8, 1.15];
const FLAT = [0.5, 0, 0.3, 0.25, 0, 1.2];
const POINT = [0, 0, 1.25, 0, 0, 2.6];
const MANY = Array.from({ length: 6 }, (_, i) => similarity(0.07 * i, 0.8 + 0.1 * i, 3.3 * i - 4, 9.1 - 2.7 * i)).flat();

export const cases: OpCase[] = [
  ...(['nearest', 'bilinear'] as const).flatMap((how) =>
    FILL_MODES.flatMap((fill) => [
      simple('turned and zoomed', [2, 5, 6, 3], TURNED, how, fill),
      simple('far away', [2, 4, 3, 1], AWAY, how, fill),
      simple('sheared, another size, four channels', [1, 4, 5, 4], SHEARED, how, fill, [6, 3]),
      simple('a line of the image', [1, 5, 4, 2], FLAT, how, fill),
      simple('one point of the image', [1, 4, 3, 1], POINT, how, fill, [3, 2]),
      simple('one pixel', [1, 1, 1, 5], similarity(0.1, 1, 0.3, -0.2), how, fill, [3, 4]),
      simple('identity', [1, 3, 3, 1], similarity(0, 1, 0, 0), how, fill),
      simple('a run and a tail', [1, 2, 70, 1], [0.97, 0.21, -3.1234, 0.01, 0.9, 0.1317], how, fill),
    ]),
  ),
  ...FILL_MODES.map((fill) => transposed([6, 41, 37, 3], MANY, fill)),
  ...FILL_MODES.map((fill) => transposed([2, 4, 5, 3], TURNED, fill)),
];
