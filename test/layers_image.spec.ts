/**
 * Layers over images: sizes, windows, mirroring and affine maps, against Keras in float64 (test/golden/keras, written by
 * make_image_fixtures.py), against whole turns and shifts that can be said without arithmetic, and what is drawn against
 * theory. On every backend, with gradients.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import type { NativeSession } from '../binding.js';
import * as gs from '../lib/index.js';
import { restoreLayer, saveLayer } from '../lib/layers/registry.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { STATE, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { callLayer, expectNothingAtInference, layerCase, roleStream } from './helpers/random_layer_case.js';
import { compareCase } from './helpers/op_compare.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import { drawWords, unit } from './helpers/random_numbers.js';

interface Numbers {
  shape: number[];
  data: number[];
}

interface Fixture {
  factory: 'resizing';
  options: Record<string, unknown>;
  training: boolean;
  x: Numbers;
  y: Numbers;
  g: Numbers;
  dx: Numbers;
}

const fixtures = JSON.parse(readFileSync(new URL('./golden/keras/image_layers.json', import.meta.url), 'utf8')) as Fixture[];

const make = (factory: string, options: Record<string, unknown>): gs.Layer =>
  (gs.layers as unknown as Record<string, (o: object) => gs.Layer>)[factory]!(options);

/** Keras's result and gradient as a case. */
function kerasCase({ factory, options, training, x, y, g, dx }: Fixture): OpCase {
  const layer = make(factory, options);
  const base = layerCase({ name: `${factory} ${JSON.stringify(options)}`, layer, x, training, reference: () => y.data });
  return {
    ...base,
    inputs: { ...base.inputs, g },
    build({ g: weights, ...values }, variables) {
      const result = base.build(values, variables).y!;
      return { y: result, dx: gradients(elementwise('mul', result, weights!), [values.x!])[0]! };
    },
    reference: () => ({ y: y.data, dx: dx.data }),
    gradients: [],
    terms: 48,
  };
}

const SQUARE = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** One image of 3 × 3, and what becomes of it. */
function square(name: string, layer: gs.Layer, expected: number[]): OpCase {
  return { ...layerCase({ name, layer, x: { shape: [1, 3, 3, 1], data: SQUARE }, reference: () => expected }), gradients: [] };
}

const only = (v: number): [number, number] => [v, v];
const { randomRotation, randomTranslation, randomZoom, randomFlip, randomCrop, randomBrightness, randomContrast } = gs.layers;

const byHand: OpCase[] = [
  square('a quarter turn anticlockwise', randomRotation({ factor: only(0.25) }), [2, 5, 8, 1, 4, 7, 0, 3, 6]),
  square('a quarter turn clockwise', randomRotation({ factor: only(-0.25) }), [6, 3, 0, 7, 4, 1, 8, 5, 2]),
  square('half a turn', randomRotation({ factor: only(1.5), interpolation: 'nearest' }), [8, 7, 6, 5, 4, 3, 2, 1, 0]),
  square(
    'a pixel down, filled',
    randomTranslation({
      heightFactor: only(1 / 3),
      widthFactor: 0,
      fillMode: 'constant',
      fillValue: 9,
      interpolation: 'nearest',
    }),
    [9, 9, 9, 0, 1, 2, 3, 4, 5],
  ),
  square(
    'a pixel to the left, wrapped',
    randomTranslation({ heightFactor: 0, widthFactor: only(-1 / 3), fillMode: 'wrap', interpolation: 'nearest' }),
    [1, 2, 0, 4, 5, 3, 7, 8, 6],
  ),
  square(
    'two pixels up, mirrored',
    randomTranslation({ heightFactor: only(-2 / 3), widthFactor: 0, interpolation: 'nearest' }),
    [6, 7, 8, 6, 7, 8, 3, 4, 5],
  ),
  square(
    'zoomed out three times, the edge continued',
    randomZoom({ heightFactor: only(2), fillMode: 'nearest', interpolation: 'nearest' }),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  ),
];

const STATE_DATA = [6, 0, 19, 4];

/** A number drawn for an image, uniform in [low, high). */
function drawn(role: string, image: number, low: number, high: number): number {
  // One number an image lies in the first block of 64: word j of lane l is element 16 j + l.
  const words = drawWords(image % 16, roleStream(role), STATE_DATA);
  return low + (high - low) * unit(words[Math.floor(image / 16)]!);
}

const clip = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high);

