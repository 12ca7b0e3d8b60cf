/**
 * How cost grows with the rows of a batch, the width of layers and their number: the time of a training step, how long it
 * takes until the first step can run, the length of the program and the session's memory.
 */
import Table from 'cli-table3';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { buildProgram } from '../lib/train/programs.js';

const CLASSES = 10;

interface Setting {
  readonly series: 'batch' | 'width' | 'depth' | 'convolutions';
  readonly batch: number;
  readonly width: number;
  /** Hidden layers. */
  readonly depth: number;
}

const SETTINGS: readonly Setting[] = [
  ...[1, 4, 16, 64, 256, 1024, 4096].map((batch) => ({ series: 'batch' as const, batch, width: 512, depth: 3 })),
  ...[2, 5, 10, 20, 50, 100].map((depth) => ({ series: 'depth' as const, batch: 128, width: 64, depth })),
  ...[2, 5, 10, 20, 50, 100].map((depth) => ({ series: 'convolutions' as const, batch: 8, width: 16, depth })),
  ...[32, 64, 128, 256, 512, 1024, 2048, 4096].map((width) => ({ series: 'width' as const, batch: 128, width, depth: 3 })),
];

const SIDE = 16;
/** What steps are assumed to take, to choose how many are timed: operations a second, and seconds for each instruction. */
const [ASSUMED_RATE, ASSUMED_CALL] = [50e9, 2e-6];
const [EPOCH_SECONDS, SECONDS] = [0.05, 0.4];
const WARM_UP_EPOCHS = 2;

export interface GrowthRow extends Setting {
  /** A training step, as in `fit`. */
  readonly ms: number;
  /** From a new model until its training program can run. */
  readonly compileMs: number;
  readonly instructions: number;
  /** Bytes of the session, without the data. */
  readonly bytes: number;
}

function mlp({ width, depth }: Setting): gs.Sequential {
  const hidden = Array.from({ length: depth }, (_, i) =>
    gs.layers.dense({ units: width, activation: 'relu', ...(i === 0 && { inputShape: [width] }) }),
  );
  return gs.sequential([...hidden, gs.layers.dense({ units: CLASSES, activation: 'softmax' })]);
}

/** Convolutions 3×3 with batch normalization and relu. */
function cnn({ width, depth }: Setting): gs.Sequential {
  const blocks = Array.from({ length: depth }, (_, i) => [
    gs.layers.conv2d({
      filters: width,
      kernelSize: 3,
      padding: 'same',
      useBias: false,
      ...(i === 0 && { inputShape: [SIDE, SIDE, width] }),
    }),
    gs.layers.batchNormalization(),
    gs.layers.activation({ activation: 'relu' }),
  ]);
  return gs.sequential([
    ...blocks.flat(),
    gs.layers.globalAveragePooling2d(),
    gs.layers.dense({ units: CLASSES, activation: 'softmax' }),
  ]);
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, Math.round(value)));
}

async function measure(setting: Setting, device: string, precision: 'float32' | 'bfloat16'): Promise<GrowthRow> {
  const { series, batch, width, depth } = setting;
  const isMlp = series !== 'convolutions';
  const begin = performance.now();
  using model = isMlp ? mlp(setting) : cnn(setting);
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const engine = await coreOf(model).engine();
  const labels = { dtype: 'int32', row: [], weights: undefined } as const;
  const row = isMlp ? [width] : [SIDE, SIDE, width];
  const inputs = [{ dtype: 'float32', row }] as const;
  const spec = { kind: 'train', purpose: 'train', rows: batch, x: inputs, y: [labels], shuffled: true } as const;
  await engine.withPrograms([spec], async () => undefined);
  const compileMs = performance.now() - begin;
  const { instructions } = buildProgram(engine.memory, spec, engine.session.backend);

  const weights = isMlp ? depth * width * width : depth * 9 * width * width * SIDE * SIDE;
  const assumed = (6 * weights * batch) / ASSUMED_RATE + instructions.length * ASSUMED_CALL;
  const steps = clamp(EPOCH_SECONDS / assumed, 3, 500);
  const epochs = WARM_UP_EPOCHS + clamp(SECONDS / (steps * assumed), 3, 9);
  const shape = [steps * batch, ...row];
  const x = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * 0.7));
  const y = Int32Array.from({ length: steps * batch }, (_, i) => i % CLASSES);
  const times: number[] = [];
  let last = performance.now();
  await model.fit(gs.tensor(x, shape), y, {
    epochs,
    batchSize: batch,
    onEpochEnd: () => {
      const now = performance.now();
      times.push(now - last);
      last = now;
    },
  });
  const typical = times.slice(WARM_UP_EPOCHS).sort((a, b) => a - b)[(epochs - WARM_UP_EPOCHS) >> 1]!;
  const { persistent, scratch, workspace } = await engine.session.memory();
  return {
    ...setting,
    ms: typical / steps,
    compileMs,
    instructions: instructions.length,
    bytes: persistent + scratch + workspace,
  };
}

export async function benchGrowth(device: string, precision: 'float32' | 'bfloat16'): Promise<GrowthRow[]> {
  // The first model of a process also pays for loading code, its own and the just-in-time compiler's.
  await measure({ series: 'depth', batch: 32, width: 32, depth: 2 }, device, precision);
  const rows: GrowthRow[] = [];
  for (const setting of SETTINGS) rows.push(await measure(setting, device, precision));
  return rows;
}

export function printGrowth(rows: readonly GrowthRow[]): string {
  const table = new Table({
    head: ['series', 'batch', 'width', 'depth', 'ms a step', 'µs a sample', 'compile ms', 'instructions', 'MB'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const { series, batch, width, depth, ms, compileMs, instructions, bytes } of rows) {
    const perSample = ((ms * 1e3) / batch).toFixed(2);
    table.push([
      series,
      batch,
      width,
      depth,
      ms.toFixed(3),
      perSample,
      compileMs.toFixed(0),
      instructions,
      (bytes / 1e6).toFixed(1),
    ]);
  }
  return `${table.toString()}\n`;
}
