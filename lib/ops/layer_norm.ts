/**
 * layerNorm: x viewed as [rows, length], each row normalised: y = (x − mean)/√(variance + epsilon)·gamma + beta (Ba, Kiros
 * & Hinton 2016), or as `rms` y = x/√(mean of x² + epsilon)·gamma (Zhang & Sennrich 2019). layerNormGrad is its
 * derivative; it reads x and dy once, or twice on CUDA where rows are longer than a block's registers hold (4,096) or odd.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { reshape } from './reshape.js';

const float = { dtypes: ['float32'] } as const;
const optionalFloat = { ...float, optional: true } as const;
const stored = { dtypes: ['float32', 'bfloat16'] } as const;
const attributes = { length: { type: 'i32' }, kind: { type: 'enum', values: ['standard', 'rms'] } } as const;

export const layerNormOp = defineOp({
  name: 'layerNorm',
  inputs: { x: stored, gamma: optionalFloat, beta: optionalFloat },
  outputs: { y: { ...stored, inPlace: ['x'] }, mean: optionalFloat, rstd: float },
  attrs: { ...attributes, epsilon: { type: 'f32' } },
  infer({ x, gamma, beta }, attrs): Record<string, TensorType> {
    const length = attrs.length as number;
    for (const [name, value] of Object.entries({ gamma, beta })) {
      if (value && sizeOf(value.shape) !== length) {
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected ${name} of ${length} elements but received one of shape ${formatShape(value.shape)}`,
        );
      }
    }
    const perRow: TensorType = { dtype: 'float32', shape: [sizeOf(x!.shape) / length] };
    const y: TensorType = { dtype: 'float32', shape: x!.shape };
    return attrs.kind === 'rms' ? { y, rstd: perRow } : { y, mean: perRow, rstd: perRow };
  },
  backward({ node, grads, needs }) {
    const { x, gamma, beta } = node.inputs as { x: Value; gamma?: Value; beta?: Value };
    const { mean, rstd } = node.outputs;
    const { length, kind } = node.attrs;
    const withParameters = needs('gamma') || needs('beta') ? 'yes' : 'no';
    const made = x.graph.add(
      layerNormGradOp,
      { x, dy: grads.y, gamma, mean, rstd },
      { length: length!, kind: kind!, withParameters },
    );
    const { dx, dgamma, dbeta } = made.outputs;
    return { x: dx, gamma: gamma && dgamma && reshape(dgamma, gamma.shape), beta: beta && dbeta && reshape(dbeta, beta.shape) };
  },
});

export const layerNormGradOp = defineOp({
  name: 'layerNormGrad',
  inputs: { x: stored, dy: stored, gamma: optionalFloat, mean: optionalFloat, rstd: float },
  outputs: { dx: { ...stored, inPlace: ['dy', 'x'] }, dgamma: optionalFloat, dbeta: optionalFloat },
  attrs: { ...attributes, withParameters: { type: 'enum', values: ['no', 'yes'] } },
  infer({ x }, attrs): Record<string, TensorType> {
    const dx: TensorType = { dtype: 'float32', shape: x!.shape };
    const sums: TensorType = { dtype: 'float32', shape: [attrs.length as number] };
    return attrs.withParameters === 'yes' ? { dx, dgamma: sums, dbeta: sums } : { dx };
  },
});

function add(
  kind: 'standard' | 'rms',
  x: Value,
  gamma: Value | undefined,
  beta: Value | undefined,
  axes: number,
  epsilon: number,
): Value {
  const length = sizeOf(x.shape.slice(x.shape.length - axes));
  return x.graph.add(layerNormOp, { x, gamma, beta }, { length, kind, epsilon }).outputs.y!;
}

/**
 * Normalises over the last `axes` axes of x by their mean and biased variance, then scales and shifts.
 * @param gamma of as many elements as those axes have together; 1 where absent
 * @param beta likewise; 0 where absent
 */
export function layerNorm(
  x: Value,
  gamma: Value | undefined,
  beta: Value | undefined,
  epsilon: number,
  { axes = 1 }: { axes?: number } = {},
): Value {
  return add('standard', x, gamma, beta, axes, epsilon);
}

/** x/√(mean of x² over the last `axes` axes + epsilon)·gamma. */
export function rmsNorm(x: Value, gamma: Value | undefined, epsilon: number, { axes = 1 }: { axes?: number } = {}): Value {
  return add('rms', x, gamma, undefined, axes, epsilon);
}
