/** A small model whose training is stopped and goes on, with its data, and what its files say of training. */
import * as gs from '../../lib/index.js';
import { savedIn } from './saved_file.js';

export interface SavedTraining {
  step: number;
  epochs: number;
  updates: number;
  unfinished?: { epochStart: number; updatesBefore: number; report: string };
}

export interface Saved {
  model: object;
  training: SavedTraining;
}

export function trainingIn(path: string): { tensors: string[]; training: SavedTraining; cursor: number } {
  const { saved, tensors } = savedIn<Saved>(path);
  const { training } = saved;
  const report = Buffer.from(training.unfinished?.report ?? '', 'base64');
  return { tensors, training, cursor: report.length === 0 ? 0 : report.readInt32LE(4) };
}

export const x = gs.tensor(
  Float32Array.from({ length: 40 * 3 }, (_, i) => Math.cos(i * 0.9)),
  [40, 3],
);
export const y = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));

export function small(gradientAccumulationSteps?: number): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 4, activation: 'tanh', inputShape: [3] }),
    gs.layers.dropout({ rate: 0.3 }),
    gs.layers.dense({ units: 1 }),
  ]);
  const grouping = gradientAccumulationSteps === undefined ? {} : { gradientAccumulationSteps };
  const optimizer = gs.optimizers.sgd({ learningRate: 0.05, momentum: 0.9, ...grouping });
  model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
  return model;
}
