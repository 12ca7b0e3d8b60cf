/**
 * The programs of a model: what one step of training, evaluation or prediction does, for one number of rows. Each is a
 * graph that reads its batch from data slots and leaves its results in memory, lowered to a program.
 */
import { assign, lower } from '../compile/lower.js';
import type { Program } from '../compile/program.js';
import { GradstepError } from '../errors.js';
import type { DType } from '../graph/dtype.js';
import { Graph, type Value, type Variable } from '../graph/graph.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { gradientsFound } from '../ops/autodiff.js';
import { advance, gather, scatter } from '../ops/gather.js';
import { constant, elementwise } from '../ops/map.js';
import { mean } from '../ops/reduce_sum.js';
import { courseOf } from './carried.js';
import { compare, type Compared } from './compare.js';
import { describeCounts } from './diagnostics/locate.js';
import { Probe } from './diagnostics/probe.js';
import type { ModelMemory, TrainingMemory } from './memory.js';
import type { Flow } from './network.js';
import { penaltyOf } from './penalty.js';
import type { ReportBlock } from './report.js';
import { slotsOf, type Purpose } from './slots.js';
import { carryOver, clearGradients, updateAverages, updateParameters, watchedFault } from './update.js';

/**
 * train: forward, backward, update. accumulate: forward and backward, added to the gradients that are there; update:
 * the update by what was accumulated. gradients: like train, without the update.
 */
export type ProgramKind = 'train' | 'accumulate' | 'update' | 'gradients' | 'evaluate' | 'predict';

/** Data as they lie in their slot. */
export interface DataSlot {
  readonly dtype: DType;
  /** Shape of one row. */
  readonly row: Shape;
}

/** Labels of one output. */
export interface LabelSlot extends DataSlot {
  /** Shape of one row of sample weights; undefined where there are none. */
  readonly weights: Shape | undefined;
}

/** What a program depends on besides the model. */
export interface BatchSpec {
  readonly kind: ProgramKind;
  readonly purpose: Purpose;
  readonly rows: number;
  /** Data of each input. */
  readonly x: readonly DataSlot[];
  /** Labels of each output that has a loss; none for prediction. */
  readonly y: readonly LabelSlot[];
  /** Whether rows are visited in the order of the index slot. */
  readonly shuffled: boolean;
  /** accumulate: this batch's part of the rows that one update sees. */
  readonly share?: number;
  /**
   * diagnose: the same step, which also leaves readings of how training goes. locate: forward and backward pass only, which
   * count what is not finite. Readings are kept under the program's key.
   */
  readonly watch?: 'diagnose' | 'locate';
}

/** The key under which a program is kept. */
export function programKey({ kind, purpose, rows, x, y, shuffled, share, watch }: BatchSpec): string {
  const inputs = x.map((d) => [d.dtype, formatShape(d.row)].join(':'));
  const labels = y.map((l) => [l.dtype, formatShape(l.row), l.weights && formatShape(l.weights)].join(':'));
  return [kind, purpose, rows, inputs.join(';'), labels.join(';'), shuffled, share, watch].join(' ');
}

/** Describes and lowers a program. */
export function buildProgram(memory: ModelMemory, batch: BatchSpec, backend: 'cpu' | 'cuda'): Program {
  const isInference = batch.kind === 'predict' || batch.kind === 'evaluate';
  const { state, flag } = isInference ? memory.inference : trainingOf(memory).report;
  const graph = new Graph({ state, flag, rows: batch.rows });
  if (batch.kind === 'predict') describePrediction(graph, memory, batch);
  else if (batch.kind === 'evaluate') describeEvaluation(graph, memory, batch);
  else if (batch.kind === 'update') describeUpdate(graph, trainingOf(memory), memory, batch);
  else describeTraining(graph, memory, batch);
  return lower(graph, {
    name: `${batch.watch ?? batch.kind} ${batch.rows}`,
    fusion: batch.watch !== 'locate',
    backend,
    ...(memory.training && { precision: memory.training.options.precision }),
    offsetOf: (v) => memory.layout.offsetOf(v),
    persistentBytes: () => memory.layout.bytes,
  });
}

export function trainingOf(memory: ModelMemory): TrainingMemory {
  if (!memory.training) throw new GradstepError('ERR_NOT_COMPILED', 'The model has not been compiled: call compile first');
  return memory.training;
}

/** Reads the next rows of slots. */
function reader(graph: Graph, { shuffled, rows }: BatchSpec, indexSlot: number, report: ReportBlock) {
  return (slot: number, { dtype: source, row }: DataSlot, dtype: 'float32' | 'int32'): Value => {
    const from = { slot, indexSlot: shuffled ? indexSlot : -1, source, dtype, shape: [rows, ...row] };
    return graph.inScope('data', () => gather(graph, from, graph.read(report.state), graph.read(report.flag)));
  };
}

function forward(graph: Graph, memory: ModelMemory, batch: BatchSpec, report: ReportBlock, training: boolean): Flow {
  const { network, variableOf } = memory;
  const { isFrozen } = memory.trainables;
  const slots = slotsOf(batch.purpose, network.inputs.length, batch.y.length);
  const read = reader(graph, batch, slots.index, report);
  const xs = network.inputs.map(({ dtype }, i) => read(slots.x[i]!, batch.x[i]!, dtype));
  const [state, flag] = [graph.read(report.state), graph.read(report.flag)];
  const carried = (path: string, shape: Shape): Variable => memory.carried.variableOf(courseOf(batch.purpose), path, shape);
  return network.forward(graph, xs, { state, flag, training, isFrozen, variableOf, carried });
}

