/**
 * layerNorm: x viewed as [rows, length], each row normalised: y = (x − mean)/√(variance + epsilon)·gamma + beta (Ba, Kiros
 * & Hinton 2016), or as `rms` y = x/√(mean of x² + epsilon)·gamma (Zhang & Sennrich 2019). layerNormGrad is its
 * derivative; it reads x and dy once, or twice on CUDA where rows are longer than a block's registers hold (4,096) or odd.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Node, Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { pullBack, type Named } from './autodiff.js';
import { addGiven, elementwise } from './map.js';
import { mean as meanOf, sum } from './reduce_sum.js';
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
    // By the statistics only where a layerNormGrad was differentiated.
    const { x: throughStatistics } = pullBack({ x }, ({ x: of }) => statistics(of!, node.attrs), {
      mean: grads.mean,
      rstd: grads.rstd,
    });
    if (!grads.y) return { x: throughStatistics };
    const withParameters = needs('gamma') || needs('beta') ? 'yes' : 'no';
    const made = x.graph.add(
      layerNormGradOp,
      { x, dy: grads.y, gamma, mean, rstd },
      { length: length!, kind: kind!, withParameters },
    );
    const { dx, dgamma, dbeta } = made.outputs;
    return {
      x: addGiven(dx, throughStatistics),
      gamma: gamma && dgamma && reshape(dgamma, gamma.shape),
      beta: beta && dbeta && reshape(dbeta, beta.shape),
    };
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
  backward: ({ node, grads }) => pullBack(node.inputs, (given) => slope(given, node.attrs), grads),
});

const rowsOf = (x: Value, { length }: Node['attrs']): Value => {
  const size = length as number;
  return reshape(x, [sizeOf(x.shape) / size, size]);
};

/** mean and rstd of rows, as layerNorm yields them. */
function statistics(x: Value, attrs: Node['attrs']): Named {
  const rows = rowsOf(x, attrs);
  const mean = attrs.kind === 'rms' ? undefined : meanOf(rows, [1], true);
  const variance = meanOf(elementwise('square', mean ? elementwise('sub', rows, mean) : rows), [1]);
  const rstd = elementwise('div', 1, elementwise('sqrt', elementwise('add', variance, attrs.epsilon as number)));
  return { mean: mean && reshape(mean, rstd.shape), rstd };
}

/** What layerNormGrad makes: with x̂ = (x − mean)·rstd and g = dy·gamma, dx = rstd·(g − mean of g − x̂·mean of g·x̂), per row. */
function slope(given: Named, attrs: Node['attrs']): Named {
  const [x, dy] = [rowsOf(given.x!, attrs), rowsOf(given.dy!, attrs)];
  const column = (v: Value): Value => reshape(v, [x.shape[0]!, 1]);
  const rstd = column(given.rstd!);
  const normal = elementwise('mul', given.mean ? elementwise('sub', x, column(given.mean)) : x, rstd);
  const g = given.gamma ? elementwise('mul', dy, reshape(given.gamma, [x.shape[1]!])) : dy;
  const along = elementwise('mul', normal, meanOf(elementwise('mul', g, normal), [1], true));
  const across = given.mean ? elementwise('sub', g, meanOf(g, [1], true)) : g;
  return {
    dx: reshape(elementwise('mul', rstd, elementwise('sub', across, along)), given.x!.shape),
    dgamma: sum(elementwise('mul', dy, normal), [0]),
    dbeta: sum(dy, [0]),
  };
}

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
