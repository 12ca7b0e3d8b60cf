/** A model inside a function that `gs.compile` describes. */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { streamOf } from '../random.js';
import type { ModelCore } from './model_core.js';
import { currentTrace } from './trace.js';
import { homeOf } from './weight_home.js';

/** The model's outputs for values [rows, ...shape]. */
export function callModel(core: ModelCore, xs: readonly Value[], training: boolean, trainable: boolean): readonly Value[] {
  const trace = currentTrace('model.call');
  const { graph, memory } = trace;
  if (!Array.isArray(xs) || xs.length === 0) throw optionError('model.call', 'value or array of values', xs);
  xs.forEach((x: unknown, i) => {
    if (!(x instanceof Value) || x.graph !== graph) throw optionError(`model.call input ${i}`, 'value made by the function', x);
  });
  const nth = trace.calls++;
  if (trace.seed !== undefined) core.seedUnless(trace.seed + nth);
  const network = core.networkFor(xs.map((x) => x.shape.slice(1)));
  const { variables } = core;
  // Weights that are trained lie together, so that one kernel can move all of them.
  memory.placeTogether(variables.filter((v) => v.weight.trained).map((v) => v.handle));
  const flow = network.forward(graph, xs, {
    state: trace.state,
    flag: trace.flag,
    training,
    isFrozen: (weight) => !trainable || weight.frozen,
    stream: (path) => streamOf(nth === 0 ? path : `${nth}/${path}`),
    variableOf(weight) {
      const { handle } = variables.find((v) => v.handle.home === homeOf(weight))!;
      const value = trace.read(handle);
      if (!value.variable) throw new GradstepError('ERR_OPTION', `${weight.name} was assigned before the model was called`);
      return value.variable;
    },
  });
  for (const { variable, value, momentum } of flow.updates) {
    const { handle } = variables.find((v) => memory.placeOf(v.handle) === variable)!;
    trace.average({ variable: handle, value, momentum });
  }
  trace.addLosses(core, flow.losses);
  return flow.outputs;
}
