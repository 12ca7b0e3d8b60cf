/**
 * What recurrent cells have in common: how a cell is described to whatever runs it over a sequence, the options of those
 * with fused ops (simpleRNN, lstm, gru), and the layers that cells are by themselves.
 *
 * Dropout (Gal & Ghahramani 2016): one draw a sample, the same at all steps and for all gates, of the features of the inputs
 * and of the units of the state that meets the recurrent kernel.
 */
import { activationName, type Activation } from '../activations/activation.js';
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { glorotUniform, orthogonal, zeros } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import type { InitializerName } from '../initializers/registry.js';
import { elementwise } from '../ops/map.js';
import { randomUniform } from '../ops/random.js';
import { CELL_ACTIVATIONS, type CellActivation, type Direction } from '../ops/recurrence.js';
import { reshape } from '../ops/reshape.js';
import { boolean, integer, optional, type Check, type Checked, type Schema, type SchemaOf } from '../options.js';
import { defineGeneralLayer, type CallContext, type Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { dropShared, rateOption } from './drop_options.js';
import { weight, weightOptions, type BiasOptions, type KernelOptions, type WeightOptions } from './weight_options.js';

/** A state of a cell: what it is called, and its shape for one sample. */
export interface CellState {
  readonly role: string;
  readonly shape: Shape;
}

/** How a cell is run over a sequence. */
export interface CellRun {
  readonly context: CallContext;
  /** Initial states [rows, …]; zeros where absent. */
  readonly states: readonly (Value | undefined)[];
  /** [rows, time]: 0 for steps that leave the states as they are. */
  readonly mask: Value | undefined;
  readonly direction: Direction;
}

/** A recurrent cell. `step` is the shape of one step of one sample. */
export interface Cell {
  /** What the axes of a step are called in messages. */
  readonly axes: readonly string[];
  /** Weights in Keras's order. */
  weights(step: Shape): WeightSpec[];
  /** States in Keras's order. */
  states(step: Shape): readonly CellState[];
  /** Shape of what a step yields. */
  output(step: Shape): Shape;
  /** x [rows, time, …step]: what all steps and the last one yield, and the last states. */
  run(x: Value, run: CellRun): { y: Value; last: Value; states: readonly Value[] };
}

/** The options of the cells that run as one op. */
export interface CellOptions extends LayerOptions, KernelOptions, WeightOptions<'recurrent'>, BiasOptions {
  /** Size of the state. */
  units: number;
  /** Applied to the candidate state: one of these names, or the function of `gs.activations` that has it; no other function. Default `tanh`. */
  activation?: CellActivation | Activation;
  /** Whether a bias is added. Default true. */
  useBias?: boolean;
  /** First values of the recurrent kernel. Default `orthogonal`. */
  recurrentInitializer?: InitializerName | Initializer;
  /** While training, probability of each feature of a sample to be zeroed at all its steps, in [0, 1). Default 0. */
  dropout?: number;
  /**
   * While training, probability of each unit of a sample's state to be zeroed, at all steps, before it meets the recurrent
   * kernel, in [0, 1). One draw serves all gates, where Keras draws one a gate. Default 0.
   */
  recurrentDropout?: number;
}

/** Activations of a cell that runs as one op: those whose slope follows from their value. */
export const cellActivation: Check<CellActivation> = (value, name) => {
  const given: unknown = typeof value === 'function' ? nameOf(value as Activation) : value;
  const known = CELL_ACTIVATIONS.find((a) => a === given);
  if (known) return known;
  const words = `one of ${CELL_ACTIVATIONS.map((a) => `"${a}"`).join(', ')}`;
  throw optionError(name, words, value);
};

function nameOf(activation: Activation): string | undefined {
  try {
    return activationName(activation);
  } catch {
    return undefined;
  }
}

export const cellOptions = {
  units: integer(1),
  activation: optional(cellActivation, 'tanh' as const),
  useBias: optional(boolean, true),
  ...weightOptions('kernel', glorotUniform()),
  ...weightOptions('recurrent', orthogonal()),
  ...weightOptions('bias', zeros()),
  dropout: optional(rateOption, 0),
  recurrentDropout: optional(rateOption, 0),
} satisfies SchemaOf<Omit<CellOptions, keyof LayerOptions>>;

export type CheckedCell = Checked<typeof cellOptions>;

/** kernel [in, gates·units], recurrent_kernel [units, gates·units] and bias. */
export function cellWeights(o: CheckedCell, step: Shape, gates: number, bias: (units: number) => WeightSpec): WeightSpec[] {
  const { units, useBias } = o;
  return [
    weight(o, 'kernel', [step.at(-1)!, gates * units]),
    weight(o, 'recurrent', [units, gates * units], 'recurrent_kernel'),
    ...(useBias ? [bias(units)] : []),
  ];
}

/** While training, zeroes features of whole sequences x [rows, time, …] and divides the others by 1 − rate. */
export function dropFeatures(x: Value, rate: number, { training, state, stream }: CallContext): Value {
  if (!training || rate === 0) return x;
  const rule = { rate, factor: 1 / (1 - rate), offset: 0, dropped: 0, stream: stream('dropout') };
  return dropShared(x, state, rule, [null, 1, ...x.shape.slice(2).map(() => null)]);
}

/** While training, what a state of that shape is multiplied by at every step: 0 with probability `rate`, else 1 / (1 − rate). */
export function stateFactors(shape: Shape, rate: number, { training, state, stream }: CallContext): Value | undefined {
  if (!training || rate === 0) return undefined;
  const drawn = randomUniform(state, shape, 0, 1, stream('recurrent_dropout'));
  return elementwise('mul', elementwise('greaterEqual', drawn, Math.fround(rate)), 1 / (1 - rate));
}

/** Throws ERR_SHAPE unless the inputs are x, or x and one initial state for each of `states`. */
export function checkStates(where: string, inputs: readonly Shape[], states: readonly CellState[]): void {
  const given = inputs.slice(1);
  if (given.length === 0) return;
  if (given.length !== states.length) {
    const names = states.map((s) => s.role).join(', ');
    throw new GradstepError('ERR_SHAPE', `Expected [x] or [x, ${names}] for ${where} but received ${inputs.length} inputs`);
  }
  states.forEach(({ role, shape }, i) => {
    if (sameShape(given[i]!, shape)) return;
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected an initial state ${role} of shape ${formatShape(shape)} for ${where} but received ${formatShape(given[i]!)}`,
    );
  });
}

interface CellSpec<S extends Schema> {
  readonly className: string;
  readonly factory: string;
  readonly baseName: string;
  readonly options: S;
  cell(options: Checked<S>): Cell;
}

/** A cell as a layer: of one step x, or x and its states, the output and the new states. `rnn` runs it over a sequence. */
export function defineCell<S extends Schema>(spec: CellSpec<S>): (options: unknown) => Layer {
  const where = `layers.${spec.factory}`;
  return defineGeneralLayer({
    className: spec.className,
    factory: spec.factory,
    baseName: spec.baseName,
    options: spec.options,
    cell: (options) => spec.cell(options),
    weights: (options, inputs) => spec.cell(options).weights(inputs[0]!),
    outputShapes(options, inputs) {
      const cell = spec.cell(options);
      const [x] = inputs;
      if (x!.length !== cell.axes.length) {
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected samples of shape [${cell.axes.join(', ')}] but received ${formatShape(x!)}`,
        );
      }
      const states = cell.states(x!);
      checkStates(where, inputs, states);
      return [cell.output(x!), ...states.map((s) => s.shape)];
    },
    call(options, [x, ...states], context) {
      const steps = reshape(x!, [x!.shape[0]!, 1, ...x!.shape.slice(1)]);
      const run = { context, states, mask: undefined, direction: 'forward' } as const;
      const { last, states: next } = spec.cell(options).run(steps, run);
      return [last, ...next];
    },
  });
}
