/**
 * The programs of a model: what one step of training, evaluation or prediction does, for one number of rows. Each is a
 * graph that reads its batch from data slots and leaves its results in memory, lowered to a program.
 */
import { assign, lower } from '../compile/lower.js';
import type { Program } from '../compile/program.js';
import { GradstepError } from '../errors.js';
import type { DType } from '../graph/dtype.js';
import { Graph, type Value } from '../graph/graph.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { gradients } from '../ops/autodiff.js';
import { advance, gather, scatter } from '../ops/gather.js';
import { metricSum } from '../ops/metric_sum.js';
import { mean } from '../ops/reduce_sum.js';
import type { ModelMemory, TrainingMemory } from './memory.js';
import type { ReportBlock } from './report.js';

/** Data slots by purpose. */
export const SLOTS = {
  train: { x: 0, y: 1, index: 2 },
  validation: { x: 3, y: 4 },
  evaluate: { x: 5, y: 6 },
  predict: { x: 7, y: 8 },
} as const;

export type ProgramKind = 'train' | 'gradients' | 'evaluate' | 'validate' | 'predict';

/** What a program depends on besides the model. */
export interface BatchSpec {
  readonly kind: ProgramKind;
  readonly rows: number;
  /** Element type of the data in its slot. */
  readonly x: DType;
  /** Labels: element type in their slot, shape of one row; absent for prediction. */
  readonly y?: { readonly dtype: DType; readonly row: Shape };
  /** Whether rows are visited in the order of the index slot. */
  readonly shuffled: boolean;
}

/** The key under which a program is kept. */
export function programKey({ kind, rows, x, y, shuffled }: BatchSpec): string {
  return [kind, rows, x, y?.dtype, y && formatShape(y.row), shuffled].join(' ');
}

/** Describes and lowers a program. */
export function buildProgram(memory: ModelMemory, batch: BatchSpec, backend: 'cpu' | 'cuda'): Program {
  const graph = new Graph();
  if (batch.kind === 'predict') describePrediction(graph, memory, batch);
  else if (batch.kind === 'evaluate' || batch.kind === 'validate') describeEvaluation(graph, memory, batch);
  else describeTraining(graph, memory, batch);
  return lower(graph, {
    name: `${batch.kind} ${batch.rows}`,
    backend,
    offsetOf: (v) => memory.layout.offsetOf(v),
    persistentBytes: () => memory.layout.bytes,
  });
}

function trainingOf(memory: ModelMemory): TrainingMemory {
  if (!memory.training) throw new GradstepError('ERR_NOT_COMPILED', 'The model has not been compiled: call compile first');
  return memory.training;
}

/** The next rows of a slot. */
function batchOf(
  graph: Graph,
  batch: BatchSpec,
  part: 'x' | 'y',
  row: Shape,
  dtype: 'float32' | 'int32',
  report: ReportBlock,
): Value {
  const slots = batch.kind === 'gradients' ? SLOTS.train : batch.kind === 'validate' ? SLOTS.validation : SLOTS[batch.kind];
  const source = part === 'x' ? batch.x : batch.y!.dtype;
  const from = {
    slot: slots[part],
    indexSlot: batch.shuffled ? SLOTS.train.index : -1,
    source,
    dtype,
    shape: [batch.rows, ...row],
  };
  return gather(graph, from, graph.read(report.state), graph.read(report.flag));
}

function forward(graph: Graph, memory: ModelMemory, batch: BatchSpec, report: ReportBlock, training: boolean): Value {
  const x = graph.inScope('data', () => batchOf(graph, batch, 'x', memory.network.input, 'float32', report));
  return memory.network.forward(graph, x, graph.read(report.state), training, memory.variableOf);
}

/** Loss of each sample, [rows]; adds to the totals of the loss and the metrics on the way. */
function compare(graph: Graph, memory: ModelMemory, batch: BatchSpec, report: ReportBlock, yPred: Value): Value {
  const { loss, metrics, onNaN } = trainingOf(memory).options;
  const [state, flag] = [graph.read(report.state), graph.read(report.flag)];
  const total = (i: number) => graph.read(report.totals[i]!);
  const yTrue = graph.inScope('data', () => batchOf(graph, batch, 'y', batch.y!.row, loss.labels, report));
  const perSample = graph.inScope('loss', () => {
    const value = loss.perSample(yTrue, yPred, { state, flag });
    metricSum(value, total(0), state, flag, onNaN === 'error');
    return value;
  });
  const context = { labels: loss.labels, loss: loss.name };
  metrics.forEach((metric, i) =>
    graph.inScope(metric.name, () => metricSum(metric.perElement(yTrue, yPred, context), total(i + 1), state, flag, false)),
  );
  return perSample;
}

function describeTraining(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const { options, report, grads, slots, learningRate } = trainingOf(memory);
  const yPred = forward(graph, memory, batch, report, true);
  const perSample = compare(graph, memory, batch, report, yPred);
  const objective = graph.inScope('loss', () => mean(perSample));
  const wanted = memory.params.members.map((v) => graph.read(v));
  gradients(objective, wanted).forEach((g, i) => assign(grads.members[i]!, g));
  const state = graph.read(report.state);
  if (batch.kind === 'train' && wanted.length > 0) {
    graph.inScope('optimizer', () =>
      options.optimizer.apply({
        params: graph.read(memory.params.whole),
        grads: graph.read(grads.whole),
        slot: (name) => graph.read(slots.get(name)!.whole),
        learningRate: graph.read(learningRate),
        state,
        flag: graph.read(report.flag),
      }),
    );
  }
  graph.inScope('step', () => advance(state, 1, batch.rows));
}

function describeEvaluation(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const report = memory.inference;
  compare(graph, memory, batch, report, forward(graph, memory, batch, report, false));
  graph.inScope('step', () => advance(graph.read(report.state), 1, batch.rows));
}

function describePrediction(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const report = memory.inference;
  const yPred = forward(graph, memory, batch, report, false);
  const [state, flag] = [graph.read(report.state), graph.read(report.flag)];
  graph.inScope('data', () => scatter(yPred, SLOTS.predict.y, state, flag));
  graph.inScope('step', () => advance(state, 1, batch.rows));
}
