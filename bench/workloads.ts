/**
 * The bench's workloads, each once, through the public API; and their data: the same numbers, bit for bit, as
 * bench/peers/workload_data.py makes for the peers. All are a pattern in noise, and one sample in four (of characters: one
 * character) is not what the pattern says, so that there is something to learn and the loss stays well above zero, as with
 * real data. `samples` are chosen so that an epoch lasts some 100 ms or a few steps: long against its overhead, short enough
 * for a median over many.
 */
import * as gs from '../lib/index.js';

export interface Workload {
  readonly name: string;
  /** Too large for a processor: run on CUDA only, unless it is asked for by name. */
  readonly large?: boolean;
  readonly batch: number;
  readonly samples: number;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  /** Losses are compared in the last of so many epochs. */
  readonly lossEpochs: number;
  /** A fresh model, not compiled. */
  build(): gs.Model;
  optimizer(): gs.optimizers.Optimizer;
  data(workload: Workload): { x: gs.Tensor; y: gs.Tensor };
}

const PIXELS = 784;
const CLASSES = 10;
const CHARACTERS = 96;
const STEPS = 64;
const MOTIONS = 4;
const FRAMES = 16;
const SIDE = 32;

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

function languageModel(): ReturnType<typeof gs.sequential> {
  return gs.sequential([
    gs.layers.embedding({ inputDim: CHARACTERS, outputDim: 128, inputShape: [STEPS] }),
    gs.layers.lstm({ units: 256, returnSequences: true }),
    gs.layers.lstm({ units: 256, returnSequences: true }),
    gs.layers.dense({ units: CHARACTERS, activation: 'softmax' }),
  ]);
}

function lrcn(): ReturnType<typeof gs.sequential> {
  const frames = (layer: gs.Layer, inputShape?: readonly number[]) =>
    gs.layers.timeDistributed({ layer, ...(inputShape && { inputShape }) });
  const conv = (filters: number) => gs.layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu' });
  return gs.sequential([
    frames(conv(16), [FRAMES, SIDE, SIDE, 1]),
    frames(gs.layers.maxPooling2d({ poolSize: 2 })),
    frames(conv(32)),
    frames(gs.layers.maxPooling2d({ poolSize: 2 })),
    frames(gs.layers.flatten()),
    frames(gs.layers.dense({ units: 128, activation: 'relu' })),
    gs.layers.lstm({ units: 128 }),
    gs.layers.dense({ units: MOTIONS, activation: 'softmax' }),
  ]);
}

/** ResNet-20 of He et al. 2016, section 4.2, with projections (their option B) where the size changes. */
function resnet20(): gs.Model {
  type Tensor = gs.SymbolicTensor;
  const conv = (x: Tensor, filters: number, kernelSize: number, strides: number): Tensor =>
    gs.layers
      .batchNormalization()
      .apply(gs.layers.conv2d({ filters, kernelSize, strides, padding: 'same', useBias: false }).apply(x));
  const relu = (x: Tensor): Tensor => gs.layers.reLU().apply(x);
  const block = (x: Tensor, filters: number, strides: number): Tensor => {
    const residual = conv(relu(conv(x, filters, 3, strides)), filters, 3, 1);
    return relu(gs.layers.add().apply([residual, strides > 1 ? conv(x, filters, 1, strides) : x]));
  };
  const image = gs.input({ shape: [SIDE, SIDE, 3] });
  let x = relu(conv(image, 16, 3, 1));
  for (const filters of [16, 32, 64]) {
    for (let i = 0; i < 3; i++) x = block(x, filters, i === 0 && filters > 16 ? 2 : 1);
  }
  const features = gs.layers.globalAveragePooling2d().apply(x);
  return gs.model({ inputs: image, outputs: gs.layers.dense({ units: CLASSES, activation: 'softmax' }).apply(features) });
}

const adam = (): gs.optimizers.Optimizer => gs.optimizers.adam({ learningRate: 1e-3 });
const sgd = (): gs.optimizers.Optimizer => gs.optimizers.sgd({ learningRate: 0.05, momentum: 0.9 });

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'mlp_small',
    batch: 32,
    samples: 65536,
    inputShape: [PIXELS],
    lossEpochs: 1,
    build: () => mlp(128),
    optimizer: adam,
    data: images,
  },
  {
    name: 'mlp',
    batch: 128,
    samples: 8192,
    inputShape: [PIXELS],
    lossEpochs: 3,
    build: () => mlp(512, 512),
    optimizer: adam,
    data: images,
  },
  {
    name: 'cnn_mnist',
    batch: 128,
    samples: 2048,
    inputShape: [28, 28, 1],
    lossEpochs: 4,
    build: cnn,
    optimizer: adam,
    data: images,
  },
  {
    name: 'resnet20',
    batch: 128,
    samples: 1024,
    inputShape: [SIDE, SIDE, 3],
    lossEpochs: 3,
    build: resnet20,
    optimizer: sgd,
    data: pictures,
  },
  {
    name: 'resnet20_512',
    large: true,
    batch: 512,
    samples: 8192,
    inputShape: [SIDE, SIDE, 3],
    lossEpochs: 2,
    build: resnet20,
    optimizer: sgd,
    data: pictures,
  },
  {
    name: 'lstm_lm',
    batch: 32,
    samples: 256,
    inputShape: [STEPS],
    lossEpochs: 8,
    build: languageModel,
    optimizer: adam,
    data: texts,
  },
  {
    name: 'lrcn',
    batch: 16,
    samples: 256,
    inputShape: [FRAMES, SIDE, SIDE, 1],
    lossEpochs: 6,
    build: lrcn,
    optimizer: adam,
    data: clips,
  },
];

