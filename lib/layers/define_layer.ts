/**
 * How a layer is defined: its options and their checks, the weights it has for an input shape, the shape it yields, and
 * what it computes, composed of ops. A layer describes; it knows nothing of sessions, devices or compiling. Shapes here
 * are of one sample, without the batch; values in `call` have the batch first.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, MAX_SIZE, sizeOf, type PartialShape, type Shape } from '../graph/shape.js';
import { boolean, checkOptions, number, optional, partialShape, type Checked, type Schema } from '../options.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { regularizerOption, type RegularizerOption } from '../regularizers/registry.js';
import { addActivityLoss } from './activity_loss.js';
import type { Cell } from './cell.js';
import { Layer, type CallContext, type LayerParts, type OpenShapes, type WeightSpec } from './layer.js';
import { layerName } from './layer_name.js';
import { registerLayerClass } from './layer_classes.js';
import type { Recurrence } from './recurrent.js';

export { Layer, type CallContext, type WeightSpec } from './layer.js';

/** Options that every layer has. */
export interface LayerOptions {
  /** Name in summaries, errors and saved files: letters, digits, `_`, `-`, `.`; unique in its model. Default: the kind, numbered. */
  name?: string;
  /** Shape of one sample, without the batch, for the first layer of a model; null for an axis whose size only data tell. */
  inputShape?: readonly (number | null)[];
  /** Whether training changes the layer's weights; their gradients are not even computed otherwise. Default true. */
  trainable?: boolean;
  /** What the learning rate is multiplied by for the layer's weights, >= 0. Default 1. */
  learningRateMultiplier?: number;
  /** What the layer's results add to the loss, summed over a batch and divided by its rows. Default none. */
  activityRegularizer?: RegularizerOption;
}

/** What all definitions have in common. */
interface Definition<S extends Schema> {
  /** Keras's class name, under which it is saved. */
  readonly className: string;
  /** The factory's name in `gs.layers`. */
  readonly factory: string;
  /** What automatic names begin with. */
  readonly baseName: string;
  readonly options: S;
  /** Element type of the inputs; `any` for layers that only move elements. Default `float32`. */
  readonly inputDtype?: 'float32' | 'int32' | 'any';
  /** `pass`: the result has the mask of the (first masked) input. Default `stop`: it has none unless `call` sets one. */
  readonly mask?: 'pass' | 'stop';
  /** Looks at options together; throws ERR_OPTION where they do not go together. */
  check?(options: Checked<S>): void;
}

/** A layer of one input and one output. */
export interface LayerSpec<S extends Schema> extends Definition<S> {
  /** Weights for an input shape, in Keras's order; absent where a layer has none. */
  weights?(options: Checked<S>, input: Shape): WeightSpec[];
  /** Shape of one sample of the result; ERR_SHAPE where the layer cannot take the input. */
  outputShape(options: Checked<S>, input: Shape): Shape;
  call(options: Checked<S>, x: Value, context: CallContext): Value;
}

/** A layer of several inputs and one output. */
export interface MergeLayerSpec<S extends Schema> extends Definition<S> {
  weights?(options: Checked<S>, inputs: readonly Shape[]): WeightSpec[];
  outputShape(options: Checked<S>, inputs: readonly Shape[]): Shape;
  call(options: Checked<S>, inputs: readonly Value[], context: CallContext): Value;
}

/** A layer of several inputs and outputs: what the other two are made of. */
export interface GeneralLayerSpec<S extends Schema> extends Definition<S> {
  weights?(options: Checked<S>, inputs: readonly Shape[]): WeightSpec[];
  outputShapes(options: Checked<S>, inputs: readonly Shape[]): readonly Shape[];
  /** Of a layer that holds others. */
  open?(options: Checked<S>): OpenShapes;
  /** Of a recurrent cell: how it runs over a sequence. */
  cell?(options: Checked<S>): Cell;
  /** Of a recurrent layer: what it does, for wrappers. */
  recurrence?(options: Checked<S>): Recurrence;
  call(options: Checked<S>, inputs: readonly Value[], context: CallContext): readonly Value[];
}

