/**
 * What a step does with the outputs of a model: compares them with labels, adds to the totals of loss and metrics, and
 * says what training minimises.
 */
import { GradstepError } from '../errors.js';
import type { Graph, Value } from '../graph/graph.js';
import { meanPerSample } from '../losses/loss.js';
import type { Metric } from '../metrics/metric.js';
import { broadcastTo, elementwise } from '../ops/map.js';
import { metricSum } from '../ops/metric_sum.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { sizeOf } from '../graph/shape.js';
import type { Compiled, CompiledOutput } from './compile_options.js';
import type { ReportBlock } from './report.js';

/** An output with what it is compared to. */
export interface Compared {
  readonly output: CompiledOutput;
  readonly yPred: Value;
  readonly yTrue: Value;
  /** Of samples, or of their positions: [rows] or [rows, …]; undefined where all count alike. */
  readonly weights: Value | undefined;
  /** Which positions count: 1 or 0, [rows, …]; undefined where all do. */
  readonly mask: Value | undefined;
}

/** Keeps the division finite where a mask leaves nothing. */
const EPSILON = 1e-7;

/** `factor` [rows, …] with axes of size 1 appended until it broadcasts to `x` [rows, …, …]. */
function aligned(factor: Value, x: Value): Value {
  return reshape(factor, [...factor.shape, ...x.shape.slice(factor.shape.length).map(() => 1)]);
}

/** What each position counts for: its weight, and nothing where the mask says so. */
function product(weights: Value | undefined, mask: Value | undefined): Value | undefined {
  if (!weights || !mask) return weights ?? mask;
  const [less, more] = weights.shape.length <= mask.shape.length ? [weights, mask] : [mask, weights];
  return elementwise('mul', more, aligned(less, more));
}

/** Loss of each sample of one output, [rows]: as Keras, masked positions are left out of the batch's mean. */
function weightedLoss({ output, yPred, yTrue, weights, mask }: Compared, state: Value, flag: Value): Value {
  let positions = output.loss!.perPosition(yTrue, yPred, { state, flag });
  if (mask && mask.shape.length <= positions.shape.length) {
    const counted = elementwise('add', sum(mask), EPSILON);
    const scale = elementwise('div', sizeOf(mask.shape), counted);
    positions = elementwise('mul', positions, aligned(elementwise('mul', mask, scale), positions));
  }
  if (weights) positions = elementwise('mul', positions, aligned(weights, positions));
  return meanPerSample(positions);
}

/** What is compared, and what it comes to. */
export interface Comparison {
  readonly rows: number;
  readonly parts: readonly Compared[];
  /** What regularizers and layers add, []. */
  readonly penalty: Value | undefined;
}

/** The loss of each sample, [rows], of all there is; ERR_OPTION where there is nothing. */
function added(terms: readonly Value[], { rows, penalty }: Comparison): Value {
  const whole = penalty && reshape(penalty, [1]);
  if (terms.length > 0) {
    const total = terms.reduce((a, b) => elementwise('add', a, b));
    return whole ? elementwise('add', total, broadcastTo(whole, total.shape)) : total;
  }
  if (whole) return broadcastTo(whole, [rows]);
  throw new GradstepError(
    'ERR_OPTION',
    'Expected a loss for an output, or layers that add to the loss, but compile.loss is null and no layer does',
  );
}

/** Adds to the totals of loss and metrics; returns the loss of each sample, [rows], summed over the outputs. */
export function compare(graph: Graph, options: Compiled, report: ReportBlock, comparison: Comparison): Value {
  const { parts } = comparison;
  const [state, flag] = [graph.read(report.state), graph.read(report.flag)];
  let next = 0;
  const nextTotal = () => graph.read(report.totals[next++]!);
  const several = options.outputs.length > 1;
  return graph.inScope('loss', () => {
    const losses = parts.map((part) => weightedLoss(part, state, flag));
    const terms = losses.map((loss, i) => {
      const { weight } = parts[i]!.output;
      return weight === 1 ? loss : elementwise('mul', loss, weight);
    });
    const total = added(terms, comparison);
    metricSum(total, nextTotal(), state, flag, options.onNaN === 'error');
    if (several) for (const loss of losses) metricSum(loss, nextTotal(), state, flag, false);
    for (const { output, yTrue, yPred, weights, mask } of parts) {
      const context = { labels: output.loss!.labels, loss: output.loss!.name, state, flag };
      const add = (metric: Metric, counted: Value | undefined) =>
        graph.inScope(metric.name, () => metric.update(yTrue, yPred, { ...context, total: nextTotal(), weights: counted }));
      for (const metric of output.metrics) add(metric, mask);
      for (const metric of output.weightedMetrics) add(metric, product(weights, mask));
    }
    return total;
  });
}
