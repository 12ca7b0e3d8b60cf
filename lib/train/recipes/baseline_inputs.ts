/** The first layers of a baseline: what the shape and type of the rows suggest. */
import { statisticsOf } from '../../data/statistics.js';
import type { Tensor } from '../../data/tensor.js';
import { GradstepError } from '../../errors.js';
import { formatShape, sizeOf, type Shape } from '../../graph/shape.js';
import * as layers from '../../layers/index.js';
import type { Layer } from '../../layers/layer.js';

/** Layers up to the last one, and what the input was taken for. */
export interface Body {
  readonly body: Layer[];
  readonly words: string;
}

/** The first layers for rows. */
export function inputLayers(x: Tensor): Body {
  const row = x.shape.slice(1);
  if (row.length === 1 && x.dtype === 'int32') return tokens(x, row);
  if (row.length === 1) return table(x, row);
  if (row.length === 2) return series(x, row);
  if (row.length === 3) return image(x, row);
  throw new GradstepError(
    'ERR_SHAPE',
    `Expected rows of one to three axes for recipes.baseline but received ${formatShape(x.shape)}`,
  );
}

/** Scales every position of the last axis to mean 0 and variance 1; a constant one becomes 0. */
function scaling(x: Tensor, inputShape: Shape): Layer {
  const { mean, variance } = statisticsOf(x, 'recipes.baseline.x');
  return layers.normalization({ mean, variance: variance.map((v) => v || 1), inputShape });
}

function table(x: Tensor, row: Shape): Body {
  const body = [
    scaling(x, row),
    layers.dense({ units: 64, activation: 'relu' }),
    layers.dense({ units: 64, activation: 'relu' }),
  ];
  return { body, words: `x is a table of ${row[0]} columns: scaled, then two dense layers` };
}

function tokens(x: Tensor, row: Shape): Body {
  let largest = 0;
  x.data.forEach((v) => (largest = Math.max(largest, v)));
  if (x.data.some((v) => v < 0)) throw new GradstepError('ERR_OPTION', 'Expected tokens >= 0 in x for recipes.baseline');
  const body = [
    layers.embedding({ inputDim: largest + 1, outputDim: 32, inputShape: row }),
    layers.globalAveragePooling1d(),
    layers.dense({ units: 32, activation: 'relu' }),
  ];
  return { body, words: `x is a sequence of ${row[0]} tokens below ${largest + 1}: an embedding, averaged` };
}

function series(x: Tensor, row: Shape): Body {
  const body = [
    scaling(x, row),
    layers.conv1d({ filters: 32, kernelSize: 3, padding: 'same', activation: 'relu' }),
    layers.conv1d({ filters: 32, kernelSize: 3, padding: 'same', activation: 'relu' }),
    layers.globalAveragePooling1d(),
    layers.dense({ units: 32, activation: 'relu' }),
  ];
  return { body, words: `x is a series of ${row[0]} steps of ${row[1]} numbers: scaled, then convolutions` };
}

/** The smaller side below which nothing is pooled any more, and the most filters. */
const SMALLEST = 7;
const FILTERS = 128;

/** Numbers for each image that go into the dense layer at most. */
const FLAT = 8192;

function image(x: Tensor, row: Shape): Body {
  const body: Layer[] = [scaling(x, row)];
  let [height, width] = row as [number, number, number];
  let filters = 32;
  for (; Math.min(height, width) > SMALLEST && filters <= FILTERS; filters *= 2) {
    body.push(
      layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu' }),
      layers.maxPooling2d({ poolSize: 2 }),
    );
    [height, width] = [Math.floor(height / 2), Math.floor(width / 2)];
  }
  body.push(layers.conv2d({ filters: Math.min(filters, FILTERS), kernelSize: 3, padding: 'same', activation: 'relu' }));
  const isFlat = sizeOf([height, width, Math.min(filters, FILTERS)]) <= FLAT;
  body.push(isFlat ? layers.flatten() : layers.globalAveragePooling2d(), layers.dropout({ rate: 0.25 }));
  body.push(layers.dense({ units: 64, activation: 'relu' }));
  return { body, words: `x is images of ${row.join(' × ')}: scaled, then convolutions` };
}
