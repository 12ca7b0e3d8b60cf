/**
 * What a single call costs, as in reinforcement learning and loops of one's own: a network of 32 numbers, 64 relu units and 10
 * classes, asked for a prediction, for one step of training, and for such a step as a function of `gs.compile`.
 */
import Table from 'cli-table3';
import * as gs from '../lib/index.js';

const [FEATURES, UNITS, CLASSES] = [32, 64, 10];
const ROWS = [1, 32, 1024];

export interface CallRow {
  readonly call: string;
  readonly rows: number;
  /** Median of a call, in microseconds. */
  readonly us: number;
}

function network(device: string): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: UNITS, activation: 'relu', inputShape: [FEATURES] }),
    gs.layers.dense({ units: CLASSES, activation: 'softmax' }),
  ]);
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, seed: 1, threads: 1 });
  return model;
}

async function medianOf(call: () => Promise<unknown>, seconds: number): Promise<number> {
  for (let i = 0; i < 200; i++) await call();
  const times: number[] = [];
  const end = performance.now() + 1e3 * seconds;
  for (let last = performance.now(); last < end;) {
    await call();
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return 1e3 * times.sort((a, b) => a - b)[times.length >> 1]!;
}

async function measure(rows: number, device: string, seconds: number): Promise<CallRow[]> {
  using model = network(device);
  using trained = network(device);
  const x = gs.tensor(
    Float32Array.from({ length: rows * FEATURES }, (_, i) => Math.sin(i * 0.7)),
    [rows, FEATURES],
  );
  const y = Int32Array.from({ length: rows }, (_, i) => i % CLASSES);
  const adam = gs.optimizers.adam();
  const step = gs.compile(
    ({ x: inputs, y: labels }) => {
      const loss = gs.computeLoss('sparseCategoricalCrossentropy', labels!, trained.call(inputs!));
      gs.applyGradients(adam, gs.grad(loss, trained.trainableVariables), trained.trainableVariables);
      return { loss };
    },
    { inputs: { x: { shape: [rows, FEATURES] }, y: { shape: [rows], dtype: 'int32' } }, device, seed: 1, threads: 1 },
  );
  const calls: [string, () => Promise<unknown>][] = [
    ['predict', () => model.predict(x, { batchSize: rows })],
    ['trainOnBatch', () => model.trainOnBatch(x, y)],
    ['a step of gs.compile', () => step({ x, y })],
  ];
  const found: CallRow[] = [];
  for (const [call, body] of calls) found.push({ call, rows, us: await medianOf(body, seconds) });
  return found;
}

export async function benchCalls(device: string, seconds: number): Promise<CallRow[]> {
  const found: CallRow[] = [];
  for (const rows of ROWS) found.push(...(await measure(rows, device, seconds)));
  return found;
}

export function printCalls(found: readonly CallRow[]): string {
  const table = new Table({
    head: ['call', 'rows', 'µs'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { call, rows, us } of found) table.push([call, rows, us.toFixed(0)]);
  return `${table.toString()}\n`;
}
