/**
 * The training loop: epochs of steps that run in native code, which comes back about ten times a second to report.
 */
import { labelsPerRow } from '../data/samples.js';
import type { Callback, TrainingContext } from './callback.js';
import { CallbackList } from './callback_list.js';
import { Clock } from './clock.js';
import { Watch } from './diagnostics/watch.js';
import type { Engine } from './engine.js';
import { remaining } from './epoch_plan.js';
import type { Done, EpochSource, Piece, PlacedStretch } from './epoch_source.js';
import { checkFlag } from './flags.js';
import { logsOf, type History, type Logs, type Progress } from './history.js';
import { readLearningRate, settableRate } from './learning_rate.js';
import type { Model } from './model.js';
import type { Report } from './report.js';
import { weightValues } from './weights.js';

/** Least milliseconds between two calls of the option onProgress. */
const PROGRESS_MS = 100;

export interface FitRun {
  readonly model: Model;
  readonly source: EpochSource;
  /** Loss and metrics of validation data, if there are any. */
  readonly validate: (() => Promise<Logs>) | undefined;
  /** Epochs between two validations. */
  readonly validationFreq: number;
  /** The first epoch's number, and the number after the last. */
  readonly initialEpoch: number;
  readonly epochs: number;
  /** Goes on where training stopped, in the middle of an epoch if it stopped there. */
  readonly resume: boolean;
  /** Steps between two calls of onBatchEnd. */
  readonly stepsPerExecution: number;
  readonly callbacks: readonly Callback[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => unknown) | undefined;
}

export async function fit(engine: Engine, run: FitRun): Promise<History> {
  engine.accumulates = run.source.accumulates;
  return engine.whileTraining('fit', () =>
    engine.abortable(run.signal, () => run.source.whileOpen(() => new Training(engine, run).run())),
  );
}

/** One call of `fit`, with its data in place. */
class Training {
  /** By names that may be those of members of every object, as `constructor`. */
  private readonly history = new Map<string, number[]>([
    ['epoch', []],
    ['loss', []],
  ]);
  private readonly callbacks: CallbackList;
  private readonly watch: Watch | undefined;
  private readonly first: number;
  private clock: Clock | undefined;
  private lastProgress = -Infinity;
  /** What the option onProgress has not heard. */
  private untold: Progress | undefined;
  private isResumed = false;
  private stopped = false;
  /** Whether the piece that ran last was not run to its end. */
  private isCut = false;

  constructor(
    private readonly engine: Engine,
    private readonly given: FitRun,
  ) {
    this.first = given.resume ? engine.epochs - (engine.unfinished ? 1 : 0) : given.initialEpoch;
    this.watch = Watch.of(engine, given.callbacks);
    this.callbacks = new CallbackList(given.callbacks, given.stepsPerExecution, this.context());
  }

  private context(): TrainingContext {
    const { engine, given } = this;
    const compiled = engine.memory.training!.options;
    const isResumed = () => this.isResumed;
    return {
      model: given.model,
      epochs: given.epochs,
      steps: given.source.steps,
      validates: given.validate !== undefined,
      hasSchedule: typeof compiled.optimizer.learningRate !== 'number',
      get totalSteps() {
        return engine.step;
      },
      get isResumed() {
        return isResumed();
      },
      stop: () => {
        this.stopped = true;
        given.source.stop();
        engine.session.stop();
      },
      readLearningRate: () => readLearningRate(engine),
      setLearningRate: async (value) => engine.setLearningRate(settableRate(compiled, value)),
      snapshot: () => engine.snapshot(),
      restoreWeights: async (weights) => engine.writeWeights(weightValues(engine.memory.network.weights, weights)),
    };
  }

  async run(): Promise<History> {
    const { engine, callbacks } = this;
    try {
      await callbacks.trainBegin();
      const logs = await this.epochs();
      if (this.untold) await this.given.onProgress?.(this.untold);
      // An epoch that was not finished may go on, from the weights as they are.
      if (!engine.unfinished) await engine.adoptAverage();
      await callbacks.trainEnd(logs);
      return Object.fromEntries(this.history) as History;
    } catch (error) {
      await callbacks.trainError(error);
      throw error;
    }
  }

  /** All epochs; returns the logs of the last. */
  private async epochs(): Promise<Logs> {
    const { engine, given, callbacks, first } = this;
    let logs: Logs = { loss: NaN };
    for (let epoch = first; epoch < given.epochs && !this.stopped; epoch++) {
      this.isResumed = given.resume && epoch === first && engine.unfinished;
      if (epoch === first && !this.isResumed && engine.accumulates) await engine.clearGradients();
      await callbacks.epochBegin(epoch);
      if (this.stopped) break;
      logs = await this.epoch(epoch);
      const isDue = (epoch + 1) % given.validationFreq === 0;
      if (given.validate && isDue && !engine.unfinished) {
        for (const [name, value] of Object.entries(await given.validate())) logs[`val_${name}`] = value;
      }
      await callbacks.epochEnd(epoch, logs);
      for (const [name, value] of [['epoch', epoch] as const, ...Object.entries(logs)]) {
        const values = this.history.get(name);
        if (values) values.push(value);
        else this.history.set(name, [value]);
      }
    }
    return logs;
  }