const common = {
  name: optional(layerName, undefined),
  inputShape: optional(partialShape, undefined),
  trainable: optional(boolean, true),
  learningRateMultiplier: optional(
    number('number >= 0', (v) => v >= 0 && v < Infinity),
    1,
  ),
  activityRegularizer: optional(regularizerOption, undefined),
};

interface CommonChecked {
  name: string | undefined;
  inputShape: PartialShape | undefined;
  trainable: boolean;
  learningRateMultiplier: number;
  activityRegularizer: Regularizer | undefined;
}

/** Throws ERR_SHAPE where kernels could not count along an axis, or bytes could not be counted in a number. */
function checkSize(shape: Shape, what: string): void {
  if (shape.every((d) => d <= MAX_SIZE) && sizeOf(shape) * 4 <= Number.MAX_SAFE_INTEGER) return;
  throw new GradstepError('ERR_SHAPE', `${what} of shape ${formatShape(shape)} is too large`);
}

/** Makes the function that checks a layer's options and returns the layer; saved models find it by its class name. */
export function defineGeneralLayer<S extends Schema>(spec: GeneralLayerSpec<S>): (options: unknown) => Layer {
  const make = (given: unknown): Layer => {
    const checked = checkOptions(`layers.${spec.factory}`, given, { ...spec.options, ...common });
    const { name, inputShape, trainable, learningRateMultiplier, activityRegularizer, ...rest } = checked as CommonChecked &
      Record<string, unknown>;
    const options = rest as Checked<S>;
    spec.check?.(options);
    const parts: LayerParts = {
      className: spec.className,
      baseName: spec.baseName,
      inputDtype: spec.inputDtype ?? 'float32',
      passesMask: spec.mask === 'pass',
      options: rest,
      weights(inputs) {
        const weights = spec.weights?.(options, inputs) ?? [];
        for (const { role, shape } of weights) checkSize(shape, `A weight ${role}`);
        return weights;
      },
      outputShapes(inputs) {
        const shapes = spec.outputShapes(options, inputs);
        for (const shape of shapes) checkSize(shape, 'A result');
        return shapes;
      },
      call(inputs, context) {
        const results = spec.call(options, inputs, context);
        addActivityLoss(activityRegularizer, results, context);
        return results;
      },
      open: spec.open?.(options),
      cell: spec.cell?.(options),
      recurrence: spec.recurrence?.(options),
      isStateful() {
        const inner = Object.values(rest).flat();
        return rest.stateful === true || inner.some((v) => v instanceof Layer && v.parts.isStateful());
      },
    };
    return new Layer(parts, { name, inputShape, trainable, learningRateMultiplier, activityRegularizer });
  };
  registerLayerClass(spec.className, make);
  return make;
}

/** A layer of several inputs and one output; see defineGeneralLayer. */
export function defineMergeLayer<S extends Schema>(spec: MergeLayerSpec<S>): (options: unknown) => Layer {
  return defineGeneralLayer({
    ...spec,
    outputShapes: (options, inputs) => [spec.outputShape(options, inputs)],
    call: (options, inputs, context) => [spec.call(options, inputs, context)],
  });
}

/** A layer of one input and one output; see defineGeneralLayer. */
export function defineLayer<S extends Schema>(spec: LayerSpec<S>): (options: unknown) => Layer {
  const only = <T>(inputs: readonly T[]): T => {
    if (inputs.length !== 1) {
      throw new GradstepError('ERR_SHAPE', `Expected one input for layers.${spec.factory} but received ${inputs.length}`);
    }
    return inputs[0]!;
  };
  return defineGeneralLayer({
    ...spec,
    weights: (options, inputs) => spec.weights?.(options, only(inputs)) ?? [],
    outputShapes: (options, inputs) => [spec.outputShape(options, only(inputs))],
    call: (options, inputs, context) => [spec.call(options, only(inputs), context)],
  });
}

/** Throws ERR_SHAPE unless the input has as many dimensions as `axes` names: `expectAxes(input, ['height', 'width', 'channels'])`. */
export function expectAxes(input: Shape, axes: readonly string[]): void {
  if (input.length !== axes.length) {
    throw new GradstepError('ERR_SHAPE', `Expected samples of shape [${axes.join(', ')}] but received ${formatShape(input)}`);
  }
}
