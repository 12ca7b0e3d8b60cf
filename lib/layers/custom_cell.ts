/**
 * Recurrent cells of a user's own: what `gs.layers.defineCell` takes, turned into a cell that `rnn` and `bidirectional` run over
 * sequences. One step is composed of `gs.ops`; a sequence is that many steps in the program.
 */
import { GradstepError, optionError } from '../errors.js';
import { Value, type Graph } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { constant } from '../ops/map.js';
import { checkOptions, func, optional, shape, type Check, type SchemaOf } from '../options.js';
import { defineCell as define, type Cell, type CellState } from './cell.js';
import {
  checkTable,
  className,
  snakeCase,
  weightsOf,
  type CheckedOptions,
  type CustomWeight,
  type LayerFactory,
  type OptionChecks,
} from './custom.js';
import type { CustomContext } from './custom_context.js';
import { layerName } from './layer_name.js';
import { unrolled } from './unrolled.js';

/** A state of a cell of a user's own. */
export interface CustomState {
  /** What errors call it; different for each. */
  name: string;
  /** Of one sample. */
  shape: readonly number[];
}

/** What a step sees besides its input and the states. */
export type CellContext = Pick<CustomContext, 'training' | 'trainable' | 'weight'>;

/** A recurrent cell. `step` is the shape of one step of one sample; values have the batch first. */
export interface CellDescription<S extends OptionChecks> {
  /** Under which it is saved; unique. Letters, digits, `_`, `-`, `.`. */
  className: string;
  /** What names of its weights begin with. Default: the class name in small letters, words apart. */
  baseName?: string;
  /** Checks of the options, such as `gs.layers.options.integer()`. Default: no options. */
  options?: S;
  /** What the axes of a step are called in messages; there are as many. Default `['features']`. */
  axes?: readonly string[];
  /** The cell's weights. Default none. */
  weights?(options: CheckedOptions<S>, step: Shape): CustomWeight[];
  /** What is handed on from step to step; zeros before the first one. */
  states(options: CheckedOptions<S>, step: Shape): readonly CustomState[];
  /** Shape of what a step yields. Default: that of the first state. */
  outputShape?(options: CheckedOptions<S>, step: Shape): readonly number[];
  /** One step: the new states, and what it yields, by default the first of those. */
  call(
    options: CheckedOptions<S>,
    x: Value,
    states: readonly Value[],
    context: CellContext,
  ): { y?: Value; states: readonly Value[] };
}

type Checks = CheckedOptions<OptionChecks>;
type OfStep = (options: Checks, step: Shape) => unknown;
type Call = (options: Checks, x: Value, states: readonly Value[], context: CellContext) => unknown;

const axesOption: Check<readonly string[]> = (value, name) => {
  const valid = Array.isArray(value) && value.length > 0 && value.every((axis) => typeof axis === 'string');
  if (!valid) throw optionError(name, 'array of at least one name', value);
  return value as string[];
};

const schema = {
  className,
  baseName: optional(layerName, undefined),
  options: optional(checkTable, {}),
  axes: optional(axesOption, ['features'] as const),
  weights: optional(func<OfStep>(), undefined),
  states: func<OfStep>(),
  outputShape: optional(func<OfStep>(), undefined),
  call: func<Call>(),
} satisfies SchemaOf<CellDescription<OptionChecks>>;

const stateSchema = { name: layerName, shape } satisfies SchemaOf<CustomState>;

function statesOf(given: unknown, where: string): CellState[] {
  if (!Array.isArray(given) || given.length === 0) throw optionError(where, 'array of at least one state', given);
  const states = [...given].map((state: unknown, i) => checkOptions(`${where}[${i}]`, state, stateSchema));
  states.forEach(({ name }, i) => {
    if (states.findIndex((s) => s.name === name) !== i) throw optionError(`${where}[${i}].name`, 'name of its own', name);
  });
  return states.map(({ name, shape: of }) => ({ role: name, shape: of }));
}

