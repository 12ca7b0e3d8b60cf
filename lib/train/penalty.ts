/** What regularizers and layers add to a loss. */
import type { Graph, Value } from '../graph/graph.js';
import { constant, elementwise } from '../ops/map.js';
import type { ModelCore } from './model_core.js';
import type { PlacedWeight } from './network.js';
import { currentTrace } from './trace.js';

/** The sum of the penalties of weights and of what layers add, []; undefined when there is nothing. */
export function penaltyOf(
  graph: Graph,
  weights: readonly PlacedWeight[],
  valueOf: (weight: PlacedWeight) => Value,
  added: readonly Value[],
): Value | undefined {
  const penalties = weights.flatMap((w) =>
    w.regularizer ? [graph.inScope(w.name, () => w.regularizer!.penalty(valueOf(w)))] : [],
  );
  const terms = [...penalties, ...added];
  return terms.length === 0 ? undefined : terms.reduce((a, b) => elementwise('add', a, b));
}

/** The same of a model's weights that are trained, and of its calls so far; 0 where there is nothing; inside a function that `gs.compile` describes. */
export function regularizationLoss(core: ModelCore): Value {
  const trace = currentTrace('model.regularizationLoss');
  const trained = core.trainableVariables;
  trace.memory.placeTogether(trained.map((v) => v.handle));
  const handles = new Map(trained.map(({ weight, handle }) => [weight, handle]));
  const penalty = penaltyOf(trace.graph, [...handles.keys()], (weight) => trace.read(handles.get(weight)!), trace.lossesOf(core));
  return penalty ?? constant(trace.graph, 0, []);
}
