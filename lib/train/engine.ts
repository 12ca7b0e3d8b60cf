/**
 * An engine gives a model's memory a session and runs its programs: what `fit`, `evaluate` and `predict` are made of.
 * It lives from the first use of a model (or from `compile`) until the model is compiled again or disposed.
 */
import { onAbort, throwIfAborted } from '../abort.js';
import type { Variable } from '../graph/graph.js';
import { blockBegins } from '../ops/clip_by_norm.js';
import { rateAt } from '../optimizers/optimizer.js';
import { Session, type Stretch } from '../runtime/session.js';
import { COURSES, courseOf, type Course } from './carried.js';
import type { Compiled } from './compile_options.js';
import { floatsOf } from './copier.js';
import { Lock } from './lock.js';
import { ACCUMULATED, ModelMemory, type Trainables } from './memory.js';
import { remaining } from './epoch_plan.js';
import type { Network } from './network.js';
import { buildProgram, programKey, type BatchSpec } from './programs.js';
import type { Report, ReportBlock } from './report.js';
import { SampleSlots } from './resident.js';
import type { Purpose } from './slots.js';
import { TrainingChoices } from './training_choices.js';
import type { DataPass, PassPart, Snapshot, TrainingState } from './training_state.js';
import { homeOf, readHeld, whileChanging, type WeightHolder, type WeightHome } from './weight_home.js';

export class Engine implements WeightHolder {
  /** Steps and epochs of training so far. */
  step = 0;
  epochs = 0;
  /** The step that the last epoch began at, and whether it is still to be ended. */
  epochStart = 0;
  updatesBefore = 0;
  unfinished = false;
  /** The pass over the data that goes on; absent where the next step begins one. */
  pass: DataPass | undefined;
  /** No pass from this number on was begun. */
  private passes = 0;
  /** Whether gradients of several batches are being added up. */
  accumulates = false;
  learningRate = 0;
  /** Whether its weights are about to be taken over by another: whoever comes now needs that one. */
  isRetiring = false;
  /** Held by whoever uses the report and the slots of inference. */
  readonly inference = new Lock();
  private readonly slotsByPurpose = new Map<Purpose, SampleSlots>();
  private readonly homes: readonly WeightHome[];
  /** Version of each weight's numbers in this engine's memory. */
  private readonly seen: number[];
  private syncing: Promise<void> | undefined;

  private constructor(
    readonly memory: ModelMemory,
    readonly session: Session,
    readonly seed: number,
    private readonly choices: TrainingChoices,
  ) {
    this.homes = memory.network.weights.map(homeOf);
    this.seen = this.homes.map(() => -1);
  }

  /**
   * Opens a session and fills in learning rate, counters and, where given, the state of earlier training. First values of weights
   * are made while `isWanted` says so.
   */
  static async open(
    network: Network,
    options: Compiled | undefined,
    device: string,
    seed: number,
    earlier: TrainingState | undefined,
    trainables: Trainables,
    isWanted: () => boolean,
  ): Promise<Engine> {
    const memory = new ModelMemory(network, options, trainables);
    for (const [path, { shape }] of earlier?.carried ?? []) memory.carried.variableOf('train', path, shape);
    const session = await Session.open(device, options?.threads ?? 0, memory.layout.bytes, options?.deterministic);
    const engine = new Engine(memory, session, seed, new TrainingChoices(session, earlier?.choices));
    try {
      await engine.choices.recall();
      await engine.sync(isWanted);
      const { training } = memory;
      if (training) {
        await engine.setLearningRate(earlier?.learningRate ?? rateAt(training.options.optimizer.learningRate, 0));
        engine.step = earlier?.step ?? 0;
        engine.epochs = earlier?.epochs ?? 0;
        engine.epochStart = earlier?.unfinished?.epochStart ?? engine.step;
        engine.updatesBefore = earlier?.unfinished?.updatesBefore ?? 0;
        engine.unfinished = earlier?.unfinished !== undefined;
        engine.pass = earlier?.pass;
        engine.passes = earlier?.pass ? earlier.pass.key + 1 : 0;
        engine.accumulates = [...(earlier?.slots.keys() ?? [])].some((name) => name.startsWith(`${ACCUMULATED}/`));
        await engine.restoreKept(earlier);
        await engine.restoreCarried(earlier);
        const { begins, grads } = training;
        if (begins) await session.write(memory.layout.offsetOf(begins), blockBegins(grads.offsets));
        const report = earlier?.unfinished?.report ?? training.report.fresh(engine.step, seed);
        await session.write(training.report.range.offset, report);
      }
      return engine;
    } catch (error) {
      await engine.retire();
      throw error;
    }
  }