/** A value that a step has made: ERR_OPTION, ERR_DTYPE or ERR_SHAPE unless it is one of floats in this shape. */
function checkMade(made: unknown, graph: Graph, wanted: Shape, what: string): asserts made is Value {
  if (!(made instanceof Value) || made.graph !== graph) throw optionError(what, 'value made from its inputs', made);
  if (made.dtype !== 'float32') throw new GradstepError('ERR_DTYPE', `Expected float32 for ${what} but received ${made.dtype}`);
  if (sameShape(made.shape, wanted)) return;
  throw new GradstepError(
    'ERR_SHAPE',
    `Expected shape ${formatShape(wanted)} for ${what} but received ${formatShape(made.shape)}`,
  );
}

/**
 * Defines a class of recurrent cells and returns the function that makes them, for `gs.layers.rnn`:
 *
 * ```ts
 * const leaky = gs.layers.defineCell({
 *   className: 'LeakyCell',
 *   options: { units: gs.layers.options.integer() },
 *   weights: ({ units }, [features]) => [{ name: 'kernel', shape: [features!, units] }],
 *   states: ({ units }) => [{ name: 'h', shape: [units] }],
 *   call(_options, x, [h], { weight }) {
 *     const next = gs.ops.tanh(gs.ops.add(gs.ops.matmul(x, weight('kernel')), gs.ops.mul(h!, 0.9)));
 *     return { states: [next] };
 *   },
 * });
 * const model = gs.sequential([gs.layers.rnn({ cell: leaky({ units: 8 }), inputShape: [20, 3] })]);
 * ```
 *
 * Masks, initial and carried states, `goBackwards`, `bidirectional`, stacks, gradients and saving follow by themselves. Every step is
 * described anew, so long sequences make large programs: some hundred steps take as many times a step's instructions.
 *
 * ERR_OPTION when the description is wrong or the class name taken; ERR_SHAPE, when the cell is used, where `call` makes other
 * shapes than `states` and `outputShape` say.
 */
export function defineCell<S extends OptionChecks = Record<never, never>>(description: CellDescription<S>): LayerFactory<S> {
  const checked = checkOptions('layers.defineCell', description, schema);
  const { axes, weights, states, outputShape, call, baseName } = checked;
  const factory = `${checked.className.charAt(0).toLowerCase()}${checked.className.slice(1)}`;
  const where = `layers.${factory}`;
  const cellOf = (options: Checks): Cell => {
    const held = (step: Shape) => statesOf(states(options, step), `${where}.states`);
    const output = (step: Shape): Shape =>
      outputShape ? shape(outputShape(options, step), `${where}.outputShape`) : held(step)[0]!.shape;
    return {
      axes,
      weights: (step) => (weights ? weightsOf(weights(options, step), `${where}.weights`) : []),
      states: held,
      output,
      run(x, cellRun) {
        const { training, trainable, weight } = cellRun.context;
        const [rows, , ...step] = x.shape as [number, number, ...number[]];
        const kept = held(step);
        return unrolled(x, cellRun, (input, before) => {
          const given = kept.map((s, i) => before[i] ?? constant(x.graph, 0, [rows, ...s.shape]));
          const made = call(options, input, given, { training, trainable, weight }) as
            { y?: unknown; states?: unknown } | undefined;
          const next: unknown = made?.states;
          if (!Array.isArray(next) || next.length !== kept.length) {
            throw optionError(`the result of ${where}.call`, `object with ${kept.length} states`, made);
          }
          const list: readonly unknown[] = [...next];
          kept.forEach((s, i) => checkMade(list[i], x.graph, [rows, ...s.shape], `state ${s.role} of ${where}.call`));
          const y = made!.y ?? list[0];
          checkMade(y, x.graph, [rows, ...output(step)], `y of ${where}.call`);
          return { y, states: list as readonly Value[] };
        });
      },
    };
  };
  return define({
    className: checked.className,
    factory,
    baseName: baseName ?? snakeCase(checked.className),
    options: checked.options as Readonly<Record<string, Check<unknown>>>,
    cell: cellOf as (options: Readonly<Record<string, unknown>>) => Cell,
  }) as LayerFactory<S>;
}
