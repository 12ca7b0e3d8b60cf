/** The end of a training step: what the gradients do to the parameters, and what else changes with them. */
import { assign } from '../compile/lower.js';
import type { Graph } from '../graph/graph.js';
import { constant, elementwise } from '../ops/map.js';
import { stepCount } from '../ops/step_count.js';
import { movingAverage } from '../ops/moving_average.js';
import type { ModelMemory, TrainingMemory } from './memory.js';
import type { Flow } from './network.js';
import type { ReportBlock } from './report.js';

/** Moves the parameters by their gradients, then puts those that have constraints back to where they may be. */
export function updateParameters(graph: Graph, memory: ModelMemory): void {
  const { options, report, learningRate, groups, updates, ema } = memory.training!;
  const { optimizer } = options;
  const [count, flag] = [graph.read(updates), graph.read(report.flag)];
  graph.inScope('optimizer', () => {
    const { learningRate: given } = optimizer;
    const rate = typeof given === 'number' ? graph.read(learningRate) : given.rate(stepCount(count));
    for (const { multiplier, params, grads, slots } of groups) {
      optimizer.apply({
        params: graph.read(params),
        grads: graph.read(grads),
        slot: (name) => graph.read(slots.get(name)!),
        learningRate: multiplier === 1 ? rate : elementwise('mul', rate, multiplier),
        state: count,
        flag,
      });
    }
  });
  for (const weight of memory.trained) {
    if (!weight.constraint) continue;
    const variable = memory.variableOf(weight);
    graph.inScope(weight.name, () => assign(variable, weight.constraint!.apply(graph.read(variable))));
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
    graph.inScope(variable.name, () => movingAverage(graph.read(variable), value, momentum, flag));
  }
}
