/**
 * An engine gives a model's memory a session and runs its programs: what `fit`, `evaluate` and `predict` are made of.
 * It lives from the first use of a model (or from `compile`) until the model is compiled again or disposed.
 */
import { GradstepError } from '../errors.js';
import { Session, type Range } from '../runtime/session.js';
import type { Compiled } from './compile_options.js';
import { Lock } from './lock.js';
import { ModelMemory } from './memory.js';
import type { Network } from './network.js';
import { buildProgram, programKey, type BatchSpec } from './programs.js';
import type { Report, ReportBlock } from './report.js';

/** What training has come to, apart from the weights: what a checkpoint restores. */
export interface TrainingState {
  readonly step: number;
  /** Epochs begun; it keys the next epoch's order of rows. */
  readonly epochs: number;
  /** Optimizer state by slot name, as blocks with the gaps of the parameter block. */
  readonly slots: Readonly<Record<string, Float32Array>>;
}

/** One stretch of an epoch or a pass: the same program a number of times. */
export interface Stretch {
  readonly entry: number;
  readonly steps: number;
  readonly rows: number;
}

export class Engine {
  /** Steps and epochs of training so far. */
  step = 0;
  epochs = 0;
  /** Held by whoever uses the report and the slots of inference. */
  readonly inference = new Lock();

  private constructor(
    readonly memory: ModelMemory,
    readonly session: Session,
    readonly seed: number,
  ) {}

  /** Opens a session and fills in weights, learning rate, counters and, where given, the state of earlier training. */
  static async open(
    network: Network,
    options: Compiled | undefined,
    device: string,
    seed: number,
    weights: Float32Array,
    earlier: TrainingState | undefined,
  ): Promise<Engine> {
    const memory = new ModelMemory(network, options);
    const session = await Session.open(device, options?.threads ?? 0, memory.layout.bytes);
    const engine = new Engine(memory, session, seed);
    try {
      await session.writeRange(memory.layout.offsetOf(memory.params.whole), weights, 'the weights');
      const { training } = memory;
      if (training) {
        const rate = new Float32Array([training.options.optimizer.learningRate]);
        await session.write(memory.layout.offsetOf(training.learningRate), rate);
        engine.step = earlier?.step ?? 0;
        engine.epochs = earlier?.epochs ?? 0;
        for (const [name, block] of training.slots) {
          const values = earlier?.slots[name];
          if (values) await session.writeRange(memory.layout.offsetOf(block.whole), values, `optimizer state ${name}`);
        }
        await session.write(training.report.range.offset, training.report.fresh(engine.step, seed));
      }
      return engine;
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  /** The parameter block. */
  async readWeights(): Promise<Float32Array> {
    return new Float32Array(await this.session.read(this.memory.rangeOf(this.memory.params.whole)));
  }

  /** Weights, optimizer state and step, all of one moment. */
  async snapshot(): Promise<{ weights: Float32Array; training: TrainingState | undefined }> {
    const { params, training, layout, snapshot } = this.memory;
    const bytes = await this.session.read(snapshot);
    const floats = ({ offset, bytes: length }: Range) => new Float32Array(bytes, offset, length / 4);
    const weights = floats(this.memory.rangeOf(params.whole));
    if (!training) return { weights, training: undefined };
    const slots = [...training.slots].map(([name, block]) => [name, floats(this.memory.rangeOf(block.whole))] as const);
    const step = new Int32Array(bytes, layout.offsetOf(training.report.state), 1)[0]!;
    return { weights, training: { step, epochs: this.epochs, slots: Object.fromEntries(slots) } };
  }

  /**
   * Calls `body` with the stretches that cover `rows` rows in batches: whole batches, then what is left. Their programs
   * are prepared and stay so meanwhile.
   */
  async withStretches<T>(
    rows: number,
    batchSize: number,
    batch: Omit<BatchSpec, 'rows'>,
    body: (stretches: readonly Stretch[]) => Promise<T>,
  ): Promise<T> {
    const sizes = [
      { rows: batchSize, steps: Math.floor(rows / batchSize) },
      { rows: rows % batchSize, steps: 1 },
    ].filter((s) => s.rows > 0 && s.steps > 0);
    const collect = async (stretches: readonly Stretch[]): Promise<T> => {
      const size = sizes[stretches.length];
      if (!size) return body(stretches);
      const spec = { ...batch, rows: size.rows };
      const build = () => buildProgram(this.memory, spec, this.session.backend);
      return this.session.withProgram(programKey(spec), build, (entry) => collect([...stretches, { ...size, entry }]));
    };
    return collect([]);
  }

  /** Runs a stretch to its end; `onReport` hears about ten times a second how far it is. ERR_ABORTED when `signal` says so. */
  async runStretch(
    { entry, steps }: Stretch,
    report: ReportBlock,
    signal: AbortSignal | undefined,
    onReport: (report: Report, stepsDone: number) => void,
  ): Promise<void> {
    for (let done = 0; done < steps;) {
      throwIfAborted(signal);
      const result = await this.session.run(entry, steps - done, report.range);
      done += result.steps;
      onReport(report.parse(result.report), done);
    }
  }

  /** Ends runs early when the signal aborts, while `body` runs. */
  async abortable<T>(signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    const stop = () => this.session.stop();
    signal?.addEventListener('abort', stop);
    try {
      return await body();
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new GradstepError('ERR_ABORTED', 'The run was aborted by its signal', { cause: signal.reason });
}
