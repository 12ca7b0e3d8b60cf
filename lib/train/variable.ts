/** Variables of a user's own: what functions made by `gs.compile` read, differentiate by and change. */
import type { Constraint } from '../constraints/constraint.js';
import { Tensor, type TensorLike, tensorOf } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape, sizeOf } from '../graph/shape.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import { layerName } from '../layers/layer_name.js';
import { checkOptions, integer, optional, shape as shapeOption, type Check, type SchemaOf } from '../options.js';
import { randomSeed } from '../random.js';
import { initialWeight } from './initial_weights.js';
import { currentTrace } from './trace.js';
import { WeightHome } from './weight_home.js';
import { weightValue } from './weights.js';

export interface VariableOptions {
  /** First values, with their shape; or `shape` and `initializer`. */
  value?: TensorLike;
  shape?: readonly number[];
  /** Default `zeros`. */
  initializer?: InitializerName | Initializer;
  /** Its name in errors, and what its random first values follow from, with the seed. Default `variable`. */
  name?: string;
  /** Integer >= 0; random by default. */
  seed?: number;
}

/** What the step does with a variable besides its update. */
export interface VariableTraits {
  readonly learningRateMultiplier: number;
  readonly constraint?: Constraint | undefined;
}

/** Memory of floats that outlives a step. `gs.variable` makes one; a model's are in `model.trainableVariables`. */
export class VariableHandle {
  /** @internal */
  constructor(
    readonly name: string,
    readonly shape: Shape,
    /** @internal */
    readonly home: WeightHome,
    /** @internal Makes sure that there are first values. */
    readonly fill: () => void = () => undefined,
    /** @internal */
    readonly traits: VariableTraits = { learningRateMultiplier: 1 },
  ) {}

  /** Its value as the step began, or as it was assigned; inside a function that `gs.compile` describes. */
  read(): Value {
    return currentTrace('variable.read').read(this);
  }

  /**
   * At the end of the step it holds `value`, of the same shape; inside a function that `gs.compile` describes. ERR_OPTION where
   * `gs.applyGradients` moves it in the same step, or a layer keeps an average in it, as batchNormalization does while training.
   */
  assign(value: Value): void {
    const trace = currentTrace('variable.assign');
    trace.own(value, `the value assigned to ${this.name}`);
    if (!sameShape(value.shape, this.shape)) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Cannot assign ${formatShape(value.shape)} to ${this.name} ${formatShape(this.shape)}`,
      );
    }
    trace.assign(this, value);
  }

  /** Its numbers at this moment. */
  async value(): Promise<Tensor<Float32Array>> {
    this.fill();
    return new Tensor((await this.home.read()).slice(), this.shape);
  }

  /** Replaces its numbers. ERR_SHAPE or ERR_DTYPE where they do not fit; ERR_BUSY while they are being trained. */
  set(value: TensorLike): void {
    this.home.checkFree(this, 'set');
    this.home.set(Promise.resolve(weightValue(this, value)));
  }
}

const anyValue: Check<TensorLike | undefined> = (value) => value as TensorLike | undefined;

/** A variable: from first values, or from a shape and an initializer. */
export function variable(options: VariableOptions): VariableHandle {
  const schema = {
    value: anyValue,
    shape: optional(shapeOption, undefined),
    initializer: optional(initializerOption, undefined),
    name: optional(layerName, 'variable'),
    seed: optional(integer(0), undefined),
  } satisfies SchemaOf<VariableOptions>;
  const { value, shape, initializer, name, seed } = checkOptions('variable', options, schema);
  const home = new WeightHome();
  if (value !== undefined) {
    if (initializer) throw new GradstepError('ERR_OPTION', 'Expected variable.value or variable.initializer but received both');
    const own = tensorOf(value, 'variable.value');
    const given = !(value instanceof Tensor) && shape && sizeOf(shape) === own.data.length ? new Tensor(own.data, shape) : own;
    if (shape && !sameShape(given.shape, shape)) {
      const shapes = `${formatShape(shape)} for ${name} but received ${formatShape(given.shape)}`;
      throw new GradstepError('ERR_SHAPE', `Expected shape ${shapes}`);
    }
    home.set(Promise.resolve(Float32Array.from(given.data)));
    return new VariableHandle(name, given.shape, home);
  }
  if (!shape) throw new GradstepError('ERR_OPTION', 'Expected variable.value or variable.shape but received neither');
  const first = initializer ?? initializerOption('zeros', 'variable.initializer');
  const chosen = seed ?? randomSeed();
  home.begin((isWanted) => initialWeight({ name, role: name, shape, initializer: first }, chosen, isWanted));
  return new VariableHandle(name, shape, home);
}
