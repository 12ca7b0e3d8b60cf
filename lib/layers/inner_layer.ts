/** A layer inside another: its weights, random streams and what it carries over go by a prefix among those of the other. */
import type { Shape } from '../graph/shape.js';
import type { CallContext, Layer, WeightSpec } from './define_layer.js';

/** A weight of a layer inside, as the layer around it has it. */
export function innerWeight(layer: Layer, weight: WeightSpec, role: string): WeightSpec {
  const owner = weight.owner ?? { layer, role: weight.role };
  const multiplier = weight.learningRateMultiplier ?? (owner.layer === layer ? 1 : owner.layer.learningRateMultiplier);
  return {
    ...weight,
    role,
    owner,
    learningRateMultiplier: layer.learningRateMultiplier * multiplier,
    get frozen() {
      return weight.frozen === true || !layer.trainable;
    },
  };
}

/** The weights of a layer inside, for inputs of these shapes. */
export function innerWeights(layer: Layer, prefix: string, inputs: readonly Shape[]): WeightSpec[] {
  return layer.parts.weights(inputs).map((weight) => innerWeight(layer, weight, `${prefix}/${weight.role}`));
}

/** What a layer inside sees. */
export function innerContext(context: CallContext, prefix: string): CallContext {
  const at = (role: string): string => `${prefix}/${role}`;
  return {
    ...context,
    isFrozen: (role) => context.isFrozen(at(role)),
    weight: (role) => context.weight(at(role)),
    update: (role, value, momentum) => context.update(at(role), value, momentum),
    stream: (role) => context.stream(at(role)),
    carried: (role, shape) => context.carried(at(role), shape),
    carry: (role, value) => context.carry(at(role), value),
  };
}
