/**
 * A layer as a case of the op-table walk: its inputs and weights are the case's inputs, its reference a formula in float64,
 * so that results and gradients of inputs and weights are compared on every backend, fused and not. The shapes that the
 * layer declares are compared with those it makes.
 */
import { expect } from 'chai';
import type { Value } from '../../lib/graph/graph.js';
import type { Layer } from '../../lib/layers/layer.js';
import { FLAG, STATE, type CaseInput, type Numbers, type OpCase } from '../cases/op_case.js';

export interface LayerCase {
  name: string;
  layer: Layer;
  /** The layer's inputs in order, batch first; weights are added under their roles. */
  inputs: Record<string, CaseInput>;
  /** Masks of the inputs, by name: [rows, time]. */
  masks?: Record<string, readonly number[]>;
  training?: boolean;
  /** The result (`y`; of several `y0`, `y1` …), and the result's mask (`mask`) where one is expected. */
  reference(numbers: Numbers): Numbers;
  terms?: number;
  gradients?: readonly string[];
}

export function layerCase({ name, layer, inputs, masks = {}, training = false, reference, terms, gradients }: LayerCase): OpCase {
  const names = Object.keys(inputs);
  const samples = names.map((n) => inputs[n]!.shape.slice(1));
  const weights = layer.parts.weights(samples);
  const outputs = layer.parts.outputShapes(samples);
  const maskInputs = Object.entries(masks).map(([n, data]): [string, CaseInput] => [
    `mask_${n}`,
    { shape: inputs[n]!.shape.slice(0, 2), data },
  ]);
  const all: Record<string, CaseInput> = {
    ...inputs,
    ...Object.fromEntries(weights.map(({ role, shape }) => [role, { shape }])),
    ...Object.fromEntries(maskInputs),
    state: STATE,
    flag: FLAG,
  };
  const isMask = (n: string) => n.startsWith('mask_');
  return {
    name,
    inputs: all,
    build(values) {
      let mask: Value | undefined;
      const masksOf = names.map((n) => values[`mask_${n}`]);
      const given = masksOf.find((m) => m !== undefined);
      if (layer.parts.passesMask) mask = given;
      const results = layer.parts.call(
        names.map((n) => values[n]!),
        {
          training,
          trainable: true,
          isFrozen: () => false,
          state: values.state!,
          flag: values.flag!,
          mask: given,
          masks: masksOf,
          setMask: (m, result = 0) => {
            if (result === 0) mask = m;
          },
          weight: (role) => values[role]!,
          update: () => {
            throw new Error(`${name} updates a weight`);
          },
          addLoss: () => {
            throw new Error(`${name} adds to the loss`);
          },
          stream: () => 1,
          carried: () => {
            throw new Error(`${name} carries something over`);
          },
          carry: () => {
            throw new Error(`${name} carries something over`);
          },
        },
      );
      const rows = inputs[names[0]!]!.shape[0]!;
      expect(
        results.map((v) => v.shape),
        'declared shapes',
      ).to.deep.equal(outputs.map((s) => [rows, ...s]));
      const made = Object.fromEntries(results.map((v, i) => [results.length === 1 ? 'y' : `y${i}`, v]));
      return mask ? { ...made, mask } : made;
    },
    reference,
    gradients: gradients ?? Object.keys(all).filter((n) => (all[n]!.dtype ?? 'float32') === 'float32' && !isMask(n)),
    ...(terms !== undefined && { terms }),
  };
}
