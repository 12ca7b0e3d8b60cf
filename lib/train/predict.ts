/** Prediction: the model's outputs for each row, of arrays or of one pass of a dataset. */
import type { Dataset } from '../data/dataset.js';
import { inputShapes, rowsOf, type Samples } from '../data/samples.js';
import { Tensor } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import type { HandedOver } from '../runtime/session.js';
import type { Engine } from './engine.js';
import { Feed } from './feed.js';
import { checkFlag } from './flags.js';
import { batchOf, rewind, type SampleSlots } from './resident.js';
import { slotsOf } from './slots.js';
import { chunksOf, concatenated } from './stream.js';

type Outputs = Tensor<Float32Array>[];

interface Part {
  readonly samples: Samples;
  readonly batchSize: number;
  /** Asks for all that is to be done before the first step, but for the programs and room for the outputs. */
  begin(): Promise<HandedOver>;
  /** Called when the first step is under way. */
  onStart?(): void;
}

/** The outputs of samples that lie in the slots when `begin` has been awaited. */
async function predictPart(
  engine: Engine,
  slots: SampleSlots,
  { samples, batchSize, begin, onStart }: Part,
  signal: AbortSignal | undefined,
): Promise<Outputs> {
  const { memory, session } = engine;
  const rows = rowsOf(samples);
  const shapes = memory.network.outputsFor(inputShapes(samples)).map((output) => [rows, ...output]);
  const to = slotsOf('predict', samples.x.length, shapes.length).y;
  const batch = { kind: 'predict', purpose: 'predict', shuffled: false, ...batchOf(samples) } as const;
  const read = () =>
    Promise.all(shapes.map(async (shape, i) => new Tensor(await session.readSlot(to[i]!, sizeOf(shape)), shape)));
  return engine.withStretches(rows, Math.min(batchSize, rows), batch, async (stretches) => {
    await slots.allocate(shapes.map((shape, i) => [to[i]!, { dtype: 'float32', shape }] as const));
    const { copied } = await begin();
    const context = { what: 'predict', firstStep: 0, batchSize, labelsPerRow: 1 };
    let runs = 0;
    const running = engine.run(stretches, memory.inference, signal, (now) => {
      runs++;
      checkFlag(now.flag, context);
    });
    onStart?.();
    // One step is done when the session comes to what it is asked for next, unless others were stopped and it with them.
    const [, , early] = await Promise.all([copied, running, rows <= batchSize ? read() : undefined]);
    return runs === 1 && early ? early : read();
  });
}

async function predictResident(
  engine: Engine,
  slots: SampleSlots,
  samples: Samples,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Outputs> {
  const { memory, session, seed } = engine;
  const report = memory.inference;
  const begin = async (): Promise<HandedOver> => {
    const { copied } = await slots.fill(samples);
    return { copied: Promise.all([copied, session.write(report.range.offset, report.fresh(0, seed))]) };
  };
  return predictPart(engine, slots, { samples, batchSize, begin }, signal);
}

/** ERR_SHAPE where batches differ in more than their rows: they have no common shape. */
function checkSameRows(outputs: readonly Tensor[], name: string): void {
  const [first, ...others] = outputs.map((t) => t.shape.slice(1));
  const other = others.find((row) => !sameShape(row, first!));
  if (!other) return;
  const [one, two] = [first!, other].map((row) => formatShape([null, ...row]));
  throw new GradstepError(
    'ERR_SHAPE',
    `Expected outputs of one shape but ${name} yields ${one} and ${two}: predict batches of one size at a time`,
    { layer: name },
  );
}

async function predictStream(
  engine: Engine,
  slots: SampleSlots,
  batches: Dataset,
  read: (element: unknown) => Samples,
  signal: AbortSignal | undefined,
): Promise<Outputs> {
  const { memory, session, seed } = engine;
  const report = memory.inference;
  const feed = new Feed(chunksOf(batches, read, { signal }), slots);
  const parts: Outputs[] = [];
  try {
    await session.write(report.range.offset, report.fresh(0, seed));
    for (let chunk = await feed.take(); chunk; chunk = await feed.take()) {
      const part = { ...chunk, begin: async () => ({ copied: rewind(engine, report) }), onStart: () => feed.prepare() };
      parts.push(await predictPart(engine, slots, part, signal));
    }
  } finally {
    await feed.close();
  }
  if (parts.length === 0) throw new GradstepError('ERR_DATA', 'Expected at least one batch to predict but the dataset is empty');
  return memory.network.outputNames.map((name, i) => {
    const outputs = parts.map((p) => p[i]!);
    checkSameRows(outputs, name);
    return concatenated(outputs) as Tensor<Float32Array>;
  });
}

export function predict(
  engine: Engine,
  data: Samples | { readonly batches: Dataset; readonly read: (element: unknown) => Samples },
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Outputs> {
  const run = async (): Promise<Outputs> => {
    const slots = engine.slots('predict');
    try {
      return 'batches' in data
        ? await predictStream(engine, slots, data.batches, data.read, signal)
        : await predictResident(engine, slots, data, batchSize, signal);
    } finally {
      await slots.leave();
    }
  };
  return engine.inference.run(() => engine.abortable(signal, run), signal);
}
