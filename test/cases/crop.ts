/** crop: fixed windows, windows and mirroring drawn for each image, against the same draw made here from Philox; bfloat16. */
import { crop, cropDxOp, randomCrop, type CropWindow } from '../../lib/ops/crop.js';
import { drawWords } from '../helpers/random_numbers.js';
import { STATE, type OpCase } from './op_case.js';

type Four = [number, number, number, number];

function window(
  x: readonly number[],
  [n, h, w, c]: Four,
  g: CropWindow,
  place: (image: number) => { top: number; left: number; up: boolean; over: boolean },
): number[] {
  const y: number[] = [];
  for (let image = 0; image < n; image++) {
    const { top, left, up, over } = place(image);
    for (let p = 0; p < g.height; p++)
      for (let q = 0; q < g.width; q++)
        for (let f = 0; f < c; f++) {
          const [row, column] = [top + (up ? g.height - 1 - p : p), left + (over ? g.width - 1 - q : q)];
          y.push(x[((image * h + row) * w + column) * c + f]!);
        }
  }
  return y;
}

/** What is stored in bfloat16, where something is. */
const NARROW = [['x', 'y'], ['x'], ['y']];

const NONE = { top: 0, left: 0, rows: 1, columns: 1, flip: 'none', stream: 0 } as const;

function fixed(name: string, shape: Four, height: number, width: number, top: number, left: number): OpCase {
  const g = { ...NONE, height, width, top, left };
  return {
    name,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: crop(x!, { height, width, top, left }) }),
    reference: ({ x }) => ({ y: window(x!, shape, g, () => ({ top, left, up: false, over: false })) }),
    narrow: NARROW,
  };
}

function drawn(name: string, shape: Four, g: CropWindow, state: number[]): OpCase {
  return {
    name,
    inputs: { x: { shape }, state: { ...STATE, data: state } },
    build: ({ x, state: s }) => ({ y: randomCrop(x!, s!, g) }),
    reference: ({ x }) => ({
      y: window(x!, shape, g, (image) => {
        const [a, b, c, d] = drawWords(image, g.stream, state) as Four;
        return {
          top: g.top + Math.floor((a / 2 ** 32) * g.rows),
          left: g.left + Math.floor((b / 2 ** 32) * g.columns),
          up: (g.flip === 'vertical' || g.flip === 'both') && c >= 2 ** 31,
          over: (g.flip === 'horizontal' || g.flip === 'both') && d >= 2 ** 31,
        };
      }),
    }),
    narrow: NARROW,
    ...(shape.reduce((a, b) => a * b) > 400 ? { gradients: [] } : {}),
  };
}

/** The gradient of such a case: where each element of x went, dy comes back. */
function back(test: OpCase, g: CropWindow): OpCase {
  const { shape } = test.inputs.x!;
  const [n, , , c] = shape as Four;
  const elements = shape.reduce((a, b) => a * b);
  const { x: _x, ...others } = test.inputs;
  return {
    name: `${test.name}, back`,
    inputs: { dy: { shape: [n, g.height, g.width, c] }, ...others },
    build: ({ dy, state }) => dy!.graph.add(cropDxOp, { dy, state }, { ...g, shape: [...shape] }).outputs,
    reference(inputs) {
      const from = test.reference({ ...inputs, x: Array.from({ length: elements }, (_, i) => i) }, 'cpu').y!;
      const dx = new Array<number>(elements).fill(0);
      from.forEach((at, i) => (dx[at] = inputs.dy![i]!));
      return { dx };
    },
    narrow: [['dy', 'dx'], ['dy'], ['dx']],
  };
}

const CHANNELS = { ...NONE, height: 2, width: 3, top: 1, left: 1, columns: 3, stream: 8 };
const BOTH_WAYS = { ...NONE, height: 3, width: 2, rows: 3, columns: 3, flip: 'both', stream: 0xfedcba98 } as const;
const channels = drawn('a drawn column, four channels', [3, 4, 6, 4], CHANNELS, [0, 0, 7, 0]);
const bothWays = drawn('drawn and mirrored both ways', [8, 5, 4, 1], BOTH_WAYS, [9, 0, -3, 0]);

export const cases: OpCase[] = [
  fixed('a fixed window', [2, 5, 6, 3], 2, 3, 1, 2),
  fixed('the whole image', [2, 3, 4, 1], 3, 4, 0, 0),
  fixed('one pixel of four channels', [1, 3, 3, 4], 1, 1, 2, 2),
  drawn('a drawn place', [4, 6, 7, 2], { ...NONE, height: 3, width: 4, rows: 4, columns: 4, stream: 5 }, [3, 0, 11, 12]),
  channels,
  back(channels, CHANNELS),
  drawn('mirrored left to right', [6, 3, 4, 1], { ...NONE, height: 3, width: 4, flip: 'horizontal', stream: 1 }, [1, 0, 3, 0]),
  drawn('mirrored top to bottom', [6, 3, 4, 3], { ...NONE, height: 3, width: 4, flip: 'vertical', stream: 2 }, [1, 0, 3, 0]),
  bothWays,
  back(bothWays, BOTH_WAYS),
  back(fixed('one pixel', [2, 4, 4, 3], 1, 1, 2, 1), { ...NONE, height: 1, width: 1, top: 2, left: 1 }),
  drawn(
    'several threads and blocks',
    [3, 67, 61, 3],
    { ...NONE, height: 60, width: 55, rows: 8, columns: 7, flip: 'both', stream: 4 },
    [9, 0, -3, 0],
  ),
];
