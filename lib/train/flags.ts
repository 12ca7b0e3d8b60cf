/** What an error flag left by a run means to the caller. */
import { GradstepError } from '../errors.js';
import { placeOf } from '../graph/places.js';
import type { ModelMemory } from './memory.js';
import type { PlacedWeight } from './network.js';
import { FLAG, type Flag } from './report.js';

export interface FlagContext {
  /** What ran: `fit`, `evaluate`. */
  readonly what: string;
  /** Step counter at the beginning of the pass. */
  readonly firstStep: number;
  /** Rows of a step; 0 where it has no batch. */
  readonly batchSize: number;
  /** A step, and the row that it begins with. Default: the first step, and the first row. */
  readonly place?: { readonly step: number; readonly row: number };
  /** Labels in each row; absent where those of several shapes may be compared. */
  readonly labelsPerRow?: number;
  /** Order in which rows were visited; as they lie when absent. */
  readonly order?: Int32Array;
  /** What was trained. */
  readonly memory?: ModelMemory;
}

/** Bits of a flag's code that tell what happened; those above them tell the place. */
const CODE_BITS = 8;

/** The weight whose gradient was not finite, the last in the network that was concerned: the way back came there first. */
function faultyWeight(memory: ModelMemory, position: number): PlacedWeight | undefined {
  // A norm of all gradients that is not finite spoils them all.
  if (memory.training!.options.optimizer.common.globalClipNorm !== undefined) return undefined;
  return memory.trainedAt(position);
}

/** What labels should have been, by the losses and metrics that compare them, and what one was instead. */
function expectedLabels(value: number, memory: ModelMemory | undefined): string {
  const compared = memory?.training?.options.compared ?? [];
  const ofNumbers = compared
    .filter(({ loss }) => loss!.labels === 'float32')
    .flatMap((o) => [...o.metrics, ...o.weightedMetrics]);
  const shares = ofNumbers.filter(({ labelRange }) => labelRange === 'shares').map(({ name }) => name);
  const metrics = `the metric${shares.length === 1 ? '' : 's'} ${shares.join(', ')}`;
  const haveClasses = compared.some(({ loss }) => loss!.labels === 'int32') || ofNumbers.some((m) => m.labelRange === 'classes');
  const classes = 'from 0 to the number of classes - 1';
  if (shares.length === 0) return `${classes} but received ${value}`;
  // The flag tells a label without its fraction.
  const received = value === 0 ? 'one below 0' : value === 1 ? 'one above 1' : value;
  return `${haveClasses ? `${classes}, or ` : ''}from 0 to 1 for ${metrics} but received ${received}`;
}

/** Throws the error that a flag stands for. */
export function checkFlag(
  flag: Flag,
  { what, firstStep, batchSize, place: from = { step: firstStep, row: 0 }, labelsPerRow, order, memory }: FlagContext,
): void {
  if (flag.code === FLAG.none) return;
  const step = flag.step - firstStep;
  const rowOf = (row: number): number => {
    const visited = from.row + (flag.step - from.step) * batchSize + row;
    return order?.[visited] ?? visited;
  };
  if (flag.code === FLAG.labelRange) {
    const place =
      labelsPerRow === undefined ? `as label ${flag.index}` : `in row ${rowOf(Math.floor(flag.index / labelsPerRow))} of y`;
    throw new GradstepError('ERR_LABEL_RANGE', `Expected labels ${expectedLabels(flag.value, memory)} ${place}`);
  }
  const [kind, place] = [flag.code & ((1 << CODE_BITS) - 1), flag.code >>> CODE_BITS];
  if (kind === FLAG.indexRange) {
    const { layer = '', expected, of } = placeOf(place) ?? { expected: 'indices of the table' };
    const inStep = batchSize === 0 ? '' : ` in step ${step} of the pass (${what})`;
    const where = {
      x: () => `in row ${rowOf(flag.index)} of x`,
      batch: () => `in row ${rowOf(flag.index)} of the data`,
      indices: () => `in row ${flag.index} of the indices${inStep}`,
    }[of ?? 'x']();
    throw new GradstepError(
      'ERR_INDEX_RANGE',
      `Expected ${expected} but received ${flag.value} ${where}${layer === '' ? '' : ` (in ${layer})`}`,
      layer === '' ? {} : { layer },
    );
  }
  if (flag.code === FLAG.notFinite) {
    throw new GradstepError(
      'ERR_NAN',
      `The loss became NaN or infinite in step ${step} of the pass (${what}): lower the learning rate, check the data, or compile with onNaN: "continue"`,
    );
  }
  if (flag.code === FLAG.gradient) {
    const weight = memory && faultyWeight(memory, flag.index);
    throw new GradstepError(
      'ERR_NAN',
      `The gradient${weight ? ` of ${weight.name}` : ''} became NaN or infinite in step ${step} of the pass (${what}), the loss did not: lower the learning rate, look for an infinite derivative in the loss, or compile with onNaN: "continue"`,
    );
  }
  if (kind === FLAG.metricRange) {
    const { expected } = placeOf(place) ?? { expected: "outputs in a metric's range" };
    throw new GradstepError('ERR_OPTION', `Expected ${expected} but received others in step ${step} of the pass (${what})`);
  }
  throw new GradstepError('ERR_INTERNAL', `A row outside the data was visited (${what}): flag ${flag.code}, row ${flag.index}`);
}