const composed: OpCase[] = [
  layerCase({
    name: 'randomBrightness, one factor',
    layer: randomBrightness({ factor: 0.5, valueRange: [-2, 1.5] }),
    x: { shape: [18, 2, 2, 1] },
    state: STATE_DATA,
    reference: (x) => x.map((v, i) => clip(v + drawn('brightness', Math.floor(i / 4), -1.75, 1.75), -2, 1.5)),
  }),
  layerCase({
    name: 'randomBrightness of bytes, a range',
    layer: randomBrightness({ factor: [0.2, 0.9] }),
    x: { shape: [3, 2, 2, 3], range: [0, 255] },
    state: STATE_DATA,
    reference: (x) => x.map((v, i) => clip(v + 255 * drawn('brightness', Math.floor(i / 12), 0.2, 0.9), 0, 255)),
    terms: 255,
  }),
  ...(
    [
      [0.4, 0.6, 1.4],
      [[0.1, 0.8], 0.9, 1.8],
    ] as const
  ).map(([factor, low, high]) =>
    layerCase({
      name: `randomContrast ${JSON.stringify(factor)}`,
      layer: randomContrast({ factor, valueRange: [-1, 0.9] }),
      x: { shape: [4, 3, 2, 2] },
      state: STATE_DATA,
      reference: (x) =>
        x.map((v, i) => {
          const [image, channel] = [Math.floor(i / 12), i % 2];
          const mean = [0, 1, 2, 3, 4, 5].reduce((sum, at) => sum + x[image * 12 + at * 2 + channel]!, 0) / 6;
          return clip((v - mean) * drawn('contrast', image, low, high) + mean, -1, 0.9);
        }),
      terms: 32,
    }),
  ),
];

/** Runs a layer on images of which it keeps the pixels' own numbers: x[n, h, w] = w + W h. */
async function places(session: NativeSession, kind: 'cpu' | 'cuda', layer: gs.Layer, [n, h, w]: [number, number, number]) {
  const data = Array.from({ length: n * h * w }, (_, i) => i % (h * w));
  const test = layerCase({ name: 'places', layer, x: { shape: [n, h, w, 1], data }, reference: () => [] });
  const { outputs } = await runCase(session, kind, { ...test, gradients: [] }, inputNumbers(test.inputs), {
    guardBytes: 0,
    fusion: true,
  });
  const size = outputs.y!.length / n;
  return Array.from({ length: n }, (_, i) => outputs.y!.slice(i * size, i * size + size));
}

/** A count of `trials` with probability p lies within five standard deviations. */
function expectCount(count: number, trials: number, p: number, what: string): void {
  expect(count, what).to.be.closeTo(trials * p, 5 * Math.sqrt(trials * p * (1 - p)));
}

