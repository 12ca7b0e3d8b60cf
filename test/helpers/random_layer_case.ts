/**
 * A layer that may draw random numbers as a case of the op walk: its call on one input, with a state that the test chooses, so
 * that forward values and gradients are compared on every backend, fused and not. Random streams are named `test/<role>`.
 */
import { expect } from 'chai';
import { Graph, type Value, type Variable } from '../../lib/graph/graph.js';
import type { CallContext, Layer } from '../../lib/layers/layer.js';
import { streamOf } from '../../lib/random.js';
import { STATE, type CaseInput, type Numbers, type OpCase } from '../cases/op_case.js';

/** The random stream of a role. */
export const roleStream = (role: string): number => streamOf(`test/${role}`);

/** Calls a layer of one input; `weights` by role. */
export function callLayer(layer: Layer, x: Value, state: Value, training: boolean, weights: Record<string, Value> = {}): Value {
  const context: CallContext = {
    training,
    trainable: true,
    isFrozen: () => false,
    state,
    flag: state,
    mask: undefined,
    masks: [undefined],
    setMask: () => expect.fail('the layer sets a mask'),
    weight: (role) => weights[role] ?? expect.fail(`the layer has no weight ${role}`),
    update: () => expect.fail('the layer updates a weight'),
    addLoss: () => expect.fail('the layer adds to the loss'),
    stream: roleStream,
    carried: () => expect.fail('the layer carries something over'),
    carry: () => expect.fail('the layer carries something over'),
  };
  const [y] = layer.parts.call([x], context);
  const [shape] = layer.parts.outputShapes([x.shape.slice(1)]);
  expect(y!.shape, 'the shape that the layer promises').to.deep.equal([x.shape[0], ...shape!]);
  return y!;
}

export interface LayerCase extends Pick<OpCase, 'terms' | 'rtol' | 'gradients'> {
  name: string;
  layer: Layer;
  /** The batch first. */
  x: CaseInput;
  /** [step, cursor, seed low, seed high]. */
  state?: readonly number[];
  /** Default true. */
  training?: boolean;
  /** The result in float64. */
  reference(x: readonly number[]): readonly number[];
}

/** The case of a layer, whose weights hold their first values. */
export function layerCase({
  name,
  layer,
  x: input,
  state = [3, 0, 17, 1],
  training = true,
  reference,
  ...rest
}: LayerCase): OpCase {
  const weights = layer.parts.weights([input.shape.slice(1)]).map(({ role, shape, initializer }): [string, CaseInput] => {
    const next = initializer.sampler(shape);
    // Only layers whose weights are given are tested this way: nothing is drawn.
    const data = Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => next(undefined as never));
    return [role, { shape, data }];
  });
  return {
    name,
    inputs: { x: input, state: { ...STATE, data: state }, ...Object.fromEntries(weights) },
    build: ({ x, state: s, ...given }) => ({ y: callLayer(layer, x!, s!, training, given) }),
    reference: ({ x }: Numbers) => ({ y: reference(x!) }),
    gradients: ['x'],
    ...rest,
  };
}

/** Expects that outside training the layer hands on its input as it is, adding no step to the program. */
export function expectNothingAtInference(layer: Layer, shape: readonly number[]): void {
  const graph = new Graph();
  const variable = (name: string, of: readonly number[], dtype: 'float32' | 'int32'): Variable => ({ name, shape: of, dtype });
  const x = graph.read(variable('x', shape, 'float32'));
  expect(callLayer(layer, x, graph.read(variable('state', [4], 'int32')), false)).to.equal(x);
  expect(graph.nodes).to.have.length(0);
}