/** A 32-bit integer hash (multiply and xor-shift, twice). */
function scramble(value: number): number {
  let n = value >>> 0;
  n = Math.imul(n ^ (n >>> 16), 0x7feb352d);
  n = Math.imul(n ^ (n >>> 15), 0x846ca68b);
  return (n ^ (n >>> 16)) >>> 0;
}

/** A hash in [0, 1), of 24 bits. */
const noise = (n: number): number => (scramble(n) >>> 8) / 0x1000000;

/** The label of sample i, and what it shows: one in four shows a random class. */
function classOf(i: number, classes: number): { label: number; shown: number } {
  const label = scramble(i + 1_000_000_007) % classes;
  const shown = scramble(i + 2_000_000_011) % 4 === 0 ? scramble(i + 3_000_000_019) % classes : label;
  return { label, shown };
}

/** Images [samples, …inputShape] and labels [samples]: half noise, plus 0.5 at pixel j where j mod 10 is the class shown. */
function images({ samples, inputShape }: Workload): { x: gs.Tensor; y: gs.Tensor } {
  const pixels = new Float32Array(samples * PIXELS);
  const labels = new Int32Array(samples);
  for (let i = 0; i < samples; i++) {
    const { label, shown } = classOf(i, CLASSES);
    labels[i] = label;
    for (let j = 0; j < PIXELS; j++) {
      pixels[i * PIXELS + j] = noise(i * PIXELS + j) * 0.5 + (j % CLASSES === shown ? 0.5 : 0);
    }
  }
  return { x: gs.tensor(pixels, [samples, ...inputShape]), y: gs.tensor(labels, [samples]) };
}

/**
 * Pictures [samples, 32, 32, 3] and labels [samples]: lines ten pixels apart and three wide in half noise, whose slope is the
 * class shown, from a place of their own.
 */
function pictures({ samples, inputShape }: Workload): { x: gs.Tensor; y: gs.Tensor } {
  const pixels = new Float32Array(samples * SIDE * SIDE * 3);
  const labels = new Int32Array(samples);
  let at = 0;
  for (let i = 0; i < samples; i++) {
    const { label, shown } = classOf(i, CLASSES);
    labels[i] = label;
    const from = scramble(i + 4_000_000_007) % 10;
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const line = (from + shown * row + column) % 10 < 3;
        for (let channel = 0; channel < 3; channel++, at++) pixels[at] = noise(at) * 0.5 + (line ? 0.5 : 0);
      }
    }
  }
  return { x: gs.tensor(pixels, [samples, ...inputShape]), y: gs.tensor(labels, [samples]) };
}

/**
 * Characters [samples, 64], and at each place the one that follows: 5 c + 17 mod 96, or with probability one in four any.
 */
function texts({ samples }: Workload): { x: gs.Tensor; y: gs.Tensor } {
  const [x, y] = [new Int32Array(samples * STEPS), new Int32Array(samples * STEPS)];
  for (let i = 0; i < samples; i++) {
    let character = scramble(i + 1_000_000_007) % CHARACTERS;
    for (let t = 0; t < STEPS; t++) {
      const at = i * STEPS + t;
      x[at] = character;
      const any = scramble(at + 2_000_000_011) % 4 === 0;
      character = any ? scramble(at + 3_000_000_019) % CHARACTERS : (character * 5 + 17) % CHARACTERS;
      y[at] = character;
    }
  }
  return { x: gs.tensor(x, [samples, STEPS]), y: gs.tensor(y, [samples, STEPS]) };
}

/**
 * Clips [samples, 16, 32, 32, 1] and labels [samples]: stripes eight pixels apart in half noise, which move right, left, down
 * or up from a place of their own.
 */
function clips({ samples, inputShape }: Workload): { x: gs.Tensor; y: gs.Tensor } {
  const pixels = new Float32Array(samples * FRAMES * SIDE * SIDE);
  const labels = new Int32Array(samples);
  let at = 0;
  for (let i = 0; i < samples; i++) {
    const { label, shown } = classOf(i, MOTIONS);
    labels[i] = label;
    const from = scramble(i + 4_000_000_007) % 8;
    for (let frame = 0; frame < FRAMES; frame++) {
      const stripe = (from + (shown % 2 === 0 ? frame : 7 * frame)) % 8;
      for (let row = 0; row < SIDE; row++) {
        for (let column = 0; column < SIDE; column++, at++) {
          pixels[at] = noise(at) * 0.5 + ((shown < 2 ? column : row) % 8 === stripe ? 0.5 : 0);
        }
      }
    }
  }
  return { x: gs.tensor(pixels, [samples, ...inputShape]), y: gs.tensor(labels, [samples]) };
}