for (const backend of backends()) {
  describe(`layers over images on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const test of [...fixtures.map(kerasCase), ...byHand, ...composed]) {
      it(test.name, async () => {
        await compareCase(session, backend.kind, test);
      });
    }

    it('randomFlip mirrors each image with probability ½ in each direction, independently', async () => {
      for (const mode of ['horizontal', 'vertical', 'horizontalAndVertical', undefined] as const) {
        const layer = randomFlip(mode ? { mode } : {});
        const images = await places(session, backend.kind, layer, [2000, 2, 2]);
        const of = (pixels: number[]): number => images.filter((i) => i.join() === pixels.join()).length;
        const [asIs, over, under, both] = [of([0, 1, 2, 3]), of([1, 0, 3, 2]), of([2, 3, 0, 1]), of([3, 2, 1, 0])];
        expect(asIs + over + under + both).to.equal(2000);
        const share = mode === 'horizontal' ? [0.5, 0] : mode === 'vertical' ? [0, 0.5] : [0.25, 0.25];
        expectCount(over, 2000, share[0]!, `${mode} left to right`);
        expectCount(under, 2000, share[1]!, `${mode} top to bottom`);
        expectCount(both, 2000, share[0]! * share[1]! * 4, `${mode} both`);
      }
    });

    it('randomCrop takes every possible window equally often, whole', async () => {
      const images = await places(session, backend.kind, randomCrop({ height: 2, width: 3 }), [3000, 4, 5]);
      const counts = new Array<number>(9).fill(0);
      for (const [first, ...rest] of images) {
        const [top, left] = [Math.floor(first! / 5), first! % 5];
        counts[top * 3 + left]!++;
        expect(rest).to.deep.equal([1, 2, 5, 6, 7].map((d) => first! + d));
      }
      counts.forEach((count, i) => expectCount(count, 3000, 1 / 9, `window ${i}`));
    });

    it('randomTranslation moves evenly within its range', async () => {
      const layer = randomTranslation({
        heightFactor: [-0.5, 0.25],
        widthFactor: 0.5,
        interpolation: 'nearest',
        fillMode: 'wrap',
      });
      const images = await places(session, backend.kind, layer, [2000, 4, 2]);
      // By −2 … 1 rows, a row each but half a row at the ends; the first pixel shows where the image went.
      const rows = [0, 0, 0, 0];
      for (const [first] of images) rows[Math.floor(first! / 2)]!++;
      expectCount(rows[0]!, 2000, 1 / 3, 'not moved');
      expectCount(rows[1]!, 2000, 1 / 3, 'moved up by a row');
      expectCount(rows[2]!, 2000, 1 / 6, 'moved up by two rows');
      expectCount(rows[3]!, 2000, 1 / 6, 'moved down by a row');
    });

    it('draws again in every step, and the same for the same step and seed', async () => {
      const layers = [
        randomFlip(),
        randomCrop({ height: 4, width: 4 }),
        randomTranslation({ heightFactor: 0.4, widthFactor: 0.4 }),
        randomRotation({ factor: 0.3 }),
        randomZoom({ heightFactor: 0.4 }),
        randomZoom({ heightFactor: 0.4, widthFactor: 0.2 }),
        randomBrightness({ factor: 0.3, valueRange: [-9, 9] }),
        randomContrast({ factor: 0.3, valueRange: [-9, 9] }),
      ];
      const run = async (layer: gs.Layer, state: number[]): Promise<string> => {
        const test: OpCase = {
          name: 'draws',
          inputs: { x: { shape: [8, 6, 5, 2] }, state: { ...STATE, data: state } },
          build: ({ x, state: s }) => ({ y: callLayer(layer, x!, s!, true) }),
          reference: () => ({}),
          gradients: [],
        };
        const { outputs } = await runCase(session, backend.kind, test, inputNumbers(test.inputs), {
          guardBytes: 0,
          fusion: true,
        });
        return outputs.y!.join();
      };
      for (const layer of layers) {
        const first = await run(layer, [1, 0, 5, 0]);
        expect(await run(layer, [1, 0, 5, 0]), layer.className).to.equal(first);
        for (const other of [
          [2, 0, 5, 0],
          [1, 0, 6, 0],
          [1, 0, 5, 1],
        ]) {
          expect(await run(layer, other), `${layer.className} ${other.join()}`).not.to.equal(first);
        }
      }
    });
  });
}

describe('layers over images', () => {
  it('random ones do nothing outside training', () => {
    for (const layer of [
      randomFlip(),
      randomTranslation({ heightFactor: 0.4, widthFactor: 0.4 }),
      randomRotation({ factor: 0.3 }),
      randomZoom({ heightFactor: 0.4 }),
      randomBrightness({ factor: 0.3 }),
      randomContrast({ factor: 0.3 }),
      randomCrop({ height: 6, width: 5 }),
    ]) {
      expectNothingAtInference(layer, [8, 6, 5, 2]);
    }
  });

  it('zoom keeps the aspect ratio unless it has a widthFactor', async () => {
    const session = openSession({ name: 'cpu', kind: 'cpu', device: 'cpu' });
    try {
      const shown = async (layer: gs.Layer): Promise<number[][]> => {
        const [h, w] = [9, 9];
        const data = Array.from({ length: 20 * h * w * 2 }, (_, i) =>
          i % 2 === 0 ? Math.floor(i / 2 / w) % h : Math.floor(i / 2) % w,
        );
        const test = layerCase({ name: 'zoom', layer, x: { shape: [20, h, w, 2], data }, reference: () => [] });
        const { outputs } = await runCase(session, 'cpu', { ...test, gradients: [] }, inputNumbers(test.inputs), {
          guardBytes: 0,
          fusion: true,
        });
        // Rows and columns that one pixel stands for, at the middle of each image.
        const at = (image: number, row: number, column: number, k: number) =>
          outputs.y![((image * h + row) * w + column) * 2 + k]!;
        return Array.from({ length: 20 }, (_, i) => [at(i, 5, 4, 0) - at(i, 4, 4, 0), at(i, 4, 5, 1) - at(i, 4, 4, 1)]);
      };
      for (const [high, wide] of await shown(randomZoom({ heightFactor: [-0.5, 0.5] }))) {
        expect(high).to.be.closeTo(wide!, 1e-5);
        expect(high).to.be.within(0.5, 1.5);
      }
      // As in Keras, 1 is the largest: from a single point to twice what there is.
      const largest = restoreLayer(saveLayer(randomZoom({ heightFactor: 1 }), 'zoom'), 'model');
      const sizes = (await shown(largest)).map(([high]) => high!);
      expect(Math.min(...sizes)).to.be.within(0, 0.5);
      expect(Math.max(...sizes)).to.be.within(1.5, 2);
      const apart = await shown(randomZoom({ heightFactor: [-0.5, 0.5], widthFactor: [0.1, 0.2] }));
      expect(
        apart.every(([high, wide]) => wide! >= 1.1 - 1e-5 && wide! <= 1.2 + 1e-5 && Math.abs(high! - wide!) > 1e-4),
      ).to.equal(true);
    } finally {
      await session.dispose();
    }
  });
});