/** The outputs that have a loss, with their labels, weights and masks. */
function comparedOf(graph: Graph, memory: ModelMemory, batch: BatchSpec, report: ReportBlock, flow: Flow): Compared[] {
  const { network } = memory;
  const { outputs, compared } = trainingOf(memory).options;
  const slots = slotsOf(batch.purpose, network.inputs.length, batch.y.length);
  const read = reader(graph, batch, slots.index, report);
  return compared.map((output, i) => {
    const labels = batch.y[i]!;
    const at = outputs.indexOf(output);
    return {
      output,
      yPred: flow.outputs[at]!,
      mask: flow.masks[at],
      yTrue: read(slots.y[i]!, labels, output.loss!.labels),
      weights: labels.weights && read(slots.weights[i]!, { dtype: 'float32', row: labels.weights }, 'float32'),
    };
  });
}

/** What the regularizers of the weights that are trained, and the layers, add to the loss. */
function penaltyIn(graph: Graph, memory: ModelMemory, { losses }: Flow): Value | undefined {
  return penaltyOf(graph, memory.trained, (weight) => graph.read(memory.variableOf(weight)), losses);
}

function describeTraining(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const training = trainingOf(memory);
  const { options, report, grads, updates } = training;
  const probe = batch.watch === 'diagnose' ? new Probe(graph, memory) : undefined;
  const flow = forward(graph, memory, batch, report, true);
  probe?.activations(flow.outputs);
  const penalty = penaltyIn(graph, memory, flow);
  const parts = comparedOf(graph, memory, batch, report, flow);
  const perSample = compare(graph, options, report, { rows: batch.rows, parts, penalty });
  const objective = graph.inScope('loss', () => {
    const loss = mean(perSample);
    probe?.loss(loss);
    return batch.share === undefined ? loss : elementwise('mul', loss, batch.share);
  });
  const wanted = memory.params.members.map((v) => graph.read(v));
  const nodesForward = graph.nodes.length;
  const found = gradientsOf(objective, wanted);
  if (batch.watch === 'locate') {
    describeCounts(graph, memory, programKey(batch), nodesForward, [objective, ...found]);
    return;
  }
  found.forEach((g, i) => {
    const member = grads.members[i]!;
    assign(member, batch.kind === 'accumulate' ? elementwise('add', graph.read(member), g) : g);
  });
  const state = graph.read(report.state);
  if (batch.kind === 'train') updateWatched(graph, memory, probe);
  if (batch.kind !== 'gradients') {
    updateAverages(graph, report, flow);
    carryOver(graph, report, flow);
  }
  probe?.finish(programKey(batch));
  const moves = batch.kind === 'train' ? 1 : 0;
  const fault = moves > 0 ? watchedFault(graph, training) : undefined;
  const flag = graph.read(report.flag);
  graph.inScope('step', () => advance(state, 1, batch.rows, flag, { updates: graph.read(updates), moves, fault }));
}

/** ERR_NOT_DIFFERENTIABLE where the loss has no gradient by anything that is trained: nothing would be. */
function gradientsOf(objective: Value, wanted: readonly Value[]): Value[] {
  const found = gradientsFound(objective, wanted);
  if (wanted.length > 0 && found.every((g) => g === undefined)) {
    throw new GradstepError(
      'ERR_NOT_DIFFERENTIABLE',
      'The loss depends on no weight that is trained, or only through what has no gradient, such as comparisons, argmax and casts',
    );
  }
  return found.map((g, i) => g ?? constant(objective.graph, 0, wanted[i]!.shape));
}

function updateWatched(graph: Graph, memory: ModelMemory, probe: Probe | undefined): void {
  probe?.beforeUpdate();
  updateParameters(graph, memory);
  probe?.afterUpdate();
}

function describeUpdate(graph: Graph, training: TrainingMemory, memory: ModelMemory, batch: BatchSpec): void {
  const probe = batch.watch === 'diagnose' ? new Probe(graph, memory) : undefined;
  updateWatched(graph, memory, probe);
  probe?.finish(programKey(batch));
  clearGradients(graph, training);
  const [state, flag] = [graph.read(training.report.state), graph.read(training.report.flag)];
  const options = { updates: graph.read(training.updates), moves: 1, fault: watchedFault(graph, training) };
  graph.inScope('step', () => advance(state, 0, 0, flag, options));
}

function describeEvaluation(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const report = memory.inference;
  const flow = forward(graph, memory, batch, report, false);
  const parts = comparedOf(graph, memory, batch, report, flow);
  compare(graph, trainingOf(memory).options, report, { rows: batch.rows, parts, penalty: penaltyIn(graph, memory, flow) });
  carryOver(graph, report, flow);
  graph.inScope('step', () => advance(graph.read(report.state), 1, batch.rows));
}

function describePrediction(graph: Graph, memory: ModelMemory, batch: BatchSpec): void {
  const report = memory.inference;
  const flow = forward(graph, memory, batch, report, false);
  const { outputs } = flow;
  const slots = slotsOf(batch.purpose, memory.network.inputs.length, outputs.length);
  const [state, flag] = [graph.read(report.state), graph.read(report.flag)];
  outputs.forEach((yPred, i) => {
    // What predict yields is float32, of whole numbers, too.
    const floats = yPred.dtype === 'int32' ? elementwise('identity', yPred) : yPred;
    graph.inScope('data', () => scatter(floats, slots.y[i]!, state, flag));
  });
  carryOver(graph, report, flow);
  graph.inScope('step', () => advance(state, 1, batch.rows));
}
