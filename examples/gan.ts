/**
 * A training loop of one's own: a generative adversarial network (Goodfellow et al. 2014) of two models that learns to throw
 * points where eight clusters on a ring have theirs. `gs.compile` makes one native program of what a step does: both losses,
 * their gradients, both updates. The critic is held back by a penalty on its slope at real points (R1, Mescheder et al. 2018),
 * a gradient of a gradient; without it the clusters are lost one after the other.
 */
import * as gs from '../lib/index.js';
import { COMMON, type ExampleOptions, exampleCommand, isProgram, percent } from './command.js';
import { Random } from './random.js';

const MODES = 8;
const RADIUS = 2;
const SPREAD = 0.2;
const LATENT = 4;
const BATCH = 256;
/** Batches that are called an epoch. */
const EPOCH = 200;
const EPOCHS = 20;
const PENALTY = 0.03;

export interface GanResult {
  /** Loss of the critic and of the generator, the last of each epoch. */
  critic: number[];
  generator: number[];
  /** Share of thrown points that lie within three standard deviations of a cluster's centre. */
  hits: number;
  /** Clusters that get at least a fifth of what would be their fair share. */
  modes: number;
  /** Hits of points from one round cloud as wide as the ring. */
  baseline: number;
}

export async function main(options: Partial<ExampleOptions> = {}): Promise<GanResult> {
  const { epochs, seed, device, print } = { ...COMMON, epochs: EPOCHS, ...options };
  using generator = gs.sequential([
    gs.layers.dense({ units: 64, activation: 'relu', inputShape: [LATENT] }),
    gs.layers.dense({ units: 64, activation: 'relu' }),
    gs.layers.dense({ units: 2 }),
  ]);
  using critic = gs.sequential([
    gs.layers.dense({ units: 64, activation: 'swish', inputShape: [2] }),
    gs.layers.dense({ units: 64, activation: 'swish' }),
    gs.layers.dense({ units: 1 }),
  ]);
  const learningRate = gs.schedules.cosineDecay({ initialLearningRate: 4e-3, decaySteps: epochs * EPOCH });
  const optimizer = gs.optimizers.adam({ learningRate, beta1: 0 });
  using step = gs.compile(
    ({ real, noise }) => {
      const { add, mean, mul, neg, softplus, square, sum } = gs.ops;
      const fake = generator.call(noise);
      const [onReal, onFake] = [critic.call(real), critic.call(fake)];
      // −log σ(x) is softplus(−x): real points should score high, thrown ones low, to the generator's dismay.
      const slope = gs.grad(sum(onReal), [real])[0]!;
      const penalty = mean(sum(square(slope), { axis: -1 }));
      const criticLoss = add(mean(softplus(neg(onReal))), mean(softplus(onFake)));
      const generatorLoss = mean(softplus(neg(onFake)));
      const penalised = add(criticLoss, mul(penalty, PENALTY / 2));
      gs.applyGradients(optimizer, gs.grad(penalised, critic.trainableVariables), critic.trainableVariables);
      gs.applyGradients(optimizer, gs.grad(generatorLoss, generator.trainableVariables), generator.trainableVariables);
      return { criticLoss, generatorLoss };
    },
    { inputs: { real: { shape: [BATCH, 2] }, noise: { shape: [BATCH, LATENT] } }, device, seed },
  );

  const random = new Random(seed);
  const losses = { critic: [] as number[], generator: [] as number[] };
  for (let epoch = 0; epoch < epochs; epoch++) {
    let last = await step({ real: ring(random), noise: normal(random, BATCH) });
    for (let i = 1; i < EPOCH; i++) last = await step({ real: ring(random), noise: normal(random, BATCH) });
    losses.critic.push(last.criticLoss.data[0]!);
    losses.generator.push(last.generatorLoss.data[0]!);
    print(
      `epoch ${epoch + 1}/${epochs}: critic ${losses.critic.at(-1)!.toFixed(3)}, generator ${losses.generator.at(-1)!.toFixed(3)}`,
    );
  }

  const thrown = await generator.predict(gs.tensor(normal(random, 2000), [2000, LATENT]), { batchSize: 500 });
  const found = judge(thrown.data);
  const width = Math.sqrt(RADIUS ** 2 / 2 + SPREAD ** 2);
  const baseline = judge(Float32Array.from({ length: 4000 }, () => width * random.normal())).hits;
  print(`${percent(found.hits)} of 2000 points lie in clusters, ${percent(baseline)} of those from one round cloud would.`);
  print(`${found.modes} of ${MODES} clusters are met.`);
  return { ...losses, ...found, baseline };
}

function centre(mode: number): [x: number, y: number] {
  const angle = (2 * Math.PI * mode) / MODES;
  return [RADIUS * Math.cos(angle), RADIUS * Math.sin(angle)];
}

/** A batch of real points. */
function ring(random: Random): Float32Array {
  const points = Array.from({ length: BATCH }, () => centre(random.integer(MODES)));
  return Float32Array.from(points.flat(), (v) => v + SPREAD * random.normal());
}

function normal(random: Random, rows: number): Float32Array {
  return Float32Array.from({ length: rows * LATENT }, () => random.normal());
}

/** How many points lie in clusters, and how many clusters have some. */
function judge(points: Float32Array): { hits: number; modes: number } {
  const count = points.length / 2;
  const counts = Array.from({ length: MODES }, (_, mode) => {
    const [x, y] = centre(mode);
    const isNear = (i: number) => Math.hypot(points[2 * i]! - x, points[2 * i + 1]! - y) <= 3 * SPREAD;
    return Array.from({ length: count }, (_, i) => isNear(i)).filter(Boolean).length;
  });
  return {
    hits: counts.reduce((a, b) => a + b, 0) / count,
    modes: counts.filter((n) => n >= count / MODES / 5).length,
  };
}

if (isProgram(import.meta.url)) {
  await main(exampleCommand('gan', 'Two models in a training loop of its own.', EPOCHS).parse().opts());
}
