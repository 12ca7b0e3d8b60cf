/**
 * Runs other libraries on the bench's workloads: each peer is a script in bench/peers/ that takes --only, --device and
 * --precision and prints an array of rows. Their Python is GRADSTEP_PEER_PYTHON, or python3.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';

/** One measurement, as it is written to JSON. */
export interface Row {
  workload: string;
  implementation: string;
  device: string;
  precision: string;
  /** Median over chunks of steps that last some 100 ms. */
  ms_per_step: number;
  samples_per_s: number;
  /** Steps that were timed. */
  steps: number;
}

export const PEERS = ['pytorch'] as const;
export type Peer = (typeof PEERS)[number];

/** The peer's rows for one workload: a row for each of its variants. */
export async function runPeer(peer: Peer, workload: string, device: string, precision: string): Promise<Row[]> {
  const python = process.env.GRADSTEP_PEER_PYTHON ?? 'python3';
  const script = fileURLToPath(new URL(`./peers/${peer}.py`, import.meta.url));
  const kind = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const child = spawn(python, [script, '--only', workload, '--device', kind, '--precision', precision], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<string>((resolve) => {
    child
      .once('error', (error) => resolve(error.message))
      .once('close', (code) => resolve(code === 0 ? '' : `exit code ${code}`));
  });
  const [output, failure] = await Promise.all([text(child.stdout), ended]);
  if (failure)
    throw new Error(`The peer ${peer} did not run with ${python}: ${failure}. bench/README.md says how to install it.`);
  return JSON.parse(output) as Row[];
}

/** The fastest row. */
export function fastest(rows: readonly Row[]): Row | undefined {
  return rows.reduce<Row | undefined>((best, row) => (best && best.ms_per_step <= row.ms_per_step ? best : row), undefined);
}
