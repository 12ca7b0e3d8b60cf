/**
 * multiHeadAttention (Vaswani et al. 2017). Weights, in Keras's order and layouts: query/kernel [in, heads, keyDim] and
 * query/bias [heads, keyDim], the same of key, value/kernel [in, heads, valueDim] and value/bias [heads, valueDim],
 * attention_output/kernel [heads, valueDim, …out] and attention_output/bias [...out].
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { glorotUniform, zeros } from '../initializers/index.js';
import { attention } from '../ops/attention.js';
import { elementwise } from '../ops/map.js';
import { matmul } from '../ops/matmul.js';
import { reshape } from '../ops/reshape.js';
import { boolean, integer, number, optional, shape, type Check, type SchemaOf } from '../options.js';
import { defineMergeLayer, type CallContext, type Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { weight, weightOptions, type BiasOptions, type KernelOptions } from './weight_options.js';

export interface MultiHeadAttentionOptions extends LayerOptions, KernelOptions, BiasOptions {
  /** Number of heads. */
  numHeads: number;
  /** Size of each head's queries and keys. */
  keyDim: number;
  /** Size of each head's values. Default keyDim. */
  valueDim?: number;
  /** While training, probability of each attention weight to be dropped, in [0, 1). Default 0. */
  dropout?: number;
  /** Whether the four projections have biases. Default true. */
  useBias?: boolean;
  /** Size, or shape, of what the result has at each step. Default: that of the queries. */
  outputShape?: number | readonly number[];
  /** Whether a step sees only itself and the steps before it. Default false. */
  useCausalMask?: boolean;
}

const sizes: Check<readonly number[]> = (value, name) => {
  const list = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(list) || list.length === 0) throw optionError(name, 'integer > 0 or array of them', value);
  return shape(list, name);
};

const options = {
  numHeads: integer(1),
  keyDim: integer(1),
  valueDim: optional(integer(1), undefined),
  dropout: optional(
    number('number in [0, 1)', (v) => v >= 0 && v < 1),
    0,
  ),
  useBias: optional(boolean, true),
  outputShape: optional(sizes, undefined),
  useCausalMask: optional(boolean, false),
  ...weightOptions('kernel', glorotUniform()),
  ...weightOptions('bias', zeros()),
} satisfies SchemaOf<Omit<MultiHeadAttentionOptions, keyof LayerOptions>>;

/** Query, value and key of one to three inputs: what is missing is what stands before it. */
export function roles<T>(inputs: readonly T[]): { query: T; value: T; key: T } {
  const [query, value = query, key = value] = inputs;
  return { query: query!, value: value!, key: key! };
}

/** ERR_SHAPE unless the inputs are one to three sequences and key and value equally long. */
export function checkSequences(layer: string, inputs: readonly Shape[]): void {
  if (inputs.length > 3) {
    throw new GradstepError('ERR_SHAPE', `Expected [query, value, key] for layers.${layer} but received ${inputs.length} inputs`);
  }
  const wrong = inputs.find((s) => s.length !== 2);
  if (wrong) {
    throw new GradstepError('ERR_SHAPE', `Expected samples of shape [time, features] but received ${formatShape(wrong)}`);
  }
  const { value, key } = roles(inputs);
  if (value[0] !== key[0]) {
    const shapes = `${formatShape(value)} and ${formatShape(key)}`;
    throw new GradstepError('ERR_SHAPE', `Expected a value and a key of as many steps but received ${shapes}`);
  }
}

/** The steps that may be attended to: the mask of the value, of the key, or both; [rows, time]. */
export function keyMask(context: CallContext, inputs: number): Value | undefined {
  const { value, key } = roles(context.masks.slice(0, inputs).map((mask) => ({ mask })));
  if (value.mask === undefined || key.mask === undefined || value.mask === key.mask) return value.mask ?? key.mask;
  return elementwise('mul', value.mask, key.mask);
}

/** x [rows, time, features] times kernel [features, …] plus bias: [rows, time, …]. */
function project(x: Value, role: string, useBias: boolean, context: CallContext): Value {
  const features = x.shape.at(-1)!;
  const kernel = context.weight(`${role}/kernel`);
  const units = sizeOf(kernel.shape) / features;
  const bias = useBias ? reshape(context.weight(`${role}/bias`), [units]) : undefined;
  const rows = reshape(x, [sizeOf(x.shape) / features, features]);
  return reshape(matmul(rows, reshape(kernel, [features, units]), false, false, bias), [...x.shape.slice(0, -1), units]);
}

const make = defineMergeLayer({
  className: 'MultiHeadAttention',
  factory: 'multiHeadAttention',
  baseName: 'multi_head_attention',
  options,
  weights(o, inputs) {
    const { query, value, key } = roles(inputs.map((s) => s.at(-1)!));
    const { numHeads, keyDim, valueDim = keyDim, outputShape = [query] } = o;
    const projection = (role: string, from: Shape, to: Shape): WeightSpec[] => [
      { ...weight(o, 'kernel', [...from, ...to], `${role}/kernel`), matrix: [sizeOf(from), sizeOf(to)] },
      ...(o.useBias ? [weight(o, 'bias', to, `${role}/bias`)] : []),
    ];
    return [
      ...projection('query', [query], [numHeads, keyDim]),
      ...projection('key', [key], [numHeads, keyDim]),
      ...projection('value', [value], [numHeads, valueDim]),
      ...projection('attention_output', [numHeads, valueDim], outputShape),
    ];
  },
  outputShape({ outputShape }, inputs) {
    checkSequences('multiHeadAttention', inputs);
    const [time, features] = inputs[0]! as [number, number];
    return [time, ...(outputShape ?? [features])];
  },
  call(o, inputs, context) {
    const { numHeads, keyDim, valueDim = keyDim, useBias } = o;
    const given = roles(inputs);
    const heads = (role: 'query' | 'key' | 'value', size: number): Value => {
      const x = given[role];
      return reshape(project(x, role, useBias, context), [...x.shape.slice(0, -1), numHeads, size]);
    };
    const mask = keyMask(context, inputs.length);
    const y = attention(heads('query', keyDim), heads('key', keyDim), heads('value', valueDim), context.state, {
      causal: o.useCausalMask,
      ...(mask && { mask }),
      ...(context.training && o.dropout > 0 && { rate: o.dropout, stream: context.stream('dropout') }),
    });
    context.setMask(context.masks[0]);
    const [rows, time] = y.shape as [number, number];
    const out = project(reshape(y, [rows, time, numHeads * valueDim]), 'attention_output', useBias, context);
    return reshape(out, [rows, time, ...(o.outputShape ?? [given.query.shape.at(-1)!])]);
  },
});

/**
 * Attention of several heads: each projects queries, keys and values, weighs the values by
 * softmax(query·key / √keyDim), and the heads' results are projected together. Apply it to one sequence [time, features],
 * which attends to itself, or to [query, value] or [query, value, key]; the result is [query's time, …outputShape].
 * Masked steps of value and key are not seen; the result has the query's mask.
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): Layer {
  return make(options);
}
