/**
 * How a layer is defined: its options and their checks, the weights it has for an input shape, the shape it yields, and
 * what it computes, composed of ops. A layer describes; it knows nothing of sessions, devices or compiling. Shapes here
 * are of one sample, without the batch; values in `call` have the batch first.
 */
import type { Constraint } from '../constraints/constraint.js';
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, type Shape } from '../graph/shape.js';
import type { Initializer } from '../initializers/initializer.js';
import { checkOptions, optional, shape, type Check, type Checked, type Schema } from '../options.js';
import type { Regularizer } from '../regularizers/regularizer.js';

/** Options that every layer has. */
export interface LayerOptions {
  /** Name in summaries, errors and saved files: letters, digits, `_`, `-`, `.`; unique in its model. Default: the kind, numbered. */
  name?: string;
  /** Shape of one sample, without the batch; for the first layer of a model. */
  inputShape?: readonly number[];
}

/** One weight of a layer. */
export interface WeightSpec {
  /** What it is to the layer: `kernel`, `bias`. */
  readonly role: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** Adds to the loss while training. */
  readonly regularizer?: Regularizer | undefined;
  /** Applied after each update. */
  readonly constraint?: Constraint | undefined;
  /** Whether training updates it by its gradient. Default true; false for moving statistics. */
  readonly trainable?: boolean;
}

/** What a layer sees while it describes its computation. */
export interface CallContext {
  readonly training: boolean;
  /** The step's counters (int32 [4]), which random ops are keyed by. */
  readonly state: Value;
  /** The value of one of the layer's weights. */
  weight(role: string): Value;
  /** The random stream of this layer for a role: `dropout`. */
  stream(role: string): number;
}

export interface LayerSpec<S extends Schema> {
  /** Keras's class name, under which it is saved. */
  readonly className: string;
  /** The factory's name in `gs.layers`. */
  readonly factory: string;
  /** What automatic names begin with. */
  readonly baseName: string;
  readonly options: S;
  /** Weights for an input shape, in Keras's order; absent where a layer has none. */
  weights?(options: Checked<S>, input: Shape): WeightSpec[];
  /** Shape of one sample of the result; ERR_SHAPE where the layer cannot take the input. */
  outputShape(options: Checked<S>, input: Shape): Shape;
  call(options: Checked<S>, x: Value, context: CallContext): Value;
}

/** A layer, as its factory in `gs.layers` makes it. It belongs to at most one model. */
export interface Layer {
  readonly className: string;
  /** What automatic names begin with. */
  readonly baseName: string;
  /** The name given in the options, if any. */
  readonly name: string | undefined;
  readonly inputShape: Shape | undefined;
  /** The checked options, without name and inputShape. */
  readonly options: Readonly<Record<string, unknown>>;
  weights(input: Shape): WeightSpec[];
  outputShape(input: Shape): Shape;
  call(x: Value, context: CallContext): Value;
}

const layerName: Check<string> = (value, name) => {
  if (typeof value !== 'string' || !/^[A-Za-z][A-Za-z0-9_.-]*$/.test(value) || value === 'optimizer') {
    throw optionError(name, 'name of letters, digits, "_", "-" and "." other than "optimizer"', value);
  }
  return value;
};

const common = { name: optional(layerName, undefined), inputShape: optional(shape, undefined) };

/** Makes the function that checks a layer's options and returns the layer. */
export function defineLayer<S extends Schema>(spec: LayerSpec<S>): (options: unknown) => Layer {
  return (given) => {
    const checked = checkOptions(`layers.${spec.factory}`, given, { ...spec.options, ...common });
    const { name, inputShape, ...rest } = checked as { name?: string; inputShape?: Shape } & Record<string, unknown>;
    const options = rest as Checked<S>;
    return {
      className: spec.className,
      baseName: spec.baseName,
      name,
      inputShape,
      options: rest,
      weights: (input) => spec.weights?.(options, input) ?? [],
      outputShape: (input) => spec.outputShape(options, input),
      call: (x, context) => spec.call(options, x, context),
    };
  };
}

/** Throws ERR_SHAPE unless the input has as many dimensions as `axes` names: `expectAxes(input, ['height', 'width', 'channels'])`. */
export function expectAxes(input: Shape, axes: readonly string[]): void {
  if (input.length !== axes.length) {
    throw new GradstepError('ERR_SHAPE', `Expected samples of shape [${axes.join(', ')}] but received ${formatShape(input)}`);
  }
}
