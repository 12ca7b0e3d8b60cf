/** The namespace `gs.metrics`. */
export { accuracy } from './accuracy.js';
export type { Metric, MetricFunction } from './metric.js';