  /** What was done of the part of a pass that goes on, and the logs of its epoch. */
  private async doneSoFar(): Promise<{ done: Done; logs: Logs }> {
    const { engine } = this;
    const { report, options } = engine.memory.training!;
    const { step, cursor, values } = report.parse(await engine.session.read(report.range));
    const part = await engine.inPass();
    const updates = (await engine.readUpdates()) - part.updates;
    return { done: { steps: step - part.step, rows: cursor, updates }, logs: logsOf(values, options.totals) };
  }

  /** One epoch, or what is left of it. */
  private async epoch(epoch: number): Promise<Logs> {
    const { engine, given, isResumed, first } = this;
    const { report } = engine.memory.training!;
    const earlier = isResumed ? await this.doneSoFar() : undefined;
    if (!isResumed) {
      if (!given.source.goesOn || (epoch === first && !given.resume)) engine.pass = undefined;
      engine.beginEpoch(engine.accumulates ? await engine.readUpdates() : 0);
      await engine.session.write(report.range.offset, report.fresh(engine.step, engine.seed));
    }
    const { epochs, source } = given;
    this.clock ??= new Clock({ first, stepsBefore: engine.step - engine.epochStart, epochs, steps: source.steps });
    let logs: Logs = earlier?.logs ?? { loss: NaN };
    const ended = await source.epoch(earlier?.done, epoch === epochs - 1, async (piece) => {
      logs = await this.piece(epoch, piece, logs);
      return !this.stopped;
    });
    await this.callbacks.batchesEnd(engine.step - engine.epochStart - 1, logs);
    if (ended || (!this.isCut && engine.step - engine.epochStart === source.steps)) engine.endEpoch();
    return logs;
  }

  /** Runs a piece of an epoch; returns the logs so far. */
  private async piece(epoch: number, piece: Piece, before: Logs): Promise<Logs> {
    const { engine, given, callbacks, watch } = this;
    const { memory } = engine;
    const { report, options } = memory.training!;
    const { batchSize, order } = piece;
    const labels = labelsPerRow(piece.samples);
    const place = { step: engine.step, row: piece.firstRow };
    const flags = { what: 'fit', firstStep: engine.pass!.start, batchSize, place, labelsPerRow: labels, order, memory };
    let logs = before;
    const hear = (now: Report): Promise<void> => {
      engine.step = now.step;
      checkFlag(now.flag, flags);
      logs = logsOf(now.values, options.totals);
      return this.tell(this.clock!.progress(epoch, piece.rowsBefore + now.cursor, now.step - engine.epochStart, logs));
    };
    let left: readonly PlacedStretch[] = piece.stretches;
    let isFirst = true;
    await watch?.begin();
    while (left.length > 0 && !this.stopped) {
      const { now: free, diagnosed } = watch?.next(left) ?? { now: left, diagnosed: false };
      // An update that an earlier run did not come to belongs to a batch that was heard of then.
      const now = isUpdate(left[0]) ? free.slice(0, 1) : take(free, callbacks.stepsTillHeard());
      if (!isUpdate(left[0])) await callbacks.batchBegin(engine.step - engine.epochStart);
      if (this.stopped) break;
      let ran = 0;
      const onReport = (found: Report, soFar: number): Promise<void> => {
        ran = soFar;
        return hear(found);
      };
      const running = diagnosed
        ? watch!.diagnose(now[0]!, given.signal, onReport)
        : engine.run(now, report, given.signal, onReport, () => this.stopped);
      if (isFirst) piece.onStart();
      isFirst = false;
      await (watch ? watch.explained(piece, running) : running);
      left = remaining(left, ran);
      // A batch has ended when the update that it leads to is made.
      if (ran > 0 && !isUpdate(left[0])) await callbacks.batchEnd(engine.step - engine.epochStart - 1, logs);
    }
    this.isCut = left.length > 0;
    return logs;
  }

  /** Tells callbacks how far training is, and the option onProgress not more often than ten times a second and at the very end. */
  private async tell(progress: Progress): Promise<void> {
    const { onProgress, epochs } = this.given;
    await this.callbacks.progress(progress);
    const now = performance.now();
    const isEnd = progress.epoch === epochs - 1 && progress.step === progress.steps;
    const isDue = isEnd || now - this.lastProgress >= PROGRESS_MS;
    this.untold = isDue ? undefined : progress;
    if (!isDue) return;
    this.lastProgress = now;
    await onProgress?.(progress);
  }
}

function isUpdate(stretch: PlacedStretch | undefined): boolean {
  return stretch?.spec.kind === 'update';
}

/** The first steps of stretches, with the update that the last of them leads to: it is no step of its own. */
function take(stretches: readonly PlacedStretch[], steps: number): readonly PlacedStretch[] {
  const taken: PlacedStretch[] = [];
  let left = steps;
  for (const stretch of stretches) {
    const now = isUpdate(stretch) ? stretch.steps : Math.min(left, stretch.steps);
    if (now === 0) break;
    taken.push({ ...stretch, steps: now });
    if (!isUpdate(stretch)) left -= now;
    if (now < stretch.steps) break;
  }
  return taken;
}