  /** Fetches the weights that others changed, or are changing; the engine then has the newest of all. */
  async sync(isWanted?: () => boolean): Promise<void> {
    this.homes.forEach((home, i) => {
      if (home.isChanging(this) && !home.isHeldBy(this)) this.seen[i] = -1;
    });
    while (this.homes.some((home, i) => home.version !== this.seen[i])) {
      await (this.syncing ??= this.fetch(isWanted).finally(() => (this.syncing = undefined)));
    }
  }

  private async fetch(isWanted?: () => boolean): Promise<void> {
    const missing = this.homes.flatMap((home, i) => (home.version === this.seen[i] ? [] : [{ home, i, version: home.version }]));
    const held = await readHeld(missing.map(({ home }) => home));
    const { network, trained, training, layout } = this.memory;
    for (const { home, i, version } of missing) {
      const values = held.get(home) ?? (await home.read(isWanted));
      const weight = network.weights[i]!;
      await this.session.writeRange(this.memory.placeOf(home).offset, values, weight.name);
      // Until the first step a moving average is at the weights.
      const average = this.step === 0 && training?.ema?.members[trained.indexOf(weight)];
      if (average) await this.session.writeRange(layout.offsetOf(average), values, weight.name);
      if (home.version !== version) continue;
      this.seen[i] = version;
      // The host's copy is not needed any more; another engine's may change while it trains.
      if (home.isOnHost) home.take(this, false);
    }
  }

  /**
   * Trains: the weights change here while `body` runs, and other models fetch them before they run. ERR_BUSY when weights
   * that would change are being changed elsewhere.
   */
  async whileTraining<T>(what: string, body: () => Promise<T>): Promise<T> {
    const { network, trained } = this.memory;
    const changed = network.weights.filter((w) => w.trainable === false || trained.includes(w)).map(homeOf);
    return whileChanging(changed, this, what, async () => {
      this.claim(changed);
      try {
        return await body();
      } finally {
        // Disposed meanwhile, it has left them on the host.
        this.claim(changed.filter((home) => home.isHeldBy(this)));
      }
    });
  }

  /** Says that this engine has new numbers for these weights. */
  private claim(changed: readonly WeightHome[]): void {
    for (const home of changed) {
      home.take(this, true);
      this.seen[this.homes.indexOf(home)] = home.version;
    }
  }

  /** Replaces weights, in the network's order. */
  async writeWeights(values: readonly Float32Array[]): Promise<void> {
    for (const [i, { name }] of this.memory.network.weights.entries()) {
      await this.session.writeRange(this.memory.placeOf(this.homes[i]!).offset, values[i]!, name);
    }
    this.claim(this.homes);
  }

  async setLearningRate(rate: number): Promise<void> {
    const { learningRate } = this.memory.training!;
    this.learningRate = rate;
    await this.session.write(this.memory.layout.offsetOf(learningRate), new Float32Array([rate]));
  }

  /** Drops what an earlier run has left of gradients, which steps that accumulate would add to. */
  async clearGradients(): Promise<void> {
    const { grads } = this.memory.training!;
    const { offset, bytes } = this.memory.rangeOf(grads.whole);
    await this.session.writeRange(offset, new Float32Array(bytes / 4), 'the gradients');
  }

  beginEpoch(updates: number): void {
    this.epochs++;
    this.epochStart = this.step;
    this.updatesBefore = updates;
    this.unfinished = true;
  }

  /** The pass that goes on, or a new one, and where the part of it began that lies in this epoch. */
  async inPass(): Promise<PassPart> {
    const { epochStart, updatesBefore } = this;
    if (!this.pass) {
      const updates = this.step === epochStart ? updatesBefore : this.accumulates ? await this.readUpdates() : 0;
      // Where each epoch is a pass they have the same numbers.
      const key = Math.max(this.epochs - 1, this.passes);
      this.passes = key + 1;
      this.pass = { key, start: this.step, updates };
    }
    const { pass } = this;
    return pass.start > epochStart
      ? { pass, step: pass.start, updates: pass.updates }
      : { pass, step: epochStart, updates: updatesBefore };
  }

