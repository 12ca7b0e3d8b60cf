/**
 * Layers of a user's own: what `gs.layers.defineLayer` takes, turned into a definition like those of the library. The layer
 * is composed of `gs.ops`, so gradients, compilation to every device and saving follow by themselves.
 */
import { constraintOption, type ConstraintOption } from '../constraints/registry.js';
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import { boolean, checkOptions, func, oneOf, optional, record, shape, type Check, type SchemaOf } from '../options.js';
import { regularizerOption, type RegularizerOption } from '../regularizers/registry.js';
import { customContext, type CustomContext } from './custom_context.js';
import { defineMergeLayer as define, type CallContext, type Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { layerName } from './layer_name.js';
import type { OptionCheck } from './option_checks.js';

/** The checks of a layer's options, by name. */
export type OptionChecks = Readonly<Record<string, OptionCheck<unknown, unknown, boolean>>>;

/** What the checks return: the options as `weights`, `outputShape` and `call` see them. */
export type CheckedOptions<S extends OptionChecks> = { readonly [K in keyof S]: ReturnType<S[K]> };

type Phantom<C> = C extends { readonly given?: readonly [infer G, infer N] } ? { given: G; needed: N } : never;

/** What callers write. */
export type GivenOptions<S extends OptionChecks> = {
  [K in keyof S as Phantom<S[K]>['needed'] extends false ? never : K]: Phantom<S[K]>['given'];
} & { [K in keyof S as Phantom<S[K]>['needed'] extends false ? K : never]?: Phantom<S[K]>['given'] };

/** A weight of a layer of a user's own. */
export interface CustomWeight {
  /** What `call` asks for it by, and the last part of its name in models: `kernel`. */
  name: string;
  shape: readonly number[];
  /** First values. Default `glorotUniform`. */
  initializer?: InitializerName | Initializer;
  /** False for what the layer itself keeps up to date with `context.update`. Default true. */
  trainable?: boolean;
  /** Default none. */
  regularizer?: RegularizerOption;
  /** Default none. */
  constraint?: ConstraintOption;
}

interface Description<S extends OptionChecks> {
  /** Under which it is saved; unique. Letters, digits, `_`, `-`, `.`. */
  className: string;
  /** What automatic names begin with. Default: the class name in small letters, words apart: `scale_and_shift`. */
  baseName?: string;
  /** Checks of the options, such as `gs.layers.options.integer()`. Default: no options. */
  options?: S;
  /** `int32` where the layer wants integers; `any`: each input comes in the type it has. Default `float32`. */
  inputDtype?: 'float32' | 'int32' | 'any';
  /** `pass`: the result has the mask of the input. Default `stop`. */
  mask?: 'pass' | 'stop';
}

/** A layer of one input. Shapes are of one sample, values have the batch first. */
export interface LayerDescription<S extends OptionChecks> extends Description<S> {
  /** The layer's weights for an input shape. Default none. */
  weights?(options: CheckedOptions<S>, input: Shape): CustomWeight[];
  /** Shape of the result. Default: that of the input. */
  outputShape?(options: CheckedOptions<S>, input: Shape): readonly number[];
  /** The result, [rows, ...outputShape], made from `x` with `gs.ops`. */
  call(options: CheckedOptions<S>, x: Value, context: CustomContext): Value;
}

/** A layer of several inputs. */
export interface MergeLayerDescription<S extends OptionChecks> extends Description<S> {
  weights?(options: CheckedOptions<S>, inputs: readonly Shape[]): CustomWeight[];
  /** Default: the shape of the first input. */
  outputShape?(options: CheckedOptions<S>, inputs: readonly Shape[]): readonly number[];
  call(options: CheckedOptions<S>, inputs: readonly Value[], context: CustomContext): Value;
}

/** The function that makes layers of a class; its argument may be left out where no option must be given. */
export type LayerFactory<S extends OptionChecks> =
  object extends GivenOptions<S>
    ? (options?: GivenOptions<S> & LayerOptions) => Layer
    : (options: GivenOptions<S> & LayerOptions) => Layer;

export const className: Check<string> = (value, name) => {
  if (typeof value !== 'string' || !/^[A-Za-z][A-Za-z0-9_.-]*$/.test(value)) {
    throw optionError(name, 'name of letters, digits, "_", "-" and "."', value);
  }
  return value;
};

export const checkTable: Check<OptionChecks> = (value, name) => {
  const table = record('object of checks')(value, name);
  const reserved = ['name', 'inputShape', 'trainable', 'learningRateMultiplier', 'activityRegularizer'];
  for (const [key, check] of Object.entries(table)) {
    if (typeof check !== 'function') throw optionError(`${name}.${key}`, 'check, as of gs.layers.options', check);
    if (reserved.includes(key)) throw optionError(name, 'options other than those that every layer has', key);
  }
  return table as OptionChecks;
};

/** What the functions of a description get: of one input, or an array of all. */
type Picked<T> = T | readonly T[];
type OfShapes = (options: CheckedOptions<OptionChecks>, inputs: Picked<Shape>) => unknown;
type Call = (options: CheckedOptions<OptionChecks>, inputs: Picked<Value>, context: CustomContext) => unknown;

const descriptionSchema = {
  className,
  baseName: optional(layerName, undefined),
  options: optional(checkTable, {}),
  inputDtype: optional(oneOf(['float32', 'int32', 'any']), 'float32' as const),
  mask: optional(oneOf(['pass', 'stop']), 'stop' as const),
  weights: optional(func<OfShapes>(), undefined),
  outputShape: optional(func<OfShapes>(), undefined),
  call: func<Call>(),
} satisfies SchemaOf<MergeLayerDescription<OptionChecks>>;

const weightSchema = {
  name: layerName,
  shape,
  initializer: (value: unknown, name: string) => initializerOption(value ?? 'glorotUniform', name),
  trainable: optional(boolean, true),
  regularizer: optional(regularizerOption, undefined),
  constraint: optional(constraintOption, undefined),
} satisfies SchemaOf<CustomWeight>;

/** `ScaleAndShift` → `scale_and_shift`. */
export function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();
}

