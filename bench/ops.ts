/**
 * Ops against their rooflines: every instruction of every sized case (bench/op_sizes.ts), timed alone. The roofline is the
 * larger of bytes over the rate at which this machine copies, and operations over the rate of its matrix product; both
 * are measured first. A share above 100 % means that data came from the caches.
 */
import Table from 'cli-table3';
import { OP_TABLE } from '../lib/ops/table.js';
import { measureLimits, type Limits } from './limits.js';
import { SIZED_CASES } from './op_sizes.js';
import { timeCase } from './time_case.js';

export interface OpRow {
  readonly op: string;
  readonly case: string;
  readonly shapes: string;
  readonly microseconds: number;
  readonly gigabytesPerSecond: number;
  readonly gigaflops: number;
  /** Time at the roofline over time taken. */
  readonly share: number;
}

/** Times every case; ERR when an op of the table is in none. */
export async function benchOps(device: string, only: readonly string[] | undefined): Promise<{ limits: Limits; rows: OpRow[] }> {
  const limits = await measureLimits(device);
  const rows: OpRow[] = [];
  for (const test of SIZED_CASES) {
    if (only && !only.some((o) => test.name.includes(o))) continue;
    process.stderr.write(`${test.name}\n`);
    for (const { op, shapes, seconds, bytes, flops } of await timeCase(test, device)) {
      rows.push({
        op,
        case: test.name,
        shapes: shapes.map((s) => `[${s.join(', ')}]`).join(' '),
        microseconds: seconds * 1e6,
        gigabytesPerSecond: bytes / seconds / 1e9,
        gigaflops: flops / seconds / 1e9,
        share: Math.max(bytes / limits.bandwidth, flops / limits.float32) / seconds,
      });
    }
  }
  const timed = new Set(rows.map((r) => r.op));
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const missing = OP_TABLE.filter((op) => op.backends.includes(backend) && !timed.has(op.name)).map((op) => op.name);
  if (!only && missing.length > 0) throw new Error(`No sized case has ${missing.join(', ')}: add one to bench/op_sizes.ts`);
  return { limits, rows };
}

export function printOps({ limits, rows }: { limits: Limits; rows: readonly OpRow[] }): string {
  const line = (r: OpRow) => [
    r.op,
    r.case,
    r.shapes,
    r.microseconds.toFixed(1),
    r.gigabytesPerSecond.toFixed(1),
    r.gigaflops > 0 ? r.gigaflops.toFixed(0) : '',
    `${(100 * r.share).toFixed(0)} %`,
  ];
  const head = ['op', 'case', 'shapes', 'µs', 'GB/s', 'GFLOP/s', 'of roofline'];
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  for (const r of [...rows].sort((a, b) => a.share - b.share)) table.push(line(r));
  // Work below some microseconds is the price of a call, not of a kernel.
  const worst = [...rows].filter((r) => r.microseconds > 20).sort((a, b) => a.share - b.share);
  const named = worst.slice(0, 10).map((r, i) => `${i + 1}. ${r.op} (${r.case}): ${(100 * r.share).toFixed(0)} %`);
  const limit = `copy ${(limits.bandwidth / 1e9).toFixed(1)} GB/s, matrix product ${(limits.float32 / 1e9).toFixed(0)} GFLOP/s`;
  return `${table.toString()}\nLimits: ${limit}\nThe ten furthest from their roofline, of those above 20 µs:\n${named.join('\n')}\n`;
}
