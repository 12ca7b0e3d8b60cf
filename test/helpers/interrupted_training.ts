/**
 * Training that can be killed: with checkpoints every few steps, from the beginning or from the last checkpoint. As a process
 * of its own it says "at <step>" where it is to be killed, and waits; at the end it saves the model and prints the history.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as gs from '../../lib/index.js';

export interface Setting {
  folder: string;
  data: 'rows' | 'stream';
  rows: number;
  batchSize: number;
  gradientAccumulationSteps: number;
  /** Steps between two checkpoints. */
  saveFreq: number;
  /** Where the process is to be killed. */
  killAt?: number;
  /** The checkpoint to go on from. */
  from?: string;
}

const FEATURES = 5;

/** What each row is made of, from its number. */
const feature = (i: number): number => Math.sin(i * 1.37) * 2;
const label = (row: number): number => (row * 7 + Math.floor(row / 5)) % 3;

function dataOf({ rows }: Setting): { x: gs.Tensor; y: Int32Array } {
  const x = gs.tensor(
    Float32Array.from({ length: rows * FEATURES }, (_, i) => feature(i)),
    [rows, FEATURES],
  );
  return { x, y: Int32Array.from({ length: rows }, (_, i) => label(i)) };
}

function newModel({ gradientAccumulationSteps }: Setting): gs.Model {
  const model = gs.sequential([
    gs.layers.dense({ units: 12, activation: 'relu', inputShape: [FEATURES] }),
    gs.layers.batchNormalization(),
    gs.layers.dropout({ rate: 0.4 }),
    gs.layers.dense({ units: 3, activation: 'softmax' }),
  ]);
  model.compile({
    optimizer: gs.optimizers.adam({
      learningRate: 0.02,
      ...(gradientAccumulationSteps > 1 && { gradientAccumulationSteps }),
    }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    device: 'cpu',
    seed: 11,
    threads: 1,
  });
  return model;
}

export const checkpointAt = (folder: string, step: number): string => join(folder, `step-${step}.safetensors`);

/** Trains two epochs, or what is left of them, and saves the model; rows that a stream gave are listed in their order. */
export async function train(setting: Setting): Promise<{ history: gs.History; path: string; visited: number[] }> {
  const { folder, batchSize, saveFreq, killAt, from } = setting;
  const { x, y } = dataOf(setting);
  const visited: number[] = [];
  const model = from === undefined ? newModel(setting) : await gs.loadModel(from, { device: 'cpu' });
  const checkpoint = gs.callbacks.modelCheckpoint({ path: join(folder, 'step-{step}.safetensors'), saveFreq, keepLast: 2 });
  const wait: gs.Callback = {
    onBatchEnd: (_batch, _logs, { totalSteps }) => {
      if (totalSteps !== killAt) return undefined;
      process.stdout.write(`at ${totalSteps}\n`);
      return new Promise(() => setInterval(() => undefined, 1000));
    },
  };
  const options = { epochs: 2, callbacks: [checkpoint, ...(killAt === undefined ? [] : [wait])], resume: from !== undefined };
  const number = gs.tensor(Int32Array.from({ length: setting.rows }, (_, i) => i));
  const samples = gs.data
    .dataset({ x: { x, number }, y })
    .shuffle(20, { seed: 3 })
    .map(({ x: { x: row, number: at }, y: wanted }) => {
      visited.push(Number(at.data[0]));
      return { x: row, y: wanted };
    });
  const history = await (setting.data === 'stream'
    ? model.fit(samples.batch(batchSize), options)
    : model.fit(x, y, { ...options, batchSize, validationData: [x, y] }));
  const path = join(folder, `end${from === undefined ? '' : '-resumed'}.safetensors`);
  await model.save(path);
  await model.dispose();
  return { history, path, visited };
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  const result = await train(JSON.parse(process.argv[2]!) as Setting);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