/** A layer's weights, checked: names must differ. */
export function weightsOf(given: unknown, where: string): WeightSpec[] {
  if (!Array.isArray(given)) throw optionError(where, 'array of weights', given);
  const specs = [...given].map((w: unknown, i) => {
    const { name: role, ...rest } = checkOptions(`${where}[${i}]`, w, weightSchema);
    return { role, ...rest };
  });
  specs.forEach(({ role }, i) => {
    if (specs.findIndex((s) => s.role === role) !== i) throw optionError(`${where}[${i}].name`, 'name of its own', role);
  });
  return specs;
}

/** The result of `call`, if it is what the definition says. */
function resultOf(result: unknown, inputs: readonly Value[], wanted: Shape, where: string): Value {
  const [first] = inputs;
  if (!(result instanceof Value) || result.graph !== first!.graph) {
    throw optionError(`the result of ${where}.call`, 'value made from its inputs', result);
  }
  if (result.dtype !== 'float32') {
    throw new GradstepError('ERR_DTYPE', `Expected a float32 result of ${where}.call but received ${result.dtype}`);
  }
  const whole = [first!.shape[0]!, ...wanted];
  if (!sameShape(result.shape, whole)) {
    const shapes = `${formatShape(result.shape)} where outputShape says ${formatShape(whole)}`;
    throw new GradstepError('ERR_SHAPE', `${where}.call made a value of shape ${shapes}`);
  }
  return result;
}

/**
 * Makes the factory that a description is for.
 * @param pick what its functions get of the inputs, be they shapes or values
 */
function build(
  where: string,
  description: unknown,
  pick: <T>(inputs: readonly T[], className: string) => Picked<T>,
): (options: unknown) => Layer {
  const checked = checkOptions(`layers.${where}`, description, descriptionSchema);
  const { weights, outputShape, call, baseName } = checked;
  const factory = `layers.${checked.className.charAt(0).toLowerCase()}${checked.className.slice(1)}`;
  const picked = <T>(inputs: readonly T[]) => pick(inputs, checked.className);
  const shapeOf = (options: CheckedOptions<OptionChecks>, inputs: readonly Shape[]): Shape => {
    const given = picked(inputs);
    return outputShape ? shape(outputShape(options, given), `${factory}.outputShape`) : inputs[0]!;
  };
  const specsOf = (options: CheckedOptions<OptionChecks>, inputs: readonly Shape[]): WeightSpec[] =>
    weights ? weightsOf(weights(options, picked(inputs)), `${factory}.weights`) : [];
  return define({
    className: checked.className,
    factory: factory.slice('layers.'.length),
    baseName: baseName ?? snakeCase(checked.className),
    options: checked.options as Readonly<Record<string, Check<unknown>>>,
    inputDtype: checked.inputDtype,
    mask: checked.mask,
    weights: specsOf,
    outputShape: shapeOf,
    call(options, inputs, context: CallContext) {
      const shapes = inputs.map((x) => x.shape.slice(1));
      const wanted = shapeOf(options, shapes);
      const own = customContext(context, factory, [inputs[0]!.shape[0]!, ...wanted], () => specsOf(options, shapes));
      return resultOf(call(options, picked(inputs), own), inputs, wanted, factory);
    },
  });
}

/** Defines a class of layers that take several inputs, such as `add`; see defineLayer. */
export function defineMergeLayer<S extends OptionChecks = Record<never, never>>(
  description: MergeLayerDescription<S>,
): LayerFactory<S> {
  return build('defineMergeLayer', description, (inputs) => inputs) as LayerFactory<S>;
}

/**
 * Defines a class of layers and returns the function that makes them:
 *
 * ```ts
 * const scale = gs.layers.defineLayer({
 *   className: 'Scale',
 *   options: { initial: gs.layers.options.optional(gs.layers.options.initializer(), 'ones') },
 *   weights: ({ initial }, input) => [{ name: 'factor', shape: [input.at(-1)!], initializer: initial }],
 *   call: (_options, x, { weight }) => gs.ops.mul(x, weight('factor')),
 * });
 * const model = gs.sequential([scale({ inputShape: [4] }), gs.layers.dense({ units: 1 })]);
 * ```
 *
 * The layer has gradients, runs on every device as part of the compiled step, and is saved under `className`; define the
 * class before a model with it is loaded. Options that hold initializers, regularizers or constraints and are to be saved
 * have names that end in `Initializer`, `Regularizer`, `Constraint`.
 *
 * ERR_OPTION when the description is wrong or the class name taken; ERR_SHAPE, when the layer is used, where `call` makes
 * another shape than `outputShape` says.
 */
export function defineLayer<S extends OptionChecks = Record<never, never>>(description: LayerDescription<S>): LayerFactory<S> {
  return build('defineLayer', description, (inputs, name) => {
    if (inputs.length === 1) return inputs[0]!;
    throw new GradstepError('ERR_SHAPE', `Expected one input for ${name} but received ${inputs.length}`);
  }) as LayerFactory<S>;
}
