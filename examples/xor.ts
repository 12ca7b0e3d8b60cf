/** The smallest training run: a network of two layers learns exclusive or. */
import { Command } from 'commander';
import * as gs from '../lib/index.js';

const options = new Command('xor')
  .option('--device <device>', 'cpu, cuda:0 or auto', 'auto')
  .option('--seed <seed>', 'seed of the initial weights and of the order of samples', '1')
  .parse()
  .opts<{ device: string; seed: string }>();

const questions = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const answers = [[0], [1], [1], [0]];

using model = gs.sequential([
  gs.layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }),
  gs.layers.dense({ units: 1, activation: 'sigmoid' }),
]);
model.compile({
  optimizer: gs.optimizers.adam({ learningRate: 0.05 }),
  loss: 'binaryCrossentropy',
  metrics: ['accuracy'],
  device: options.device,
  seed: Number(options.seed),
});
const history = await model.fit(questions, answers, { epochs: 300, batchSize: 4 });
const { data } = await model.predict(questions);
questions.forEach(([a, b], i) => console.log(`${a} xor ${b} = ${data[i]!.toFixed(3)}`));
console.log(`loss ${history.loss![0]!.toFixed(4)} → ${history.loss!.at(-1)!.toFixed(4)}, accuracy ${history.accuracy!.at(-1)}`);
if (!answers.every(([answer], i) => Math.round(data[i]!) === answer)) process.exitCode = 1;
