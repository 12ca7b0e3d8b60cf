/**
 * The report: the small tensors that tell how a run went, together so that one read after a run gives everything.
 * Counters (int32 [4]: step, row cursor, seed), error flag (int32 [4]: code, index, value, step), what the updates of a step
 * found (int32 [1], until the step's end), and for the loss and each metric a total (float64: the sums it is computed from).
 * Training and inference have one each.
 */
import type { Variable } from '../graph/graph.js';
import type { Metric, MetricSetting, MetricValue } from '../metrics/metric.js';
import { seedWords } from '../random.js';
import type { Layout } from '../runtime/layout.js';
import type { Range } from '../runtime/session.js';

export interface Flag {
  readonly code: number;
  readonly index: number;
  readonly value: number;
  readonly step: number;
}

/** What a run reported. */
export interface Report {
  readonly step: number;
  readonly cursor: number;
  readonly flag: Flag;
  /** The loss and each metric over what was seen since the totals were cleared; a mean of nothing is NaN. */
  readonly values: readonly MetricValue[];
}

/** What the loss or a metric keeps in a report. */
export interface Total {
  /** Its key in histories. */
  readonly name: string;
  /** How many float64 sums. */
  readonly size: number;
  /** Its value from them. */
  value(sums: Float64Array): MetricValue;
}

/** The total of a mean: Σ w·x and Σ w. */
export function meanTotal(name: string): Total {
  return { name, size: 2, value: (sums) => sums[0]! / sums[1]! };
}

/** The total of a metric. */
export function metricTotal(name: string, metric: Metric, setting: MetricSetting): Total {
  return { name, size: metric.size(setting), value: (sums) => metric.result(sums, setting) };
}

/** Codes of native/core/state.h. */
export const FLAG = { none: 0, labelRange: 1, notFinite: 2, rowRange: 3, indexRange: 4, metricRange: 5, gradient: 6 } as const;

export class ReportBlock {
  readonly state: Variable;
  readonly flag: Variable;
  readonly fault: Variable;
  readonly totals: readonly Variable[];
  readonly range: Range;
  private readonly offsets: { state: number; flag: number; totals: readonly number[] };

  /** Places the variables at the end of a layout; `name` is `train` or `inference`. */
  constructor(
    layout: Layout,
    name: string,
    private readonly sums: readonly Total[],
  ) {
    const start = layout.bytes;
    this.state = layout.variable(`${name}/state`, 'int32', [4]);
    this.flag = layout.variable(`${name}/flag`, 'int32', [4]);
    this.fault = layout.variable(`${name}/fault`, 'int32', [1]);
    this.totals = sums.map((t) => layout.variable(`${name}/${t.name}`, 'float64', [t.size]));
    this.range = { offset: start, bytes: layout.bytes - start };
    const at = (v: Variable) => layout.offsetOf(v) - start;
    this.offsets = { state: at(this.state), flag: at(this.flag), totals: this.totals.map(at) };
  }

  /** The bytes of a fresh report: the given step and seed, cursor 0, no flag, totals cleared. */
  fresh(step: number, seed: number): Uint8Array {
    const bytes = new Uint8Array(this.range.bytes);
    const { low, high } = seedWords(seed);
    new Uint32Array(bytes.buffer, this.offsets.state, 4).set([step, 0, low, high]);
    return bytes;
  }

  parse(bytes: ArrayBuffer): Report {
    const [step, cursor] = new Int32Array(bytes, this.offsets.state, 2) as unknown as [number, number];
    const [code, index, value, at] = new Int32Array(bytes, this.offsets.flag, 4) as unknown as [number, number, number, number];
    const values = this.sums.map((t, i) => t.value(new Float64Array(bytes, this.offsets.totals[i], t.size)));
    return { step, cursor, flag: { code, index, value, step: at }, values };
  }
}
