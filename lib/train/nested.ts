/** A model as a layer of another: its weights are those of its layers, under their names. */
import type { Variable } from '../graph/graph.js';
import type { PartialShape } from '../graph/shape.js';
import type { LayerParts, WeightSpec } from '../layers/layer.js';
import type { ModelCore } from './model_core.js';
import type { PlacedWeight } from './network.js';
import { describeModel } from './save_model.js';
import { homeOf } from './weight_home.js';

/** What makes a model a layer. */
export function partsOf(core: ModelCore): LayerParts {
  const weights = (inputs: readonly PartialShape[]) => core.networkFor(inputs).weights.map(weightOf);
  return {
    className: core.className,
    baseName: core.className === 'Sequential' ? 'sequential' : 'model',
    inputDtype: 'any',
    passesMask: false,
    options: {},
    save: () => describeModel(core),
    isStateful: () => core.network.isStateful,
    weights,
    outputShapes: (inputs) => core.networkFor(inputs).outputsFor(inputs),
    open: { weights, outputShapes: (inputs) => core.networkFor(inputs).openOutputsFor(inputs) },
    call(xs, context) {
      const { network } = core;
      // A layer that stands here and in a model inside has one role, that of its first place.
      const roles = new Map(network.weights.map((w) => [homeOf(w), w.name]));
      const roleOf = (weight: PlacedWeight) => roles.get(homeOf(weight))!;
      const variableOf = (weight: PlacedWeight) => context.weight(roleOf(weight)).variable!;
      const carriers = new Map<Variable, string>();
      const flow = network.forward(
        xs[0]!.graph,
        xs,
        {
          state: context.state,
          flag: context.flag,
          training: context.training,
          isFrozen: (weight) => context.isFrozen(roleOf(weight)),
          variableOf,
          stream: (path) => context.stream(path),
          carried(path, shape) {
            const variable = context.carried(path, shape).variable!;
            carriers.set(variable, path);
            return variable;
          },
        },
        context.masks,
      );
      for (const { variable, value, momentum } of flow.updates) {
        const weight = network.weights.find((w) => variableOf(w) === variable)!;
        context.update(weight.name, value, momentum);
      }
      for (const loss of flow.losses) context.addLoss(loss);
      for (const { variable, value } of flow.carries) context.carry(carriers.get(variable)!, value);
      flow.masks.forEach((mask, i) => context.setMask(mask, i));
      return flow.outputs;
    },
  };
}

function weightOf(weight: PlacedWeight): WeightSpec {
  const { name, shape, initializer, trainable, regularizer, constraint, owner, learningRateMultiplier } = weight;
  return {
    role: name,
    shape,
    initializer,
    trainable: trainable !== false,
    regularizer,
    constraint,
    owner,
    learningRateMultiplier,
    get frozen() {
      return weight.frozen;
    },
  };
}