  endEpoch(): void {
    this.unfinished = false;
  }

  async readWeight(home: WeightHome): Promise<Float32Array> {
    return new Float32Array(await this.session.read(this.memory.placeOf(home)));
  }

  /** Weights, optimizer state and step, all of one moment; or weights alone. */
  async snapshot(isWhole = true): Promise<Snapshot> {
    await this.sync();
    const { training, layout, snapshot } = this.memory;
    const carriedOver = this.memory.carried.of('train');
    // All of one moment is one read, and what was counted when it was asked for.
    const { epochs, learningRate, epochStart, updatesBefore, unfinished: isUnfinished, accumulates, pass } = this;
    const ends = carriedOver.map(({ variable }) => this.memory.rangeOf(variable)).map((r) => r.offset + r.bytes);
    const { memory } = this;
    const whole = { offset: 0, bytes: Math.max(snapshot.bytes, ...ends) };
    const bytes = await this.session.read(isWhole ? whole : memory.weights);
    const places = this.homes.map((home) => memory.placeOf(home));
    const weights = await floatsOf(bytes, places);
    if (!training || !isWhole) return { weights, training: undefined };
    const rangesOf = (variables: readonly Variable[]) => variables.map((v) => memory.rangeOf(v));
    const copies = (variables: readonly Variable[]) => floatsOf(bytes, rangesOf(variables));
    const slots = new Map<string, Float32Array>();
    for (const [slot, block] of training.kept) {
      if (slot === ACCUMULATED && !(isUnfinished && accumulates)) continue;
      const values = await copies(block.members.slice(0, memory.trained.length));
      memory.trained.forEach(({ name }, i) => slots.set(`${slot}/${name}`, values[i]!));
    }
    const states = await copies(carriedOver.map(({ variable }) => variable));
    const carried = new Map(carriedOver.map(({ path, variable }, i) => [path, { shape: variable.shape, data: states[i]! }]));
    const { range: reported, state } = training.report;
    const first = (v: Variable) => new Int32Array(bytes, layout.offsetOf(v), 1)[0]!;
    const report = new Uint8Array(bytes.slice(reported.offset, reported.offset + reported.bytes));
    const unfinished = isUnfinished ? { unfinished: { epochStart, updatesBefore, report } } : {};
    const updates = first(training.updates);
    const choices = await this.choices.current();
    const kept = { slots, ...(pass && { pass }), ...(carried.size > 0 && { carried }), ...(choices && { choices }) };
    return { weights, training: { step: first(state), updates, epochs, learningRate, ...kept, ...unfinished } };
  }

  /** Updates of the parameters so far. */
  async readUpdates(): Promise<number> {
    const { updates } = this.memory.training!;
    return new Int32Array(await this.session.read(this.memory.rangeOf(updates)))[0]!;
  }

  /** Fills in what earlier training left for each weight; moving averages otherwise begin at the weights. */
  private async restoreKept(earlier: TrainingState | undefined): Promise<void> {
    const { memory, session } = this;
    const { kept, ema, updates } = memory.training!;
    for (const [slot, block] of kept) {
      for (const [i, weight] of memory.trained.entries()) {
        const values = earlier?.slots.get(`${slot}/${weight.name}`) ?? (block === ema ? await homeOf(weight).read() : undefined);
        if (values) await session.writeRange(memory.layout.offsetOf(block.members[i]!), values, `${slot} of ${weight.name}`);
      }
    }
    const count = new Int32Array([earlier?.updates ?? 0, 0, 0, 0]);
    await session.write(memory.layout.offsetOf(updates), count);
  }

  /** Fills in what earlier training carries over. */
  private async restoreCarried(earlier: TrainingState | undefined): Promise<void> {
    const { memory, session } = this;
    for (const [path, { shape, data }] of earlier?.carried ?? []) {
      memory.carried.admit('train', [shape[0]!]);
      const variable = memory.carried.variableOf('train', path, shape);
      await session.writeRange(memory.layout.offsetOf(variable), data, path);
    }
  }

