/**
 * A batch on a copy of a model's memory, to be run over and over. The copy has a session of its own, so the model itself is
 * not touched; its learning rate is 0, so that its numbers stay what they are however often it trains.
 */
import type { NativeChoices } from '../../../binding.js';
import type { Program } from '../../compile/program.js';
import { inputShapes, labelsPerRow, rowsOf, type Samples } from '../../data/samples.js';
import { Tensor } from '../../data/tensor.js';
import type { Session } from '../../runtime/session.js';
import type { Engine } from '../engine.js';
import { checkFlag } from '../flags.js';
import { ModelMemory } from '../memory.js';
import { buildProgram } from '../programs.js';
import type { ReportBlock } from '../report.js';
import { batchOf, SampleSlots } from '../resident.js';
import { slotsOf } from '../slots.js';

/** Steps between two resets of the row cursor: so many times is the batch in the order of rows. */
const CHUNK = 16;

/** A model's memory at one moment. */
export interface Copy {
  readonly memory: ModelMemory;
  readonly bytes: ArrayBuffer;
  readonly step: number;
  readonly seed: number;
  readonly device: string;
  /** What the model's programs chose by measuring: the copy's are to run as they do. */
  readonly choices: NativeChoices;
}

export async function copyOf({ memory: { network, training, trainables }, session, step, seed }: Engine): Promise<Copy> {
  const memory = new ModelMemory(network, training?.options, trainables);
  const bytes = await session.read({ offset: 0, bytes: memory.layout.bytes });
  if (training) new Float32Array(bytes, memory.layout.offsetOf(memory.training!.learningRate), 1)[0] = 0;
  return { memory, bytes, step, seed, device: session.device, choices: await session.choices() };
}

export class TimedBatch {
  private constructor(
    private readonly session: Session,
    private readonly copy: Copy,
    private readonly entry: number,
    readonly program: Program,
    private readonly kind: 'train' | 'predict',
    private readonly order: Int32Array,
    private readonly labelsPerRow: number,
  ) {}

  static async open(session: Session, copy: Copy, samples: Samples, kind: 'train' | 'predict'): Promise<TimedBatch> {
    const { memory, bytes } = copy;
    await session.recallChoices(copy.choices);
    await session.writeRange(0, new Uint8Array(bytes), 'the model');
    const rows = rowsOf(samples);
    const order = Int32Array.from({ length: CHUNK * rows }, (_, i) => i % rows);
    const { copied } = await new SampleSlots(session, kind).fill(samples);
    await copied;
    const outputs = memory.network.outputsFor(inputShapes(samples));
    const { y, index } = slotsOf(kind, samples.x.length, kind === 'train' ? samples.y.length : outputs.length);
    const ordered = new Tensor(order, [order.length]);
    await session.allocateSlot(index, ordered);
    await session.writeSlot(index, ordered, 'the order of rows');
    if (kind === 'predict') {
      const shapes = outputs.map((output) => [order.length, ...output]);
      await Promise.all(shapes.map((shape, i) => session.allocateSlot(y[i]!, { dtype: 'float32', shape })));
    }
    const batch = { kind, purpose: kind, rows, shuffled: true, ...batchOf(samples) } as const;
    const program = buildProgram(memory, batch, session.backend);
    return new TimedBatch(session, copy, await session.loadProgram(program), program, kind, order, labelsPerRow(samples));
  }

  private get report(): ReportBlock {
    const { memory } = this.copy;
    return this.kind === 'train' ? memory.training!.report : memory.inference;
  }

  /** The next step reads the batch's first row, and no flag is set. */
  private reset(): Promise<void> {
    return this.session.write(this.report.range.offset, this.report.fresh(this.copy.step, this.copy.seed));
  }

  private check(report: ArrayBuffer): void {
    const { copy, order, labelsPerRow } = this;
    const batchSize = order.length / CHUNK;
    const context = { what: 'profile', firstStep: copy.step, batchSize, labelsPerRow, order, memory: copy.memory };
    checkFlag(this.report.parse(report).flag, context);
  }

  /** Runs at most CHUNK steps; how many, and the seconds that one took. */
  async run(steps: number): Promise<{ steps: number; seconds: number }> {
    await this.reset();
    const stretch = { entry: this.entry, steps: Math.min(CHUNK, steps) };
    const result = await this.session.run([stretch], this.report.range);
    this.check(result.report);
    return { steps: result.steps, seconds: result.seconds / result.steps };
  }

  /** Runs at most CHUNK steps; the seconds that each instruction took in each step. */
  async time(steps: number): Promise<number[][]> {
    await this.reset();
    const moments = await this.session.profile({ entry: this.entry, steps: Math.min(CHUNK, steps) });
    this.check(await this.session.read(this.report.range));
    const marks = this.program.instructions.length + 1;
    return Array.from({ length: moments.length / marks }, (_, step) =>
      this.program.instructions.map((_i, at) => moments[step * marks + at + 1]! - moments[step * marks + at]!),
    );
  }
}
