/**
 * A network is a model's description: its layers with their names, shapes and weights, and how a batch flows through
 * them. It knows nothing of devices; the engine gives its weights memory.
 */
import { GradstepError } from '../errors.js';
import type { Graph, Value, Variable } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import type { Layer, WeightSpec } from '../layers/define_layer.js';
import { streamOf } from '../random.js';

/** A layer in its place. */
export interface PlacedLayer {
  readonly name: string;
  readonly layer: Layer;
  /** Shapes of one sample. */
  readonly input: Shape;
  readonly output: Shape;
  readonly weights: readonly PlacedWeight[];
}

export interface PlacedWeight extends WeightSpec {
  /** `dense_1/kernel`. */
  readonly name: string;
}

/** Gives each layer its name: the one in its options, or its kind with a number where the kind occurs again. */
export function nameLayers(layers: readonly Layer[]): string[] {
  const taken = new Set<string>();
  for (const { name } of layers) {
    if (name === undefined) continue;
    if (taken.has(name))
      throw new GradstepError('ERR_OPTION', `Expected a name of its own for each layer but "${name}" occurs twice`);
    taken.add(name);
  }
  return layers.map(({ name, baseName }) => {
    if (name !== undefined) return name;
    let automatic = baseName;
    for (let n = 1; taken.has(automatic); n++) automatic = `${baseName}_${n}`;
    taken.add(automatic);
    return automatic;
  });
}

/** Runs `body`; an error inside names the layer. */
function atLayer<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof GradstepError) || error.layer !== undefined) throw error;
    throw new GradstepError(error.code, `${error.message} (in ${name})`, { layer: name, cause: error });
  }
}

export class Network {
  readonly layers: readonly PlacedLayer[];

  /** @param input shape of one sample. */
  constructor(
    layers: readonly Layer[],
    names: readonly string[],
    readonly input: Shape,
  ) {
    let shape = input;
    this.layers = layers.map((layer, i) => {
      const name = names[i]!;
      return atLayer(name, () => {
        const output = layer.outputShape(shape);
        const weights = layer.weights(shape).map((w) => ({ ...w, name: `${name}/${w.role}` }));
        const placed = { name, layer, input: shape, output, weights };
        shape = output;
        return placed;
      });
    });
  }

  /** Shape of one sample of the result. */
  get output(): Shape {
    return this.layers.at(-1)!.output;
  }

  /** Every weight, in Keras's order. */
  get weights(): readonly PlacedWeight[] {
    return this.layers.flatMap((l) => l.weights);
  }

  /** Describes what happens to a batch. `variableOf` says where each weight lies. */
  forward(graph: Graph, x: Value, state: Value, training: boolean, variableOf: (weight: PlacedWeight) => Variable): Value {
    let value = x;
    for (const { name, layer, weights } of this.layers) {
      value = graph.inScope(name, () =>
        layer.call(value, {
          training,
          state,
          weight: (role) => {
            const weight = weights.find((w) => w.role === role);
            if (!weight) throw new GradstepError('ERR_INTERNAL', `${name} has no weight ${role}`);
            return graph.read(variableOf(weight));
          },
          stream: (role) => streamOf(`${name}/${role}`),
        }),
      );
    }
    return value;
  }
}