  /** Begins a course, or all, of a stateful model anew: with zeros, and any number of rows. */
  async resetStates(courses: readonly Course[] = COURSES): Promise<void> {
    await this.zero(courses.flatMap((course) => this.memory.carried.release(course)));
  }

  private async zero(variables: readonly Variable[]): Promise<void> {
    for (const variable of variables) {
      const { offset, bytes } = this.memory.rangeOf(variable);
      await this.session.writeRange(offset, new Float32Array(bytes / 4), variable.name);
    }
  }

  /** ERR_SHAPE unless what is carried over fits the rows of these batches; a course's first ones begin with zeros. */
  private async admit(batches: readonly BatchSpec[]): Promise<void> {
    for (const course of COURSES) {
      const those = batches.filter(({ kind, purpose }) => kind !== 'update' && courseOf(purpose) === course);
      const rows = those.map((b) => b.rows);
      if (rows.length > 0) await this.zero(this.memory.carried.admit(course, rows));
    }
  }

  /** The parameters become their moving average, as Keras does it at the end of training. */
  async adoptAverage(): Promise<void> {
    const { session, memory } = this;
    const { ema } = memory.training!;
    if (!ema) return;
    const average = new Float32Array(await session.read(memory.rangeOf(ema.whole)));
    await session.writeRange(memory.layout.offsetOf(memory.params.whole), average, 'the moving average');
  }

  /** Brings weights that only this engine has back to the host, then gives its memory back. */
  async retire(): Promise<void> {
    const held = this.homes.filter((home) => home.isHeldBy(this));
    try {
      const values = await Promise.all(held.map((home) => this.readWeight(home)));
      held.forEach((home, i) => home.isHeldBy(this) && home.keep(values[i]!));
    } finally {
      await this.session.dispose();
    }
  }

  /** The slots of a purpose: for whoever trains, or holds the lock of inference. */
  slots(purpose: Purpose): SampleSlots {
    let slots = this.slotsByPurpose.get(purpose);
    if (!slots) this.slotsByPurpose.set(purpose, (slots = new SampleSlots(this.session, purpose)));
    return slots;
  }

  /** Calls `body` with the entries of programs; they are prepared and stay so meanwhile. */
  async withPrograms<T>(batches: readonly BatchSpec[], body: (entries: readonly number[]) => Promise<T>): Promise<T> {
    const { isStateful } = this.memory.network;
    const collect = async (entries: readonly number[]): Promise<T> => {
      const spec = batches[entries.length];
      if (!spec) {
        await this.choices.compare();
        if (isStateful) await this.admit(batches);
        return body(entries);
      }
      const build = () => {
        if (spec.purpose === 'train') this.choices.expectProgram();
        return buildProgram(this.memory, spec, this.session.backend);
      };
      return this.session.withProgram(programKey(spec), build, (entry) => collect([...entries, entry]));
    };
    return collect([]);
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
    return this.withPrograms(
      sizes.map((s) => ({ ...batch, rows: s.rows })),
      (entries) => body(sizes.map(({ steps }, i) => ({ entry: entries[i]!, steps }))),
    );
  }

  /**
   * Runs stretches one after the other; `onReport` hears about ten times a second how far they are, and is waited for.
   * ERR_ABORTED when `signal` says so; what is left is not run when `isStopped` does.
   */
  async run(
    stretches: readonly Stretch[],
    report: ReportBlock,
    signal: AbortSignal | undefined,
    onReport: (report: Report, stepsDone: number) => void | Promise<void>,
    isStopped: () => boolean = () => false,
  ): Promise<void> {
    let left = stretches;
    for (let done = 0; left.length > 0 && !isStopped();) {
      throwIfAborted(signal);
      const result = await this.session.run(left, report.range);
      done += result.steps;
      left = remaining(left, result.steps);
      await onReport(report.parse(result.report), done);
    }
  }

  /** Ends runs early when the signal aborts, while `body` runs. */
  async abortable<T>(signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    const endWait = onAbort(signal, () => this.session.stop());
    try {
      return await body();
    } finally {
      endWait();
    }
  }
}
