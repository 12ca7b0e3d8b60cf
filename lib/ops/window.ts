/**
 * Windows that slide over the axes between rows and channels, as convolutions and poolings take them: [N, H, W, C] or
 * [N, D, H, W, C]. Their attributes are numbers by axis; those of an axis that a value does not have stay at their
 * defaults. Window p along an axis begins at position p·stride − before and has an element every `dilation` positions.
 */
import { GradstepError } from '../errors.js';
import type { AttrValue } from '../graph/define_op.js';
import { formatShape, MAX_SIZE, type Shape } from '../graph/shape.js';

/** Steps and padding of a window by axis; steps are 1 and padding is 0 where nothing is said. */
export interface Window {
  strideD?: number;
  strideH?: number;
  strideW?: number;
  padFront?: number;
  padBack?: number;
  padTop?: number;
  padBottom?: number;
  padLeft?: number;
  padRight?: number;
}

const one = { type: 'i32', default: 1 } as const;
const zero = { type: 'i32', default: 0 } as const;

export const windowAttrs = {
  strideD: one,
  strideH: one,
  strideW: one,
  padFront: zero,
  padBack: zero,
  padTop: zero,
  padBottom: zero,
  padLeft: zero,
  padRight: zero,
} as const;

/** The attributes of `attrs` that `specs` names. */
export function pickAttrs(attrs: Readonly<Record<string, AttrValue>>, specs: object): Record<string, AttrValue> {
  return Object.fromEntries(Object.keys(specs).map((name) => [name, attrs[name]!]));
}

/** Output length of a window over `size` elements. */
export function windowOutput(size: number, kernel: number, stride: number, dilation: number, padding: number): number {
  return Math.floor((size + padding - (kernel - 1) * dilation - 1) / stride) + 1;
}

/**
 * The axes of `shape` between rows and channels under a window of `sizes` elements, after the window; ERR_SHAPE where
 * there are not two or three of them.
 */
export function windowedAxes(shape: Shape, sizes: readonly number[], attrs: Readonly<Record<string, unknown>>): number[] {
  const axes = shape.slice(1, -1);
  if (axes.length < 2 || axes.length > 3 || axes.length !== sizes.length) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Cannot slide a window of ${formatShape(sizes)} over a value of shape ${formatShape(shape)}`,
    );
  }
  const names = ['D', 'H', 'W'].slice(3 - axes.length);
  const pads: Record<string, readonly [string, string]> = {
    D: ['padFront', 'padBack'],
    H: ['padTop', 'padBottom'],
    W: ['padLeft', 'padRight'],
  };
  const of = (name: string): number => (attrs[name] as number | undefined) ?? 1;
  return axes.map((size, i) => {
    const axis = names[i]!;
    const reach = (sizes[i]! - 1) * of(`dilation${axis}`);
    if (reach > MAX_SIZE) {
      throw new GradstepError('ERR_SHAPE', `A window of ${formatShape(sizes)} whose elements lie that far apart is too large`);
    }
    const padding = pads[axis]!.reduce((sum, pad) => sum + ((attrs[pad] as number | undefined) ?? 0), 0);
    return windowOutput(size, sizes[i]!, of(`stride${axis}`), of(`dilation${axis}`), padding);
  });
}
