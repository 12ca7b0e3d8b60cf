/** The table of a comparison. */
import Table from 'cli-table3';
import type { Comparison } from './compare.js';
import { bestPeer, bestVariants, isRow, isTrusted, LOSS_TOLERANCE, referenceLoss, type Failure, type Row } from './row.js';

const HEAD = ['workload', 'precision', 'implementation', 'ms/step', 'samples/s', 'of best peer', 'of limit', 'peak MB', 'loss'];

function shownLoss({ loss }: Row, trusted: boolean): string {
  if (loss === null) return '–';
  return `${loss.toFixed(3)}${trusted ? '' : ' ✗'}`;
}

function linesOf(workload: string, rows: readonly Row[]): string[][] {
  const reference = referenceLoss(rows);
  return [...new Set(rows.map((r) => r.precision))].flatMap((precision) => {
    const peer = bestPeer(rows, precision);
    return bestVariants(rows.filter((r) => r.precision === precision)).map((r) => [
      workload,
      precision,
      `${r.implementation}${r.variant && `, ${r.variant}`}`,
      r.ms_per_step.toFixed(4),
      r.samples_per_s.toFixed(0),
      peer ? `${(r.samples_per_s / peer.samples_per_s).toFixed(2)} ×` : '',
      r.share === undefined ? '' : `${(100 * r.share).toFixed(0)} %`,
      r.peak_mb.toFixed(0),
      shownLoss(r, isTrusted(r, reference)),
    ]);
  });
}

/** An implementation none of whose variants ran on a workload. */
function failed(failures: readonly Failure[], rows: readonly Row[]): Failure[] {
  const same = (a: Failure, b: Row): boolean =>
    a.implementation === b.implementation && a.workload === b.workload && a.precision === b.precision;
  return failures.filter((failure) => !rows.some((row) => same(failure, row)));
}

/** Each workload's rows, fastest first: the best variant of each implementation. What could not be measured follows. */
export function printTable({ limits, outcomes }: Comparison): string {
  const table = new Table({
    head: HEAD,
    colAligns: HEAD.map((_, i) => (i < 3 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  const rows = outcomes.filter(isRow);
  for (const name of new Set(rows.map((r) => r.workload))) {
    table.push(
      ...linesOf(
        name,
        rows.filter((r) => r.workload === name),
      ),
    );
  }
  const giga = (n: number): string => (n / 1e9).toFixed(0);
  const node = limits.perNode > 0 ? `, ${limits.perNode * 1e6} µs a node of the graph` : '';
  const notes = [
    `Limits: ${giga(limits.bandwidth)} GB/s, ${giga(limits.float32)} GFLOP/s in float32, ${giga(limits.bfloat16)} in bfloat16${node}.`,
    `Loss: ✗ more than ${100 * LOSS_TOLERANCE} % off, – too slow to train as far; neither counts as a peer.`,
    ...failed(outcomes.filter((o) => !isRow(o)) as Failure[], rows).map(
      (f) => `${f.workload} ${f.precision} ${f.implementation}${f.variant && `, ${f.variant}`} cannot: ${f.cannot}`,
    ),
  ];
  return `${table.toString()}\n${notes.join('\n')}\n`;
}
