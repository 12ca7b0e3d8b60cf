/** randomTransform: each amount alone, all together, against matrices multiplied out here. */
import { randomTransform, type TransformRanges } from '../../lib/ops/random_transform.js';
import { drawWords, unit } from '../helpers/random_numbers.js';
import { STATE, type OpCase } from './op_case.js';

function simple(
  name: string,
  images: number,
  [height, width]: [number, number],
  ranges: TransformRanges,
  stream: number,
): OpCase {
  const state = [5, 0, -9, 2];
  const between = ([low, high]: readonly [number, number], u: number) => low + (high - low) * u;
  return {
    name,
    inputs: { state: { ...STATE, data: state } },
    build: ({ state: s }) => ({ y: randomTransform(s!, [images, height, width], ranges, stream) }),
    reference: () => ({
      y: Array.from({ length: images }).flatMap((_, image) => {
        const u = drawWords(image * 2, stream, state).map(unit);
        const angle = 2 * Math.PI * between(ranges.turn ?? [0, 0], u[0]!);
        const down = between(ranges.down ?? [0, 0], u[1]!);
        const right = between(ranges.right ?? [0, 0], u[2]!);
        const zy = between(ranges.zoomHeight ?? [1, 1], u[3]!);
        const other = unit(drawWords(image * 2 + 1, stream, state)[0]!);
        const zx = ranges.zoomWidth ? between(ranges.zoomWidth, other) : zy;
        const [cy, cx] = [(height - 1) / 2, (width - 1) / 2];
        const source = (p: number, q: number): [number, number] => {
          const [y, x] = [zy * (p - cy - down), zx * (q - cx - right)];
          return [Math.sin(angle) * x + Math.cos(angle) * y + cy, Math.cos(angle) * x - Math.sin(angle) * y + cx];
        };
        const [origin, across, along] = [source(0, 0), source(0, 1), source(1, 0)];
        return [1, 0].flatMap((axis) => [across[axis]! - origin[axis]!, along[axis]! - origin[axis]!, origin[axis]!]);
      }),
    }),
    gradients: [],
  };
}

export const cases: OpCase[] = [
  simple('nothing drawn', 2, [5, 4], {}, 1),
  simple('turned', 9, [8, 5], { turn: [-1.7, 2.3] }, 2),
  simple('moved', 5, [8, 9], { down: [-3, 2], right: [1, 4] }, 3),
  simple('zoomed together', 5, [3, 9], { zoomHeight: [0.5, 1.5] }, 4),
  simple('zoomed apart', 5, [3, 9], { zoomHeight: [0.5, 1.5], zoomWidth: [0.9, 2] }, 5),
  simple(
    'all of it, more images than a block has threads',
    150,
    [7, 6],
    {
      turn: [-0.2, 0.1],
      down: [-2, 2],
      right: [-1, 3],
      zoomHeight: [0.7, 1.2],
      zoomWidth: [0.9, 1.1],
    },
    6,
  ),
];
