/** The end of a training step: what the gradients do to the parameters, and what else changes with them. */
import { assign } from '../compile/lower.js';
import type { Constraint } from '../constraints/constraint.js';
import type { Graph, Value, Variable } from '../graph/graph.js';
import { clipByGlobalNorm, clipByNorm } from '../ops/clip_by_norm.js';
import { clipByValue } from '../ops/clip_by_value.js';
import { constant, elementwise } from '../ops/map.js';
import { stepCount } from '../ops/step_count.js';
import { movingAverage } from '../ops/moving_average.js';
import { weightDecay } from '../ops/weight_decay.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { ModelMemory, ParameterGroup, TrainingMemory } from './memory.js';
import type { Flow } from './network.js';
import type { ReportBlock } from './report.js';

/** What an optimizer moves, and what it keeps for that. */
export interface Movement {
  readonly optimizer: Optimizer;
  /** Parts of the parameter block that learn at one rate each. */
  readonly groups: readonly ParameterGroup[];
  /** The gradient block, and where each gradient begins in it if they are clipped one by one. */
  readonly grads: Variable;
  readonly begins: Variable | undefined;
  /** Updates so far, int32 [4] of which the first counts. */
  readonly updates: Variable;
  /** float32 [1]: the rate where the optimizer has no schedule. */
  readonly learningRate: Value;
  readonly flag: Value;
  /** Where gradients that are not finite end the run, instead of being followed. */
  readonly fault?: Value | undefined;
}

/** Adds an update to the step: clipping, decay, the optimizer's own formula, one kernel each for all parameters. */
export function move(graph: Graph, { optimizer, groups, grads, begins, updates, learningRate, flag, fault }: Movement): void {
  if (groups.length === 0) return;
  const { learningRate: given, common } = optimizer;
  const count = graph.read(updates);
  graph.inScope('optimizer', () => {
    const block = graph.read(grads);
    if (common.clipValue !== undefined) clipByValue(block, common.clipValue);
    if (common.clipNorm !== undefined) clipByNorm(block, graph.read(begins!), common.clipNorm);
    if (common.globalClipNorm !== undefined) clipByGlobalNorm(block, common.globalClipNorm);
    const rate = typeof given === 'number' ? learningRate : given.rate(stepCount(count));
    for (const group of groups) {
      const groupRate = group.multiplier === 1 ? rate : elementwise('mul', rate, group.multiplier);
      const params = graph.read(group.params);
      if (common.weightDecay > 0) weightDecay(params, groupRate, common.weightDecay, flag);
      optimizer.apply({
        params,
        grads: graph.read(group.grads),
        slot: (name) => graph.read(group.slots.get(name)!),
        learningRate: groupRate,
        state: count,
        flag,
        fault,
        first: group.first,
      });
    }
  });
}

/** A value that stays as it is while variables change: what only looks at a variable is copied. */
export function held(value: Value): Value {
  let root = value;
  while (root.node?.op.view) root = root.node.inputs.x!;
  return root.variable ? elementwise('identity', value) : value;
}

/** Puts a parameter back to where it may be. */
export function constrain(graph: Graph, variable: Variable, constraint: Constraint, flag: Value): void {
  // A moving average that forgets at once: it takes the value, unless a flag is set.
  graph.inScope(variable.name, () => {
    const before = graph.read(variable);
    movingAverage(before, held(constraint.apply(before)), 0, flag);
  });
}

/** Where the updates of a step say which gradient is not finite; undefined where training goes on all the same. */
export function watchedFault(graph: Graph, { options, report }: TrainingMemory): Value | undefined {
  return options.onNaN === 'error' ? graph.read(report.fault) : undefined;
}

/** Moves the parameters by their gradients, then puts those that have constraints back to where they may be. */
export function updateParameters(graph: Graph, memory: ModelMemory): void {
  const { options, report, learningRate, groups, grads, begins, updates, ema } = memory.training!;
  const { optimizer } = options;
  const flag = graph.read(report.flag);
  const fault = watchedFault(graph, memory.training!);
  move(graph, { optimizer, groups, grads: grads.whole, begins, updates, learningRate: graph.read(learningRate), flag, fault });
  for (const weight of memory.trained) {
    if (!weight.constraint) continue;
    constrain(graph, memory.variableOf(weight), weight.constraint, flag);
  }
  if (ema) {
    const { emaMomentum } = optimizer.common;
    graph.inScope('ema', () => movingAverage(graph.read(ema.whole), graph.read(memory.params.whole), emaMomentum, flag));
  }
}

/** The gradients are zero from here on. */
export function clearGradients(graph: Graph, { grads }: TrainingMemory): void {
  graph.inScope('optimizer', () => assign(grads.whole, constant(graph, 0, grads.whole.shape)));
}

/** Brings weights up to date that layers keep averages in. */
export function updateAverages(graph: Graph, report: ReportBlock, { updates }: Flow): void {
  const flag = graph.read(report.flag);
  for (const { variable, value, momentum } of updates) {
    graph.inScope(variable.name, () => movingAverage(graph.read(variable), held(value), momentum, flag));
  }
}

/** Keeps what is carried over to the next batch, unless a flag is set. */
export function carryOver(graph: Graph, report: ReportBlock, { carries }: Flow): void {
  const flag = graph.read(report.flag);
  for (const { variable, value } of carries) {
    // A moving average that forgets at once.
    graph.inScope(variable.name, () => movingAverage(graph.read(variable), held(value), 0, flag));
  }
}
