/** What `model.profile` found, and how it is shown: a table, and a trace in Chrome's Trace Event Format. */
import { formatShape, type Shape } from '../../graph/shape.js';
import type { Precision } from '../../ops/precision.js';
import { textTable } from '../text_table.js';
import type { Limits } from './limits.js';

/** An instruction of a program, as it ran in the midst of the others. */
export interface ProfiledInstruction {
  readonly op: string;
  /** The layer that it belongs to, or `data`, `loss`, `optimizer`, `step`. */
  readonly layer: string;
  /** Shapes of its results; of what it reads where it has none. */
  readonly shapes: readonly Shape[];
  /** Median of all steps. */
  readonly milliseconds: number;
  /** Part of the time of all instructions, 0 to 1. */
  readonly share: number;
  /** 10⁹ floating-point operations a second, of products and convolutions; 0 for other ops. */
  readonly gflops: number;
  /** 10⁹ bytes a second, of what it must read and write once. */
  readonly gbs: number;
  /** The time it would take at the limits over the time it took. Above 1 where data came from caches. */
  readonly roofline: number;
}

/** An event with a beginning and a duration; `ts` and `dur` in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: 'X';
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
}

/** Rows that the table has, besides the sum of the others. */
const ROWS = 24;

const COLUMNS = [
  { head: 'op', align: 'left' },
  { head: 'layer', align: 'left' },
  { head: 'result', align: 'left' },
  { head: 'ms', align: 'right' },
  { head: 'share', align: 'right' },
  { head: 'GFLOP/s', align: 'right' },
  { head: 'GB/s', align: 'right' },
  { head: 'of roofline', align: 'right' },
] as const;

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

export class Profile {
  /** @internal */
  constructor(
    /** `cpu` or `cuda:0`. */
    readonly device: string,
    readonly precision: Precision,
    /** Threads on the processor; 0 on a GPU. */
    readonly threads: number,
    /** Rows of the batch. */
    readonly rows: number,
    /** How many steps were timed. */
    readonly steps: number,
    /** A whole step without a clock inside: the median. */
    readonly milliseconds: number,
    /** In the order in which they run. */
    readonly instructions: readonly ProfiledInstruction[],
    /** What the device can do at best, as measured. */
    readonly limits: Limits,
  ) {}

  /** Milliseconds of all instructions. */
  private get total(): number {
    return this.instructions.reduce((sum, i) => sum + i.milliseconds, 0);
  }

  /** The instructions that take longest, the longest first; then the sum of the others, and of all. */
  table(): string {
    const sorted = [...this.instructions].sort((a, b) => b.milliseconds - a.milliseconds);
    const rates = (list: readonly ProfiledInstruction[]): string[] => {
      const sum = (of: (i: ProfiledInstruction) => number): number => list.reduce((n, i) => n + of(i), 0);
      const milliseconds = sum((i) => i.milliseconds);
      const mean = (rate: (i: ProfiledInstruction) => number): number =>
        milliseconds > 0 ? sum((i) => rate(i) * i.milliseconds) / milliseconds : 0;
      const gflops = mean((i) => i.gflops);
      return [
        milliseconds.toFixed(3),
        percent(sum((i) => i.share)),
        gflops > 0 ? gflops.toFixed(0) : '',
        mean((i) => i.gbs).toFixed(1),
        percent(mean((i) => i.roofline)),
      ];
    };
    const rows = sorted.slice(0, ROWS).map((i) => [i.op, i.layer, formatShape(i.shapes[0] ?? []), ...rates([i])]);
    const others = sorted.slice(ROWS);
    if (others.length > 0) rows.push([`${others.length} others`, '', '', ...rates(others)]);
    const { device, precision, threads, limits, milliseconds } = this;
    const where = threads > 0 ? `${device} (${threads} ${threads === 1 ? 'thread' : 'threads'})` : device;
    const rate = ((1000 * this.rows) / milliseconds).toFixed(0);
    return [
      ...textTable(COLUMNS, rows, [['all', '', '', ...rates(sorted)]]),
      `A step of ${this.rows} rows takes ${milliseconds.toFixed(3)} ms (${rate} samples/s): ${precision} on ${where}, median of ${this.steps}.`,
      `Limits: matrix product ${limits.gflops.toFixed(0)} GFLOP/s, memory ${limits.gbs.toFixed(1)} GB/s.`,
    ].join('\n');
  }

  /**
   * One step in Chrome's Trace Event Format, which Perfetto and chrome://tracing show: the step, and inside it the
   * instructions one after the other, each with its median time.
   */
  chromeTrace(): ChromeTrace {
    const { device, precision, threads, rows, milliseconds, limits } = this;
    const place = { ph: 'X', pid: 1, tid: 1 } as const;
    let ts = 0;
    const events = this.instructions.map(
      ({ op, layer, milliseconds: taken, shapes, share, gflops, gbs, roofline }): TraceEvent => {
        const event = { name: op, cat: layer, ...place, ts, dur: taken * 1000, args: { shapes, share, gflops, gbs, roofline } };
        // The next one begins where this one ends, to the last bit.
        ts += event.dur;
        return event;
      },
    );
    const args = { device, precision, threads, rows, milliseconds, limits };
    return { traceEvents: [{ name: 'step', cat: 'step', ...place, ts: 0, dur: ts, args }, ...events], displayTimeUnit: 'ms' };
  }
}
