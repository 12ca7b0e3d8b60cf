/** What metrics make of chosen outputs: a model of one linear activation passes its input through. */
import { expect } from 'chai';
import * as gs from '../../lib/index.js';
import type { MetricValue } from '../../lib/metrics/metric.js';

/** Values of metrics for chosen outputs. */
export async function measure(
  outputs: number[][] | number[][][],
  labels: gs.TensorLike,
  loss: gs.CompileOptions['loss'],
  metrics: NonNullable<gs.CompileOptions['metrics']>,
  {
    weights,
    batchSize = 5,
    device = 'cpu',
    activation = 'linear',
  }: {
    weights?: number[];
    batchSize?: number;
    device?: string;
    activation?: gs.ActivationName;
  } = {},
): Promise<Record<string, MetricValue>> {
  const x = gs.tensor(outputs);
  using model = gs.sequential([gs.layers.activation({ activation, inputShape: x.shape.slice(1) })]);
  const list = weights ? { weightedMetrics: metrics } : { metrics };
  model.compile({ optimizer: 'sgd', loss, ...list, device });
  return await model.evaluate(x, labels, { batchSize, ...(weights && { sampleWeight: Float32Array.from(weights) }) });
}

/** Equal up to float32 arithmetic on the way to the sums. */
export function expectClose(actual: unknown, expected: MetricValue, what: string): void {
  if (Array.isArray(expected)) {
    expect(actual, what).to.be.an('array').with.length(expected.length);
    expected.forEach((e, i) => expectClose((actual as unknown[])[i], e, `${what}[${i}]`));
  } else {
    expect(actual, what).to.be.closeTo(expected, 2e-6 * Math.max(1, Math.abs(expected)));
  }
}
