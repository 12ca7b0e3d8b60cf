/**
 * What a model keeps in its session's persistent region, in this order: parameters that training changes, other weights,
 * optimizer slots, gradients, the count of updates and the training report (together: what a checkpoint holds, one read),
 * learning rate, the report of inference. Without compile options there are only weights and the report of inference.
 */
import type { Variable } from '../graph/graph.js';
import { Layout, type Block } from '../runtime/layout.js';
import type { Range } from '../runtime/session.js';
import { CarriedMemory } from './carried.js';
import { totalsOf, type Compiled } from './compile_options.js';
import { ReadingMemory } from './diagnostics/readings.js';
import type { Network, PlacedWeight } from './network.js';
import { ReportBlock } from './report.js';
import { homeOf, type WeightHome } from './weight_home.js';

/** What gradients are saved under in the middle of an update's batches. */
export const ACCUMULATED = 'accumulated';

/** What may be trained. */
export interface Trainables {
  readonly isTrained: (weight: PlacedWeight) => boolean;
  /** Whether layers that a weight belongs to, or the model as a whole, are frozen: they leave their statistics as they are. */
  readonly isFrozen: (weight: PlacedWeight) => boolean;
}

/** Parameters that lie side by side and learn at the same rate. */
export interface ParameterGroup {
  /** What the learning rate is multiplied by. */
  readonly multiplier: number;
  /** Position of its first element in the parameter block. */
  readonly first: number;
  readonly params: Variable;
  readonly grads: Variable;
  readonly slots: ReadonlyMap<string, Variable>;
}

/** What only a compiled model has. */
export interface TrainingMemory {
  readonly options: Compiled;
  /** Optimizer state by slot name. */
  readonly slots: ReadonlyMap<string, Block>;
  readonly report: ReportBlock;
  readonly learningRate: Variable;
  readonly grads: Block;
  readonly groups: readonly ParameterGroup[];
  /** The moving average of the parameters, where the optimizer keeps one. */
  readonly ema: Block | undefined;
  /** Updates of the parameters so far, int32 [4] of which the first counts: steps that only add up gradients are none. */
  readonly updates: Variable;
  /** Where each gradient begins in its block, for clipping one by one. */
  readonly begins: Variable | undefined;
  /** Everything that has a tensor for each trained weight, by the name it is saved under. */
  readonly kept: ReadonlyMap<string, Block>;
}

export class ModelMemory {
  readonly layout = new Layout();
  /** Weights that training changes, in the order of their block: by the multiplier of their rate, then as in the network. */
  readonly trained: readonly PlacedWeight[];
  readonly params: Block;
  /** The other weights. */
  readonly others: Block;
  readonly training: TrainingMemory | undefined;
  readonly inference: ReportBlock;
  /** What diagnosed steps leave; it takes memory when there is one. */
  readonly readings: ReadingMemory;
  /** What stateful layers carry from batch to batch; it takes memory when there is a batch. */
  readonly carried: CarriedMemory;
  /** All weights, which lie in front. */
  readonly weights: Range;
  /** Everything that a checkpoint holds. */
  readonly snapshot: Range;
  private readonly places: ReadonlyMap<WeightHome, Variable>;

  constructor(
    readonly network: Network,
    options: Compiled | undefined,
    readonly trainables: Trainables,
  ) {
    const { weights } = network;
    const { isTrained } = trainables;
    this.trained = weights.filter(isTrained).sort((a, b) => a.learningRateMultiplier - b.learningRateMultiplier);
    const others = weights.filter((w) => !isTrained(w));
    this.params = this.layout.block('params', this.trained);
    this.others = this.layout.block('weights', others);
    const places = [...this.trained, ...others].map((w, i) => {
      const rest = i - this.trained.length;
      return [homeOf(w), rest < 0 ? this.params.members[i]! : this.others.members[rest]!] as const;
    });
    this.places = new Map(places);
    const totals = options ? totalsOf(options, network.outputs) : [];
    this.weights = { offset: 0, bytes: this.layout.bytes };
    let snapshotBytes = this.layout.bytes;
    if (options) {
      const { optimizer } = options;
      const slots = new Map(optimizer.slots.map((s) => [s, this.layout.block(`optimizer/${s}`, this.trained)]));
      const ema = optimizer.common.useEma ? this.layout.block('ema', this.trained) : undefined;
      const grads = this.layout.block(
        'grads',
        this.trained.map(({ name, shape }) => ({ name: `grads/${name}`, shape })),
      );
      const updates = this.layout.variable('updates', 'int32', [4]);
      const report = new ReportBlock(this.layout, 'train', totals);
      snapshotBytes = this.layout.bytes;
      const learningRate = this.layout.variable('optimizer/learningRate', 'float32', [1]);
      const clipsEach = optimizer.common.clipNorm !== undefined && this.trained.length > 0;
      const begins = clipsEach ? this.layout.variable('grads/begins', 'int32', [this.trained.length]) : undefined;
      const kept = new Map([...slots, ...(ema ? [['ema', ema] as const] : []), [ACCUMULATED, grads] as const]);
      const groups = this.groupsOf(slots, grads);
      this.training = { options, slots, report, learningRate, grads, groups, ema, updates, begins, kept };
    }
    this.snapshot = { offset: 0, bytes: snapshotBytes };
    this.inference = new ReportBlock(this.layout, 'inference', totals);
    this.readings = new ReadingMemory(this.layout, this.trained);
    this.carried = new CarriedMemory(this.layout);
  }

  private groupsOf(slots: ReadonlyMap<string, Block>, grads: Block): ParameterGroup[] {
    const multipliers = [...new Set(this.trained.map((w) => w.learningRateMultiplier))];
    return multipliers.map((multiplier) => {
      const first = this.trained.findIndex((w) => w.learningRateMultiplier === multiplier);
      const last = this.trained.findLastIndex((w) => w.learningRateMultiplier === multiplier);
      const part = (block: Block): Variable => this.layout.part(block, first, last);
      return {
        multiplier,
        first: this.params.offsets[first]! / 4,
        params: part(this.params),
        grads: part(grads),
        slots: new Map([...slots].map(([name, block]) => [name, part(block)])),
      };
    });
  }

  /** Where a weight lies. */
  readonly variableOf = (weight: Pick<PlacedWeight, 'owner'>): Variable => this.places.get(homeOf(weight))!;

  /** Where the weight of a home lies. */
  placeOf(home: WeightHome): Range {
    return this.rangeOf(this.places.get(home)!);
  }

  /** The weight that an element of the parameter block belongs to. @param position in floats */
  trainedAt(position: number): PlacedWeight | undefined {
    return this.trained.findLast((_, i) => this.params.offsets[i]! / 4 <= position);
  }

  /** The bytes of a variable of floats. */
  rangeOf(variable: Variable): Range {
    return { offset: this.layout.offsetOf(variable), bytes: variable.shape.reduce((n, d) => n * d, 4) };
  }
}
