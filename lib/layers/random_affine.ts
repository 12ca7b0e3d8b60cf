/** What randomTranslation, randomRotation and randomZoom share: they read images through an affine map that is drawn. */
import { affineSample, FILL_MODES, type FillMode } from '../ops/affine_sample.js';
import { randomTransform, type TransformRanges } from '../ops/random_transform.js';
import type { Interpolation } from '../ops/resize.js';
import { number, oneOf, optional, type Checked, type Schema, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';

export interface SamplingOptions extends LayerOptions {
  /**
   * What lies beyond the edge: `reflect` mirrors (cba|abcd|dcb), `wrap` repeats the image, `nearest` the edge, `constant` is
   * `fillValue`. Default `reflect`.
   */
  fillMode?: FillMode;
  /** How pixels are read between centres. Default `bilinear`. */
  interpolation?: Interpolation;
  /** Beyond the edge with `constant`. Default 0. */
  fillValue?: number;
}

const sampling = {
  fillMode: optional(oneOf(FILL_MODES), 'reflect' as const),
  interpolation: optional(oneOf(['nearest', 'bilinear']), 'bilinear' as const),
  fillValue: optional(number(), 0),
} satisfies SchemaOf<Omit<SamplingOptions, keyof LayerOptions>>;

/** Makes the factory of a layer from its names, its own options and what they draw for images of height × width. */
export function defineRandomAffine<S extends Schema>(
  names: { className: string; factory: string; baseName: string },
  options: S,
  ranges: (options: Checked<S>, height: number, width: number) => TransformRanges,
): (options: unknown) => Layer {
  return defineLayer({
    ...names,
    options: { ...options, ...sampling },
    outputShape(_options, input) {
      expectAxes(input, ['height', 'width', 'channels']);
      return input;
    },
    call(o, x, { training, state, stream }) {
      if (!training) return x;
      const [rows, height, width] = x.shape as [number, number, number];
      const { fillMode, interpolation, fillValue } = o as unknown as Checked<typeof sampling>;
      const drawn = ranges(o as unknown as Checked<S>, height, width);
      const transform = randomTransform(state, [rows, height, width], drawn, stream('transform'));
      return affineSample(x, transform, { height, width, fillMode, interpolation, fillValue });
    },
  });
}
