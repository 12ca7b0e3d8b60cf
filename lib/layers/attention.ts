/** attention (Luong et al. 2015): softmax(query·key)·value, without projections. Weight, with useScale: scale []. */
import { GradstepError } from '../errors.js';
import { formatShape } from '../graph/shape.js';
import { ones } from '../initializers/index.js';
import { attention as attend } from '../ops/attention.js';
import { elementwise } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import { boolean, number, optional, type SchemaOf } from '../options.js';
import { defineMergeLayer, type Layer, type LayerOptions } from './define_layer.js';
import { checkSequences, keyMask, roles } from './multi_head_attention.js';

export interface AttentionOptions extends LayerOptions {
  /** Whether the scores are multiplied by a learned number. Default false. */
  useScale?: boolean;
  /** While training, probability of each attention weight to be dropped, in [0, 1). Default 0. */
  dropout?: number;
  /** Whether a step sees only itself and the steps before it. Default false. */
  useCausalMask?: boolean;
}

const options = {
  useScale: optional(boolean, false),
  dropout: optional(
    number('number in [0, 1)', (v) => v >= 0 && v < 1),
    0,
  ),
  useCausalMask: optional(boolean, false),
} satisfies SchemaOf<Omit<AttentionOptions, keyof LayerOptions>>;

const make = defineMergeLayer({
  className: 'Attention',
  factory: 'attention',
  baseName: 'attention',
  options,
  weights: ({ useScale }) => (useScale ? [{ role: 'scale', shape: [], initializer: ones() }] : []),
  outputShape(_options, inputs) {
    checkSequences('attention', inputs);
    const { query, value, key } = roles(inputs);
    if (query[1] !== key[1]) {
      const shapes = `${formatShape(query)} and ${formatShape(key)}`;
      throw new GradstepError('ERR_SHAPE', `Expected a query and a key of as many features but received ${shapes}`);
    }
    return [query[0]!, value[1]!];
  },
  call({ useScale, dropout, useCausalMask }, inputs, context) {
    const one = roles(inputs.map((x) => reshape(x, [x.shape[0]!, x.shape[1]!, 1, x.shape[2]!])));
    const query = useScale ? elementwise('mul', one.query, context.weight('scale')) : one.query;
    const mask = keyMask(context, inputs.length);
    const y = attend(query, one.key, one.value, context.state, {
      scale: 1,
      causal: useCausalMask,
      ...(mask && { mask }),
      ...(context.training && dropout > 0 && { rate: dropout, stream: context.stream('dropout') }),
    });
    const result = reshape(y, [y.shape[0]!, y.shape[1]!, y.shape[3]!]);
    const queryMask = context.masks[0];
    context.setMask(queryMask);
    return queryMask ? elementwise('mul', result, reshape(queryMask, [...queryMask.shape, 1])) : result;
  },
});

/**
 * Weighs the values by softmax(query·key). Apply it to [query, value] or [query, value, key], sequences [time, features];
 * the result is [query's time, value's features]. Masked steps of value and key are not seen; masked steps of the query
 * become 0, and the result has its mask.
 */
export function attention(options?: AttentionOptions): Layer {
  return make(options);
}
