/**
 * What the transposed convolutions share: options, the size of the result, the computation, which is the input gradient
 * of a convolution from the result to the input. Kernels are [size…, filters, in], biases [filters].
 */
import { GradstepError, optionError } from '../errors.js';
import { glorotUniform } from '../initializers/index.js';
import { formatShape } from '../graph/shape.js';
import { transposedConvolution, transposedLengths, type Padding, type TransposedWindow } from '../ops/sliding.js';
import { integer, optional, perAxis, type Axes, type PerAxis, type SchemaOf } from '../options.js';
import { windowLayerOptions, type LayerNames, type WindowLayerOptions } from './conv.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type KernelOptions } from './weight_options.js';
import { axesOf, paddingOption } from './window.js';

export interface ConvTransposeOptions<A extends Axes> extends Omit<WindowLayerOptions<A>, 'padding'>, KernelOptions {
  /** Channels of the result. */
  filters: number;
  /** `valid`: whatever the windows reach; `same`: stride times the input's size. Default `valid`. */
  padding?: Padding;
  /** Elements added behind the smallest result that fits; less than the stride. Default: as `padding` says. */
  outputPadding?: PerAxis<A>;
}

function windowOf(o: {
  readonly kernelSize: readonly number[];
  readonly strides: readonly number[];
  readonly dilationRate: readonly number[];
  readonly padding: Padding;
  readonly outputPadding: readonly number[] | undefined;
}): TransposedWindow {
  const { kernelSize: size, strides, dilationRate: dilation, padding, outputPadding } = o;
  return { size, strides, dilation, padding, outputPadding };
}

/** Makes the factory of a transposed convolution over `axes` axes. */
export function defineConvTranspose(axes: Axes, names: LayerNames): (options: unknown) => Layer {
  const options = {
    filters: integer(1),
    ...windowLayerOptions(axes),
    padding: optional(paddingOption, 'valid' as const),
    outputPadding: optional(perAxis(axes, 0), undefined),
    ...weightOptions('kernel', glorotUniform()),
  } satisfies SchemaOf<Omit<ConvTransposeOptions<2>, keyof LayerOptions>>;
  return defineLayer({
    ...names,
    options,
    check({ outputPadding, strides }) {
      if (outputPadding?.some((p, i) => p >= strides[i]!)) {
        throw optionError(
          `layers.${names.factory}.outputPadding`,
          `less than the strides ${formatShape(strides)}`,
          outputPadding,
        );
      }
    },
    weights(o, input) {
      const kernel = weight(o, 'kernel', [...o.kernelSize, o.filters, input.at(-1)!]);
      return o.useBias ? [kernel, weight(o, 'bias', [o.filters])] : [kernel];
    },
    outputShape(o, input) {
      const size = transposedLengths(axesOf(axes, input), windowOf(o));
      if (size.some((d) => d < 1)) {
        const from = formatShape(input);
        throw new GradstepError(
          'ERR_SHAPE',
          `A transposed window of ${formatShape(o.kernelSize)} leaves nothing of samples ${from}`,
        );
      }
      return [...size, o.filters];
    },
    call(o, x, context) {
      const bias = o.useBias ? context.weight('bias') : undefined;
      return o.activation(transposedConvolution(axes, x, context.weight('kernel'), windowOf(o), bias));
    },
  });
}
