/** Callbacks that write: checkpoints, CSV files, progress bars, event files; options and paths that are wrong. */
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import * as gs from '../lib/index.js';
import { PathTemplate } from '../lib/train/callbacks/path_template.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { readByTensorBoard } from './helpers/tensorboard.js';

const { callbacks } = gs;

const x = gs.tensor(
  Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
  [10, 2],
);
const y = Float32Array.from({ length: 10 }, (_, i) => i / 10);
/** Four steps an epoch. */
const run = { batchSize: 3 };

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2], name: 'out' })]);
  const optimizer = gs.optimizers.sgd({ learningRate: 0.1 });
  model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 1, threads: 1, ...options });
  return model;
}

/** Puts values of the test's own into the logs of each epoch. */
const logged = (key: string, values: readonly unknown[]): gs.Callback => ({
  onEpochEnd: (epoch, logs) => void Object.assign(logs, { [key]: values[epoch] }),
});

describe('callbacks that write', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-callbacks-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  describe('modelCheckpoint', () => {
    it('fills placeholders', async () => {
      const fill = (path: string) => new PathTemplate('test.path', path).fill({ epoch: 7, val_loss: 0.12345, step: 120 });
      expect(fill('a/{epoch}-{val_loss}')).to.equal('a/7-0.12345');
      expect(fill('{epoch:03d} {epoch:3d} {step:02d} {val_loss:.2f}')).to.equal('007   7 120 0.12');
      expect(fill('plain')).to.equal('plain');
      for (const path of ['{}', '{epoch', 'epoch}', '{epoch:3x}', '{epoch:}']) {
        await expectFailure(() => fill(path), 'ERR_OPTION', /^Expected path with placeholders/);
      }
      await expectFailure(() => fill('{val_los}'), 'ERR_OPTION', /"val_los" for test\.path: did you mean "val_loss"/);
      await expectFailure(() => fill('{val_loss:02d}'), 'ERR_OPTION', /val_loss:\.2f/);
    });

    it('keeps the last files, each of which loads', async () => {
      using model = network();
      writeFileSync(join(folder, 'm-99.safetensors'), 'not ours');
      const checkpoint = callbacks.modelCheckpoint({ path: join(folder, 'm-{epoch:02d}.safetensors'), keepLast: 2 });
      await model.fit(x, y, { ...run, epochs: 4, callbacks: [checkpoint] });
      expect(readdirSync(folder)).to.deep.equal(['m-03.safetensors', 'm-04.safetensors', 'm-99.safetensors']);
      expect(checkpoint.files).to.deep.equal(['03', '04'].map((n) => join(folder, `m-${n}.safetensors`)));
      using last = await gs.loadModel(checkpoint.files[1]!, { device: 'cpu' });
      expect(await last.getWeights()).to.deep.equal(await model.getWeights());
    });

    it('says which file it cannot delete', async () => {
      using model = network();
      const path = join(folder, 'm-1');
      const blocking: gs.Callback = {
        onEpochBegin(epoch) {
          if (epoch !== 1) return;
          rmSync(path);
          mkdirSync(path);
        },
      };
      const checkpoint = callbacks.modelCheckpoint({ path: join(folder, 'm-{epoch}'), keepLast: 1 });
      const fit = () => model.fit(x, y, { ...run, epochs: 3, callbacks: [blocking, checkpoint] });
      await expectFailure(fit, 'ERR_FILE', /m-1 cannot be deleted: .*is a directory/);
    });

    it('saves the best only, by what it watches', async () => {
      for (const [options, expected] of [
        [{}, [1, 3, 5]],
        [{ mode: 'max' }, [1, 2]],
        [{ keepLast: 1 }, [5]],
        [{ initialValueThreshold: 0.5 }, [5]],
      ] as const) {
        using model = network();
        const path = join(folder, '{epoch}');
        const checkpoint = callbacks.modelCheckpoint({ path, monitor: 'val_loss', saveBestOnly: true, ...options });
        const values = logged('val_loss', [0.9, 1, 0.8, 0.85, 0.3]);
        await model.fit(x, y, { ...run, epochs: 5, callbacks: [values, checkpoint] });
        expect(checkpoint.files).to.deep.equal(expected.map((n) => join(folder, String(n))));
        expect(checkpoint.best).to.equal('mode' in options ? 1 : 0.3);
        const { best } = callbacks.modelCheckpoint({ path, saveBestOnly: true, ...options });
        expect(best, 'before anything is saved').to.equal('initialValueThreshold' in options ? 0.5 : undefined);
      }
    });

    it('saves in the midst of epochs, and without the optimizer', async () => {
      using model = network({ optimizer: 'adam' });
      const whole = callbacks.modelCheckpoint({ path: join(folder, 'w-{epoch}-{batch}-{step}'), saveFreq: 3 });
      const bare = callbacks.modelCheckpoint({ path: join(folder, 'b-{loss:.0f}'), saveWeightsOnly: true });
      await model.fit(x, y, { ...run, epochs: 2, callbacks: [whole, bare] });
      expect(readdirSync(folder).filter((f) => f.startsWith('w'))).to.deep.equal(['w-1-3-3', 'w-2-2-6']);
      const text = (file: string): string => readFileSync(file, 'latin1');
      expect(text(whole.files[0]!)).to.include('"optimizer/m/out/kernel"');
      expect(text(bare.files[0]!)).to.include('"out/kernel"').and.not.include('optimizer');
    });

    it('refuses wrong options and watches', async () => {
      for (const [options, message] of [
        [{}, /modelCheckpoint\.path/],
        [{ path: 'a{' }, /modelCheckpoint\.path/],
        [{ path: 'a', saveFreq: 0 }, /modelCheckpoint\.saveFreq \(or "epoch"\)/],
        [{ path: 'a', saveFreq: 'batch' }, /modelCheckpoint\.saveFreq/],
        [{ path: 'a', keepLast: 0 }, /modelCheckpoint\.keepLast/],
        [{ path: 'a', saveBestOnly: 'yes' }, /modelCheckpoint\.saveBestOnly/],
        [{ path: 'a', saveBestOnly: true, monitor: 'mine' }, /modelCheckpoint\.mode/],
        [{ path: 'a', saveWeightsOnly: 1 }, /modelCheckpoint\.saveWeightsOnly/],
        [{ path: 'a', initialValueThreshold: NaN }, /modelCheckpoint\.initialValueThreshold/],
      ] as const) {
        await expectFailure(() => callbacks.modelCheckpoint(wrong(options)), 'ERR_OPTION', message);
      }
      using model = network();
      const fit = (options: gs.callbacks.ModelCheckpointOptions) =>
        model.fit(x, y, { ...run, validationData: [x, y], callbacks: [callbacks.modelCheckpoint(options)] });
      const early = { path: join(folder, 'a'), saveBestOnly: true, saveFreq: 2 };
      await expectFailure(() => fit(early), 'ERR_OPTION', /not known in the midst of an epoch/);
      await expectFailure(() => fit({ path: join(folder, 'no/such/a') }), 'ERR_FILE', /cannot be written/);
      await expectFailure(() => fit({ path: join(folder, '{batch}') }), 'ERR_OPTION', /placeholder "batch"/);
    });
  });

  describe('csvLogger', () => {
    const replace = (values: readonly object[]): gs.Callback => ({
      onEpochEnd: (epoch, logs) => {
        for (const key of Object.keys(logs)) Reflect.deleteProperty(logs, key);
        Object.assign(logs, values[epoch]);
      },
    });

    it('writes a line an epoch, replaces a file, or goes on in its columns', async () => {
      using model = network();
      const path = join(folder, 'log.csv');
      const values = [
        { loss: 0.5, accuracy: 0.25, matrix: [[1, 2]] },
        { loss: NaN, accuracy: 1e-7, extra: 3 },
      ];
      const log = (options: object = {}, epochs = 2) =>
        model.fit(x, y, { ...run, epochs, callbacks: [replace(values), callbacks.csvLogger({ path, ...options })] });
      const text = () => readFileSync(path, 'utf8');
      await log();
      const expected = 'epoch,accuracy,loss,matrix\n0,0.25,0.5,"[[1,2]]"\n1,1e-7,NaN,NA\n';
      expect(text()).to.equal(expected);
      await log();
      expect(text()).to.equal(expected);
      writeFileSync(path, 'epoch,loss,gone\n7,0.');
      await log({ append: true }, 1);
      expect(text()).to.equal('epoch,loss,gone\n7,0.\n0,0.5,NA\n');
      rmSync(path);
      await log({ append: true, separator: ';' }, 1);
      expect(text()).to.equal('epoch;accuracy;loss;matrix\n0;0.25;0.5;[[1,2]]\n');
      await expectFailure(() => log({ append: true }), 'ERR_FILE', /has no columns "epoch" and others/);
    });

    it('goes on in columns whose names are in quotes', async () => {
      using model = network();
      const path = join(folder, 'log.csv');
      const values = [{ 'a,b': 0.5, 'say "c"': 2, 'two\nlines': 3, loss: 1 }];
      const log = (append: boolean) =>
        model.fit(x, y, { ...run, epochs: 1, callbacks: [replace(values), callbacks.csvLogger({ path, append })] });
      await log(false);
      await log(true);
      const header = 'epoch,"a,b",loss,"say ""c""","two\nlines"\n';
      expect(readFileSync(path, 'utf8')).to.equal(`${header}0,0.5,1,2,3\n0,0.5,1,2,3\n`);
      writeFileSync(path, 'epoch,"a,b\n');
      await expectFailure(() => log(true), 'ERR_FILE', /has no columns "epoch" and others/);
    });

    it('has columns for validation that comes later', async () => {
      using model = network();
      const path = join(folder, 'log.csv');
      const logger = callbacks.csvLogger({ path });
      const history = await model.fit(x, y, {
        ...run,
        epochs: 2,
        validationData: [x, y],
        validationFreq: 2,
        callbacks: [logger],
      });
      const { loss, val_loss: later } = history;
      expect(readFileSync(path, 'utf8')).to.equal(`epoch,loss,val_loss\n0,${loss[0]},NA\n1,${loss[1]},${later![0]}\n`);
    });

    it('refuses wrong options and paths', async () => {
      for (const options of [
        {},
        { path: '' },
        { path: 'a', separator: 'ab' },
        { path: 'a', separator: '1' },
        { path: 'a', append: 1 },
      ]) {
        await expectFailure(() => callbacks.csvLogger(wrong(options)), 'ERR_OPTION', /callbacks\.csvLogger\./);
      }
      using model = network();
      const logger = callbacks.csvLogger({ path: join(folder, 'no/such/log.csv') });
      await expectFailure(() => model.fit(x, y, { callbacks: [logger] }), 'ERR_FILE', /log\.csv cannot be written/);
    });
  });

  describe('progressBar', () => {
    class Screen extends Writable {
      text = '';
      readonly columns = 120;
      constructor(readonly isTTY: boolean) {
        super();
      }
      override _write(chunk: Buffer, _encoding: string, done: () => void): void {
        this.text += chunk.toString('utf8');
        done();
      }
    }

    it('draws a bar an epoch in a terminal', async () => {
      using model = network();
      const stream = new Screen(true);
      const bar = callbacks.progressBar({ stream });
      const history = await model.fit(x, y, { ...run, epochs: 2, callbacks: [bar] });
      for (const epoch of [0, 1]) {
        expect(stream.text).to.include(`Epoch ${epoch + 1}/2 ━━━━━━━━━━━━━━━━━━━━ 4/4 loss: ${history.loss[epoch]!.toFixed(4)}`);
      }
      expect(stream.text.split('\n')).to.have.length(3);
      const slow = new Screen(true);
      const slowly: gs.Callback = { onBatchEnd: () => sleep(250) };
      await model.fit(x, y, { ...run, callbacks: [slowly, callbacks.progressBar({ stream: slow })] });
      expect(slow.text).to.match(/━─+ 2\/4 loss: \d\.\d{4} - \d+ samples\/s - 0:0\d left/);
      const unknown = new Screen(true);
      const batches = gs.data
        .dataset({ x, y })
        .filter(() => true)
        .batch(3);
      await model.fit(batches, { callbacks: [callbacks.progressBar({ stream: unknown })] });
      expect(unknown.text).to.match(/Epoch 1\/1 4 loss: \d/);
      expect(unknown.text).not.to.include('━');
    });

    it('leaves the terminal in order when training fails', async () => {
      using model = network();
      const stream = new Screen(true);
      const failing: gs.Callback = { onEpochEnd: () => Promise.reject(new Error('mine')) };
      const error = await model.fit(x, y, { callbacks: [failing, callbacks.progressBar({ stream })] }).catch((e: unknown) => e);
      expect((error as Error).message).to.equal('mine');
      expect(stream.text).to.match(/\n$/);
    });

    it('is quiet elsewhere, or writes a line an epoch', async () => {
      using model = network();
      const quiet = new Screen(false);
      const lines = new Screen(false);
      const values = logged('tiny', [0.00012345, 1]);
      const bars = [callbacks.progressBar({ stream: quiet }), callbacks.progressBar({ stream: lines, epochLines: true })];
      const { loss } = await model.fit(x, y, { ...run, epochs: 2, callbacks: [values, logged('list', [[1], [2]]), ...bars] });
      expect(quiet.text).to.equal('');
      const [a, b] = loss.map((l) => l.toFixed(4));
      expect(lines.text).to.equal(
        `Epoch 1/2 - loss: ${a} - tiny: ${(0.00012345).toExponential(3)}\nEpoch 2/2 - loss: ${b} - tiny: 1.0000\n`,
      );
      await expectFailure(() => callbacks.progressBar(wrong({ stream: {} })), 'ERR_OPTION', /progressBar\.stream/);
      await expectFailure(() => callbacks.progressBar(wrong({ epochLines: 1 })), 'ERR_OPTION', /progressBar\.epochLines/);
    });
  });

  describe('tensorBoard', () => {
    it('writes what TensorBoard reads, in Keras’s layout', async () => {
      using model = network();
      const board = callbacks.tensorBoard({ logDir: folder, histogramFreq: 2, updateFreq: 3 });
      const weights: number[][] = [];
      const keep: gs.Callback = {
        onEpochEnd: async (_epoch, logs) => {
          weights.push([...(await model.getWeights())[0]!.data]);
          Object.assign(logs, { list: [1, 2] });
        },
      };
      const history = await model.fit(x, y, { ...run, epochs: 3, validationData: [x, y], callbacks: [keep, board] });
      expect(readdirSync(folder)).to.deep.equal(['train', 'validation']);
      const train = readByTensorBoard(join(folder, 'train'));
      const values = (found: [number, number, number][]) => found.map(([, step, value]) => [step, value]);
      const float = (v: number): number => Math.fround(v);
      expect(Object.keys(train.scalars).sort()).to.deep.equal(['batch_loss', 'epoch_learning_rate', 'epoch_loss']);
      expect(values(train.scalars.epoch_loss!)).to.deep.equal(history.loss.map((l, i) => [i, float(l)]));
      expect(values(train.scalars.epoch_learning_rate!)).to.deep.equal([0, 1, 2].map((i) => [i, float(0.1)]));
      expect(train.scalars.batch_loss!.map(([, step]) => step)).to.deep.equal([3, 6, 9, 12]);
      // The fourth is the last step of the last epoch.
      expect(train.scalars.batch_loss![3]![2]).to.equal(float(history.loss[2]!));
      expect(Object.keys(train.histograms).sort()).to.deep.equal(['out/bias/histogram', 'out/kernel/histogram']);
      const kernels = train.histograms['out/kernel/histogram']!;
      expect(kernels.map(([, step, { min, max, num }]) => [step, min, max, num])).to.deep.equal(
        [0, 2].map((i) => [i, Math.min(...weights[i]!), Math.max(...weights[i]!), 2]),
      );
      const { scalars } = readByTensorBoard(join(folder, 'validation'));
      expect(Object.keys(scalars)).to.deep.equal(['epoch_loss']);
      expect(values(scalars.epoch_loss!)).to.deep.equal(history.val_loss!.map((l, i) => [i, float(l)]));
    });

    it('writes epochs only by default, and every batch on demand', async () => {
      for (const [updateFreq, steps] of [
        ['epoch', undefined],
        ['batch', [1, 2, 3, 4]],
      ] as const) {
        using model = network();
        const logDir = join(folder, updateFreq);
        await model.fit(x, y, { ...run, callbacks: [callbacks.tensorBoard({ logDir, updateFreq })] });
        expect(readdirSync(logDir)).to.deep.equal(['train']);
        const { scalars, histograms } = readByTensorBoard(join(logDir, 'train'));
        expect(scalars.batch_loss?.map(([, step]) => step)).to.deep.equal(steps);
        expect(histograms).to.deep.equal({});
      }
    });

    it('refuses wrong options and folders', async () => {
      for (const options of [{ logDir: '' }, { histogramFreq: -1 }, { updateFreq: 0 }, { updateFreq: 'step' }]) {
        await expectFailure(() => callbacks.tensorBoard(wrong(options)), 'ERR_OPTION', /callbacks\.tensorBoard\./);
      }
      writeFileSync(join(folder, 'file'), '');
      using model = network();
      const board = callbacks.tensorBoard({ logDir: join(folder, 'file') });
      await expectFailure(() => model.fit(x, y, { callbacks: [board] }), 'ERR_FILE', /cannot be written/);
    });
  });
});
