/**
 * What recurrent layers have in common: the options of how a cell goes over a sequence, the initial states that may come
 * as further inputs, masks, and what is returned. A step that the mask leaves out leaves the states as they are.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { elementwise } from '../ops/map.js';
import type { Direction } from '../ops/recurrence.js';
import { reshape } from '../ops/reshape.js';
import { reverse } from '../ops/reverse.js';
import { boolean, optional, type Checked, type Schema, type SchemaOf } from '../options.js';
import { checkStates, type Cell } from './cell.js';
import { defineGeneralLayer, type CallContext, type Layer, type LayerOptions } from './define_layer.js';

/** The options that every recurrent layer has. */
export interface RecurrentOptions extends LayerOptions {
  /** Whether the result is what every step yields, [rows, time, …], instead of the last one, [rows, …]. Default false. */
  returnSequences?: boolean;
  /** Whether the last states are results as well, after the first: see `applyAll`. Default false. */
  returnState?: boolean;
  /** Whether the sequence is gone through from its end; results are in the order in which they are made. Default false. */
  goBackwards?: boolean;
  /**
   * Whether a batch begins with the states that the batch before has ended with: row i goes on with row i. Pass
   * `shuffle: false` to `fit`; `model.resetStates()` begins anew. Gradients stop at the batch. Default false.
   */
  stateful?: boolean;
  /** Whether steps that the mask leaves out yield 0, instead of the state before them, with `returnSequences`. Default false. */
  zeroOutputForMask?: boolean;
}

export const recurrentOptions = {
  returnSequences: optional(boolean, false),
  returnState: optional(boolean, false),
  goBackwards: optional(boolean, false),
  stateful: optional(boolean, false),
  zeroOutputForMask: optional(boolean, false),
} satisfies SchemaOf<Omit<RecurrentOptions, keyof LayerOptions>>;

export type CheckedRecurrent = Checked<typeof recurrentOptions>;

/** What a recurrent layer is to a wrapper around it. */
export interface Recurrence {
  readonly cell: Cell;
  readonly options: CheckedRecurrent;
}

/** Shape of one step; ERR_SHAPE unless there is a sequence of them. */
export function stepOf({ axes }: Cell, input: Shape): Shape {
  if (input.length === axes.length + 1) return input.slice(1);
  throw new GradstepError(
    'ERR_SHAPE',
    `Expected samples of shape [${['time', ...axes].join(', ')}] but received ${formatShape(input)}`,
  );
}

/** Shapes of the results: what is yielded, then the states where they are returned. */
export function recurrentShapes({ cell, options }: Recurrence, input: Shape): Shape[] {
  const step = stepOf(cell, input);
  const y = cell.output(step);
  const states = options.returnState ? cell.states(step).map((s) => s.shape) : [];
  return [options.returnSequences ? [input[0]!, ...y] : y, ...states];
}

/**
 * Runs a cell over a sequence: the results, and their mask where there is one.
 * @param given initial states; none where the layer begins with zeros or goes on from the batch before.
 */
export function runRecurrence(
  { cell, options }: Recurrence,
  x: Value,
  given: readonly Value[],
  context: CallContext,
  direction: Direction,
): { results: Value[]; mask: Value | undefined } {
  const { returnSequences, returnState, stateful, zeroOutputForMask } = options;
  const mask = context.masks[0];
  const [rows, time] = x.shape as [number, number];
  if (mask && !sameShape(mask.shape, [rows, time])) {
    const shapes = `${formatShape([rows, time])} but received ${formatShape(mask.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected a mask of shape ${shapes}`);
  }
  const kept = cell.states(x.shape.slice(2));
  const states = given.length === 0 && stateful ? kept.map((s) => context.carried(s.role, [rows, ...s.shape])) : given;
  const { y, last, states: ends } = cell.run(x, { context, states, mask, direction });
  if (stateful) kept.forEach(({ role }, i) => context.carry(role, ends[i]!));
  const results = returnState ? ends : [];
  if (!returnSequences) return { results: [last, ...results], mask: undefined };
  const made = mask && (direction === 'reversed' ? reverse(mask, 1) : mask);
  const broad = made && reshape(made, [rows, time, ...y.shape.slice(2).map(() => 1)]);
  return { results: [broad && zeroOutputForMask ? elementwise('mul', y, broad) : y, ...results], mask: made };
}

interface RecurrentSpec<S extends Schema> {
  readonly className: string;
  readonly factory: string;
  readonly baseName: string;
  /** The options of the cell. */
  readonly options: S;
  cell(options: Checked<S>): Cell;
}

/** Makes the function that makes recurrent layers of a cell. */
export function defineRecurrent<S extends Schema>(spec: RecurrentSpec<S>): (options: unknown) => Layer {
  const recurrenceOf = (options: unknown): Recurrence => ({
    cell: spec.cell(options as Checked<S>),
    options: options as CheckedRecurrent,
  });
  return defineGeneralLayer({
    className: spec.className,
    factory: spec.factory,
    baseName: spec.baseName,
    options: { ...spec.options, ...recurrentOptions },
    recurrence: recurrenceOf,
    weights(options, inputs) {
      const { cell } = recurrenceOf(options);
      return cell.weights(stepOf(cell, inputs[0]!));
    },
    outputShapes(options, inputs) {
      const recurrence = recurrenceOf(options);
      const { cell } = recurrence;
      checkStates(`layers.${spec.factory}`, inputs, cell.states(stepOf(cell, inputs[0]!)));
      return recurrentShapes(recurrence, inputs[0]!);
    },
    call(options, [x, ...states], context) {
      const recurrence = recurrenceOf(options);
      const direction = recurrence.options.goBackwards ? 'reversed' : 'forward';
      const { results, mask } = runRecurrence(recurrence, x!, states, context, direction);
      context.setMask(mask);
      return results;
    },
  });
}
