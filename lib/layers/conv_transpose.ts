/**
 * What the transposed convolutions share: options, the size of the result, the computation, which is the input gradient
 * of a convolution from the result to the input. Kernels are [size…, filters, in], biases [filters].
 *
 * With s the stride and k the window's extent (dilation included), the result has (as in Keras 3)
 *   valid: (n − 1)·s + max(k, s) elements, with outputPadding (n − 1)·s + k + outputPadding;
 *   same:  n·s elements,                   with outputPadding (n − 1)·s + k mod 2 + outputPadding.
 */
import { GradstepError, optionError } from '../errors.js';
import { glorotUniform } from '../initializers/index.js';
import type { Shape } from '../graph/shape.js';
import { formatShape } from '../graph/shape.js';
import { convTranspose } from '../ops/conv.js';
import { elementwise } from '../ops/map.js';
import { integer, optional, perAxis, type Axes, type PerAxis, type SchemaOf } from '../options.js';
import { windowLayerOptions, type LayerNames, type WindowLayerOptions } from './conv.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type KernelOptions } from './weight_options.js';
import {
  axesOf,
  byAxis,
  kernelWithHeight,
  paddingOption,
  strideAttrs,
  withHeight,
  withoutHeight,
  type Padding,
} from './window.js';

export interface ConvTransposeOptions<A extends Axes> extends Omit<WindowLayerOptions<A>, 'padding'>, KernelOptions {
  /** Channels of the result. */
  filters: number;
  /** `valid`: whatever the windows reach; `same`: stride times the input's size. Default `valid`. */
  padding?: Padding;
  /** Elements added behind the smallest result that fits; less than the stride. Default: as `padding` says. */
  outputPadding?: PerAxis<A>;
}

interface AxisOptions {
  readonly kernelSize: readonly number[];
  readonly strides: readonly number[];
  readonly dilationRate: readonly number[];
  readonly padding: Padding;
  readonly outputPadding: readonly number[] | undefined;
}

/** Along one axis of `length` elements: the result's length, and how many of its elements lie before the first window's first. */
function transposedAxis(o: AxisOptions, i: number, length: number): { length: number; before: number } {
  const stride = o.strides[i]!;
  const extent = (o.kernelSize[i]! - 1) * o.dilationRate[i]! + 1;
  const extra = o.outputPadding?.[i];
  if (o.padding === 'valid') {
    return { length: (length - 1) * stride + (extra === undefined ? Math.max(extent, stride) : extent + extra), before: 0 };
  }
  const padding = extra === undefined ? stride + extent - 2 : extent + (extent % 2) - 2 + extra;
  const front = Math.min(Math.ceil(padding / 2), extent - 1);
  return { length: (length - 1) * stride - extent + 2 + padding, before: extent - 1 - front };
}

function transposed(o: AxisOptions, lengths: Shape) {
  return lengths.map((length, i) => transposedAxis(o, i, length));
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
      const size = transposed(o, axesOf(axes, input)).map((axis) => axis.length);
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
      const lengths = x.shape.slice(1, -1);
      const result = transposed(o, lengths);
      const pads = result.map(({ length, before }, i): [number, number] => {
        const reach = (lengths[i]! - 1) * o.strides[i]! + (o.kernelSize[i]! - 1) * o.dilationRate[i]! + 1;
        return [before, reach - before - length];
      });
      const window = { ...strideAttrs(o.strides, pads), ...byAxis('dilation', o.dilationRate) };
      const size = result.map((axis) => axis.length);
      const shape = [x.shape[0]!, ...(axes === 1 ? [1] : []), ...size, o.filters];
      const kernel = kernelWithHeight(axes, context.weight('kernel'));
      const y = withoutHeight(axes, convTranspose(withHeight(x), kernel, shape, window));
      return o.activation(o.useBias ? elementwise('add', y, context.weight('bias')) : y);
    },
  });
}
