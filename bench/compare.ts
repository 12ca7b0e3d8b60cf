/**
 * Trains each workload with gradstep and with the peers, one after the other on the same machine: gradstep first and, where there
 * are peers, again last, so that a machine that changes its speed meanwhile favours nobody.
 */
import { fileURLToPath } from 'node:url';
import { runChild } from './child.js';
import { floorOf, measureLimits, type Limits } from './limits.js';
import { runPeer, type Peer, type Setting } from './peers.js';
import { isRow, median, type Outcome } from './row.js';
import type { Workload } from './workloads.js';

export interface Comparison {
  readonly limits: Limits;
  readonly outcomes: readonly Outcome[];
}

async function runOwn({ workload, device, precision, seconds }: Setting): Promise<Outcome> {
  const script = fileURLToPath(new URL('./measure.ts', import.meta.url));
  const args = ['--workload', workload, '--device', device, '--precision', precision, '--seconds', String(seconds)];
  const known = { workload, implementation: 'gradstep', variant: '', device, precision };
  return runChild(process.execPath, [...process.execArgv, script, ...args], known);
}

function report(outcome: Outcome): void {
  const { workload, implementation, variant } = outcome;
  const found = isRow(outcome)
    ? `${outcome.ms_per_step.toFixed(4).padStart(10)} ms/step, loss ${outcome.loss?.toFixed(4) ?? 'not compared'}`
    : ` cannot: ${outcome.cannot}`;
  process.stderr.write(`${workload.padEnd(10)} ${`${implementation} ${variant}`.padEnd(60)}${found}\n`);
}

/** Two runs of one thing: the times' median, which is their mean, and the larger memory; or how one of them failed. */
function joined(a: Outcome, b: Outcome): Outcome {
  if (!isRow(a) || !isRow(b)) return isRow(a) ? b : a;
  const ms = median([a.ms_per_step, b.ms_per_step]);
  return {
    ...a,
    ms_per_step: ms,
    samples_per_s: (a.samples_per_s * a.ms_per_step) / ms,
    steps: a.steps + b.steps,
    peak_mb: Math.max(a.peak_mb, b.peak_mb),
  };
}

/** @param keep is told what there is so far after each workload and precision, as a run with peers lasts the better part of an hour */
export async function compare(
  workloads: readonly Workload[],
  precisions: readonly ('float32' | 'bfloat16')[],
  peers: readonly Peer[],
  { device, seconds }: Pick<Setting, 'device' | 'seconds'>,
  keep: (found: Comparison) => Promise<void>,
): Promise<Comparison> {
  const limits = await measureLimits(device);
  const outcomes: Outcome[] = [];
  for (const workload of workloads) {
    for (const precision of precisions) {
      const setting = { workload: workload.name, device, precision, seconds };
      const own = await runOwn(setting);
      report(own);
      const others: Outcome[] = [];
      for (const peer of peers) {
        for await (const outcome of runPeer(peer, setting)) {
          report(outcome);
          others.push(outcome);
        }
      }
      let whole = own;
      if (peers.length > 0) {
        const again = await runOwn(setting);
        report(again);
        whole = joined(own, again);
      }
      const floor = floorOf(workload, device, precision, limits);
      outcomes.push(...[whole, ...others].map((o) => (isRow(o) ? { ...o, share: floor / o.ms_per_step } : o)));
      await keep({ limits, outcomes });
    }
  }
  return { limits, outcomes };
}
