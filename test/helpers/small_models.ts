/** Small compiled models with data for them, for what goes wrong and what is left then. */
import * as gs from '../../lib/index.js';

export const device = 'cpu';

export function classifier(): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 4, activation: 'relu', inputShape: [3] }),
    gs.layers.dense({ units: 2, activation: 'softmax', name: 'head' }),
  ]);
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device, seed: 1 });
  return model;
}

export function regression(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [3] })]);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 1, ...options });
  return model;
}

export const x = [
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 9],
  [1, 0, 1],
];
export const y = [0, 1, 1, 0];
