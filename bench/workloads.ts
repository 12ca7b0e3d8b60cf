/**
 * The bench's workloads, each once, through the public API; and their data: the same numbers, bit for bit, as
 * bench/peers/workload_data.py makes for the peers. Pixel j of sample i is half a hash of its number in [0, 1), plus 0.5
 * where j mod 10 is the class shown; one sample in four shows a random class instead of its label, so that the loss stays
 * well above zero, as with real data. `samples` are chosen so that an epoch lasts some 100 ms: long against its overhead,
 * short enough for a median over many.
 */
import * as gs from '../lib/index.js';

export interface Workload {
  readonly name: string;
  readonly batch: number;
  readonly samples: number;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  /** A fresh model, not compiled. */
  build(): ReturnType<typeof gs.sequential>;
}

const PIXELS = 784;
const CLASSES = 10;

function mlp(...units: number[]): ReturnType<typeof gs.sequential> {
  const hidden = units.map((u, i) => gs.layers.dense({ units: u, activation: 'relu', ...(i === 0 && { inputShape: [PIXELS] }) }));
  return gs.sequential([...hidden, gs.layers.dense({ units: CLASSES, activation: 'softmax' })]);
}

function cnn(): ReturnType<typeof gs.sequential> {
  return gs.sequential([
    gs.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
    gs.layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
    gs.layers.maxPooling2d({ poolSize: 2 }),
    gs.layers.dropout({ rate: 0.25 }),
    gs.layers.flatten(),
    gs.layers.dense({ units: 128, activation: 'relu' }),
    gs.layers.dropout({ rate: 0.5 }),
    gs.layers.dense({ units: CLASSES, activation: 'softmax' }),
  ]);
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'mlp_small', batch: 32, samples: 65536, inputShape: [PIXELS], build: () => mlp(128) },
  { name: 'mlp', batch: 128, samples: 8192, inputShape: [PIXELS], build: () => mlp(512, 512) },
  { name: 'cnn_mnist', batch: 128, samples: 2048, inputShape: [28, 28, 1], build: cnn },
];

/** A 32-bit integer hash (multiply and xor-shift, twice). */
function scramble(value: number): number {
  let n = value >>> 0;
  n = Math.imul(n ^ (n >>> 16), 0x7feb352d);
  n = Math.imul(n ^ (n >>> 15), 0x846ca68b);
  return (n ^ (n >>> 16)) >>> 0;
}

/** Images [samples, …inputShape] and labels [samples]. */
export function makeData({ samples, inputShape }: Workload): { x: gs.Tensor; y: gs.Tensor } {
  const pixels = new Float32Array(samples * PIXELS);
  const labels = new Int32Array(samples);
  for (let i = 0; i < samples; i++) {
    const label = scramble(i + 1_000_000_007) % CLASSES;
    const shown = scramble(i + 2_000_000_011) % 4 === 0 ? scramble(i + 3_000_000_019) % CLASSES : label;
    labels[i] = label;
    for (let j = 0; j < PIXELS; j++) {
      const noise = (scramble(i * PIXELS + j) >>> 8) / 0x1000000;
      pixels[i * PIXELS + j] = noise * 0.5 + (j % CLASSES === shown ? 0.5 : 0);
    }
  }
  return { x: gs.tensor(pixels, [samples, ...inputShape]), y: gs.tensor(labels, [samples]) };
}
