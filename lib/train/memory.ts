/**
 * What a model keeps in its session's persistent region, in this order: parameters, optimizer slots and the training
 * report (together: what a checkpoint holds, one read), learning rate, gradients, the report of inference. Without
 * compile options there are only parameters and the report of inference.
 */
import type { Variable } from '../graph/graph.js';
import { Layout, type Block } from '../runtime/layout.js';
import type { Range } from '../runtime/session.js';
import type { Compiled } from './compile_options.js';
import type { Network, PlacedWeight } from './network.js';
import { ReportBlock } from './report.js';

/** What only a compiled model has. */
export interface TrainingMemory {
  readonly options: Compiled;
  /** Optimizer state by slot name. */
  readonly slots: ReadonlyMap<string, Block>;
  readonly report: ReportBlock;
  readonly learningRate: Variable;
  readonly grads: Block;
}

export class ModelMemory {
  readonly layout = new Layout();
  readonly params: Block;
  readonly training: TrainingMemory | undefined;
  readonly inference: ReportBlock;
  /** Everything that a checkpoint holds. */
  readonly snapshot: Range;
  private readonly places: ReadonlyMap<string, Variable>;

  constructor(
    readonly network: Network,
    options: Compiled | undefined,
  ) {
    const { weights } = network;
    this.params = this.layout.block('params', weights);
    this.places = new Map(this.params.members.map((v) => [v.name, v]));
    const totals = options ? ['loss', ...options.metrics.map((m) => m.name)] : [];
    let snapshotBytes = this.layout.bytes;
    if (options) {
      const slots = new Map(options.optimizer.slots.map((s) => [s, this.layout.block(`optimizer/${s}`, weights)]));
      const report = new ReportBlock(this.layout, 'train', totals);
      snapshotBytes = this.layout.bytes;
      const learningRate = this.layout.variable('optimizer/learningRate', 'float32', [1]);
      const grads = this.layout.block(
        'grads',
        weights.map(({ name, shape }) => ({ name: `grads/${name}`, shape })),
      );
      this.training = { options, slots, report, learningRate, grads };
    }
    this.snapshot = { offset: 0, bytes: snapshotBytes };
    this.inference = new ReportBlock(this.layout, 'inference', totals);
  }

  /** Where a weight lies. */
  readonly variableOf = (weight: PlacedWeight): Variable => this.places.get(weight.name)!;

  /** The bytes of a variable. */
  rangeOf(variable: Variable): Range {
    return { offset: this.layout.offsetOf(variable), bytes: variable.shape.reduce((n, d) => n * d, 4) };
  }
}
