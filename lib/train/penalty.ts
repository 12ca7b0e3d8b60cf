/** What regularizers of weights add to a loss. */
import type { Graph, Value } from '../graph/graph.js';
import { constant, elementwise } from '../ops/map.js';
import type { ModelCore } from './model_core.js';
import type { PlacedWeight } from './network.js';
import { currentTrace } from './trace.js';

/** The sum of the penalties of weights, []; undefined when there are none. */
export function penaltyOf(
  graph: Graph,
  weights: readonly PlacedWeight[],
  valueOf: (weight: PlacedWeight) => Value,
): Value | undefined {
  const penalties = weights.flatMap((w) =>
    w.regularizer ? [graph.inScope(w.name, () => w.regularizer!.penalty(valueOf(w)))] : [],
  );
  return penalties.length === 0 ? undefined : penalties.reduce((a, b) => elementwise('add', a, b));
}

/** The same of a model's weights that are trained, 0 where none has a regularizer, inside a function that `gs.compile` describes. */
export function regularizationLoss(core: ModelCore): Value {
  const trace = currentTrace('model.regularizationLoss');
  const trained = core.trainableVariables;
  trace.memory.placeTogether(trained.map((v) => v.handle));
  const handles = new Map(trained.map(({ weight, handle }) => [weight, handle]));
  const penalty = penaltyOf(trace.graph, [...handles.keys()], (weight) => trace.read(handles.get(weight)!));
  return penalty ?? constant(trace.graph, 0, []);
}
