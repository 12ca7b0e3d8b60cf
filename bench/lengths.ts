/**
 * How a recurrent network's cost grows with the length of its sequences: an LSTM of 128 units over 64 to 4,096 steps of 32
 * features in batches of 8, trained as by `fit`; the time of a training step and the memory of the session, whole and a time step.
 */
import Table from 'cli-table3';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';

const LENGTHS = [64, 256, 1024, 4096];
const [BATCH, FEATURES, UNITS] = [8, 32, 128];
/** Time steps that an epoch comes to, whatever the length. */
const STEPS_PER_EPOCH = 8192;

export interface LengthRow {
  readonly length: number;
  readonly ms: number;
  /** Bytes of the session, without the data. */
  readonly bytes: number;
}

async function measure(length: number, device: string): Promise<LengthRow> {
  using model = gs.sequential([
    gs.layers.lstm({ units: UNITS, returnSequences: true, inputShape: [length, FEATURES] }),
    gs.layers.dense({ units: 1 }),
  ]);
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed: 1 });
  const rows = BATCH * Math.max(1, STEPS_PER_EPOCH / length);
  const x = Float32Array.from({ length: rows * length * FEATURES }, (_, i) => Math.sin(i * 0.7));
  const y = Float32Array.from({ length: rows * length }, (_, i) => Math.sin(i * 0.3));
  const times: number[] = [];
  let last = performance.now();
  await model.fit(gs.tensor(x, [rows, length, FEATURES]), gs.tensor(y, [rows, length, 1]), {
    epochs: 10,
    batchSize: BATCH,
    onEpochEnd: () => {
      const now = performance.now();
      times.push(now - last);
      last = now;
    },
  });
  const typical = times.slice(2).sort((a, b) => a - b)[(times.length - 2) >> 1]!;
  const { persistent, scratch, workspace } = await (await coreOf(model).engine()).session.memory();
  return { length, ms: typical / (rows / BATCH), bytes: persistent + scratch + workspace };
}

export async function benchLengths(device: string): Promise<LengthRow[]> {
  const rows: LengthRow[] = [];
  for (const length of LENGTHS) rows.push(await measure(length, device));
  return rows;
}

export function printLengths(rows: readonly LengthRow[]): string {
  const table = new Table({
    head: ['time steps', 'ms', 'µs a time step', 'MB', 'KB a time step'],
    colAligns: ['right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { length, ms, bytes } of rows) {
    table.push([
      length,
      ms.toFixed(2),
      ((ms * 1e3) / length).toFixed(1),
      (bytes / 1e6).toFixed(2),
      (bytes / 1e3 / length).toFixed(1),
    ]);
  }
  return `${table.toString()}\n`;
}
