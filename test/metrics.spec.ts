/**
 * Metrics over a pass of uneven batches: against Keras and scikit-learn (golden/metrics.json, which make_metric_fixtures.py
 * writes) with and without weights, on the CPU and on the emulated GPU; sequences; what is degenerate; metrics in fit.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import * as gs from '../lib/index.js';
import type { Metric, MetricValue } from '../lib/metrics/metric.js';
import { failure } from './helpers/failure.js';
import { expectClose, measure } from './helpers/measure.js';

interface Fixture {
  weights: number[];
  data: Record<string, { y: number[] | number[][]; p: number[][]; loss: gs.LossName }>;
  cases: {
    metric: string;
    data: string;
    options: Record<string, unknown>;
    value: { plain: MetricValue; weighted?: MetricValue };
  }[];
}

const fixture = JSON.parse(readFileSync(new URL('golden/metrics.json', import.meta.url), 'utf8')) as Fixture;
const DEVICES = ['cpu', 'cuda-emulated'] as const;

type Factory = (options?: Record<string, unknown>) => Metric;
const factories = gs.metrics as unknown as Record<string, Factory>;

for (const device of DEVICES) {
  describe(`metrics against Keras and scikit-learn on ${device}`, () => {
    for (const [source, { y, p, loss }] of Object.entries(fixture.data)) {
      const cases = fixture.cases.filter((c) => c.data === source);
      let plain: Record<string, MetricValue>;
      let weighted: Record<string, MetricValue>;
      before(async () => {
        const made = () => cases.map((c, i) => factories[c.metric]!({ ...c.options, name: `case${i}` }));
        const labels = source === 'classes' ? Int32Array.from(y as number[]) : gs.tensor(y as number[][]);
        plain = await measure(p, labels, loss, made(), { device });
        weighted = await measure(p, labels, loss, made(), { device, weights: fixture.weights });
      });
      cases.forEach(({ metric, options, value }, i) => {
        it(`${metric} ${JSON.stringify(options)} of ${source}`, () => {
          expectClose(plain[`case${i}`], value.plain, 'without weights');
          if (value.weighted !== undefined) expectClose(weighted[`case${i}`], value.weighted, 'with weights');
        });
      });
    }
  });

  describe(`metrics over a pass on ${device}`, () => {
    const { y, p } = fixture.data.binary!;
    const rows = p.length;

    it('counts do not depend on how rows are cut into batches', async () => {
      const metrics = ['auc', 'precision', 'confusionMatrix'] as const;
      const results = await Promise.all(
        [1, 7, rows].map((batchSize) => measure(p, gs.tensor(y), 'binaryCrossentropy', metrics, { batchSize, device })),
      );
      for (const { auc, precision, confusionMatrix } of results) {
        expect({ auc, precision, confusionMatrix }).to.deep.equal({
          auc: results[0]!.auc,
          precision: results[0]!.precision,
          confusionMatrix: results[0]!.confusionMatrix,
        });
      }
    });

    it('the root of a mean is not the mean of roots', async () => {
      const metrics = ['rootMeanSquaredError', 'r2Score'] as const;
      const found = await measure([[1], [2], [6]], [[0], [0], [0]], 'meanSquaredError', metrics, { batchSize: 2, device });
      expectClose(found.rootMeanSquaredError, Math.sqrt((1 + 4 + 36) / 3), 'root');
    });

    it('r2Score keeps the digits of labels far from zero', async () => {
      const labels = [4096.25, 4096.5, 4097, 4096.125].map((v) => [v]);
      const outputs = [4096.5, 4096.5, 4096.75, 4096].map((v) => [v]);
      const mean = labels.reduce((s, [v]) => s + v! / 4, 0);
      const error = labels.reduce((s, [v], i) => s + (v! - outputs[i]![0]!) ** 2, 0);
      const variation = labels.reduce((s, [v]) => s + (v! - mean) ** 2, 0);
      const found = await measure(outputs, labels, 'meanSquaredError', ['r2Score'], { batchSize: 3, device });
      expectClose(found.r2Score, 1 - error / variation, 'r2Score');
    });

    it('a function of one’s own, and one from sums', async () => {
      const bias = (t: gs.Value, q: gs.Value) => gs.ops.sub(q, t);
      const ratio = gs.metrics.fromSums({
        name: 'ratio',
        sums: { right: (t, q) => gs.ops.mul(t, q), all: (_t, q) => q },
        result: ({ right, all }) => right! / all!,
      });
      const flat = (v: number[] | number[][]) => v.flat();
      const [labels, outputs] = [flat(y), flat(p)];
      const found = await measure(p, gs.tensor(y), 'meanSquaredError', [bias, ratio], { device });
      const sum = (v: number[]) => v.reduce((a, b) => a + b, 0);
      expectClose(found.bias, sum(outputs.map((v, i) => v - labels[i]!)) / rows, 'bias');
      expectClose(found.ratio, sum(outputs.map((v, i) => v * labels[i]!)) / sum(outputs), 'ratio');
      const weights = fixture.weights;
      const weighted = await measure(p, gs.tensor(y), 'meanSquaredError', [bias, ratio], { device, weights });
      expectClose(weighted.bias, sum(outputs.map((v, i) => weights[i]! * (v - labels[i]!))) / sum(weights), 'weighted bias');
      const right = sum(outputs.map((v, i) => weights[i]! * v * labels[i]!));
      expectClose(weighted.ratio, right / sum(outputs.map((v, i) => weights[i]! * v)), 'weighted ratio');
    });

    it('sequences: every position counts, with the weight of its sample', async () => {
      const shape = [5, 3, 2];
      const at = (i: number) => Math.fround(((i * 37) % 29) / 29);
      const outputs = Array.from({ length: 5 }, (_, r) =>
        Array.from({ length: 3 }, (_, t) => [at(r * 6 + t * 2), 1 - at(r * 6 + t * 2)]),
      );
      const labels = Array.from({ length: 15 }, (_, i) => (i * 7) % 2);
      const y3 = gs.tensor(Int32Array.from(labels), shape.slice(0, 2));
      const weights = [1, 2, 0, 0.5, 3];
      const metrics = ['accuracy', 'confusionMatrix', 'f1Score'] as const;
      const chosen = outputs.flat().map((q) => (q[1]! > q[0]! ? 1 : 0));
      for (const given of [undefined, weights]) {
        const found = await measure(outputs, y3, 'sparseCategoricalCrossentropy', metrics, {
          batchSize: 2,
          device,
          weights: given,
        });
        const w = labels.map((_, i) => given?.[Math.floor(i / 3)] ?? 1);
        const cell = (r: number, c: number) => labels.reduce((s, l, i) => s + (l === r && chosen[i] === c ? w[i]! : 0), 0);
        const matrix = [0, 1].map((r) => [0, 1].map((c) => cell(r, c)));
        expectClose(found.confusionMatrix, matrix, 'matrix');
        expectClose(found.accuracy, (matrix[0]![0]! + matrix[1]![1]!) / w.reduce((a, b) => a + b), 'accuracy');
        const f1 = [0, 1].map((c) => (2 * cell(c, c)) / (2 * cell(c, c) + cell(c, 1 - c) + cell(1 - c, c)));
        expectClose(found.f1Score, f1, 'f1Score');
      }
    });

    it('positions that a mask leaves out do not count, whatever the weight of their sample', async () => {
      const x = gs.tensor([
        [
          [0.2, 0.8],
          [0.7, 0.3],
          [9, 9],
        ],
        [
          [9, 9],
          [0.4, 0.6],
          [0.1, 0.9],
        ],
      ]);
      const y = gs.tensor(Int32Array.of(1, 1, 0, 1, 0, 1), [2, 3]);
      using model = gs.sequential([gs.layers.masking({ maskValue: 9, inputShape: [3, 2] })]);
      const table = gs.metrics.confusionMatrix({ name: 'weighted' });
      const metrics = ['accuracy', 'confusionMatrix', 'sparseCategoricalCrossentropy'] as const;
      model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics, weightedMetrics: [table], device });
      const found = await model.evaluate(x, y, { batchSize: 1, sampleWeight: Float32Array.of(1, 3) });
      expect(found.accuracy).to.equal(0.5);
      expectClose(
        found.confusionMatrix,
        [
          [0, 1],
          [1, 2],
        ],
        'matrix',
      );
      expectClose(
        found.weighted,
        [
          [0, 3],
          [1, 4],
        ],
        'weighted matrix',
      );
      const mean = -(Math.log(0.8) + Math.log(0.3) + Math.log(0.4) + Math.log(0.9)) / 4;
      expectClose(found.sparseCategoricalCrossentropy, mean, 'crossentropy');
    });

    it('several outputs: one or a list for each, by the output’s name', async () => {
      const a = gs.input({ shape: [1], name: 'a' });
      const b = gs.input({ shape: [1], name: 'b' });
      const pass = (name: string) => gs.layers.activation({ activation: 'linear', name });
      using model = gs.model({ inputs: [a, b], outputs: [pass('left').apply(a), pass('right').apply(b)] });
      model.compile({
        optimizer: 'sgd',
        loss: 'meanSquaredError',
        metrics: { left: 'mae', right: ['confusionMatrix'] },
        weightedMetrics: { right: gs.metrics.precision({ thresholds: 0.25 }) },
        device,
      });
      const x = [
        [[1], [2], [4]],
        [[0.3], [0.7], [0.9]],
      ];
      const y = [
        [[0], [0], [0]],
        [[0], [1], [1]],
      ];
      const sampleWeight = [Float32Array.of(1, 1, 1), Float32Array.of(2, 1, 1)];
      const found = await model.evaluate(
        x.map((v) => gs.tensor(v)),
        y.map((v) => gs.tensor(v)),
        { batchSize: 2, sampleWeight },
      );
      expectClose(found.left_mae, 7 / 3, 'mae');
      expectClose(
        found.right_confusionMatrix,
        [
          [1, 0],
          [0, 2],
        ],
        'matrix',
      );
      expectClose(found.right_precision, 0.5, 'precision');
    });

    it('one alone, of all outputs that have a loss', async () => {
      const a = gs.input({ shape: [1] });
      const pass = (name: string) => gs.layers.activation({ activation: 'linear', name }).apply(a);
      using model = gs.model({ inputs: a, outputs: [pass('left'), pass('right')] });
      const loss = { left: 'meanSquaredError' } as const;
      model.compile({ optimizer: 'sgd', loss, metrics: gs.metrics.meanAbsoluteError(), device });
      const found = await model.evaluate(gs.tensor([[1], [2], [4]]), { left: gs.tensor([[0], [0], [0]]) });
      expect(found).to.have.all.keys('loss', 'left_loss', 'left_meanAbsoluteError');
      expectClose(found.left_meanAbsoluteError, 7 / 3, 'mean');
      for (const metrics of [{ right: ['mae'] }, [['mae'], 'mse'], [[], ['mae']]] as const) {
        expect(() =>
          model.compile({ optimizer: 'sgd', loss, metrics: metrics as gs.CompileOptions['metrics'], device }),
        ).to.throw(/^Expected (no metrics where there is no loss for compile.metrics of right|name of a metric)/);
      }
    });

    it('labels of one kind only, nothing positive, labels that do not vary', async () => {
      const metrics = ['precision', 'recall', 'f1Score', 'auc', 'meanIoU', 'dice', 'truePositives'] as const;
      const none = await measure([[0.1], [0.2], [0.3]], [[0], [0], [0]], 'binaryCrossentropy', metrics, { batchSize: 2, device });
      const { loss: _loss, ...rest } = none;
      expect(rest).to.deep.equal({ precision: 0, recall: 0, f1Score: 0, auc: 0, meanIoU: 1, dice: 0, truePositives: 0 });
      const missed = await measure([[0.1], [0.2]], [[1], [1]], 'binaryCrossentropy', metrics, { device });
      expect(missed).to.include({ precision: 0, recall: 0, f1Score: 0, meanIoU: 0 });
      const flat = await measure([[2], [2]], [[2], [2]], 'meanSquaredError', ['r2Score'], { device });
      expect(flat.r2Score).to.equal(1);
      const off = await measure([[1], [3]], [[2], [2]], 'meanSquaredError', ['r2Score'], { device });
      expect(off.r2Score).to.equal(0);
      // Sums of squares whose difference rounding leaves above zero.
      const [outputs, labels] = [Array.from({ length: 49 }, (_, i) => [0.1 * i]), Array.from({ length: 49 }, () => [0.1])];
      const weights = outputs.map((_, i) => 0.3 + 0.1 * (i % 3));
      const rounded = await measure(outputs, labels, 'meanSquaredError', ['r2Score'], { device, weights });
      expect(rounded.r2Score).to.equal(0);
    });

    it('0 where nothing counts', async () => {
      const metrics = ['mae', 'rootMeanSquaredError', 'perplexity'] as const;
      const found = await measure([[0.2, 0.8]], [[0, 1]], 'meanSquaredError', metrics, { device, weights: [0] });
      expect(found).to.deep.equal({ loss: 0, mae: 0, rootMeanSquaredError: 0, perplexity: 0 });
      const padding = [gs.metrics.perplexity({ maskTokenId: 1 })];
      const padded = await measure([[0.2, 0.8]], [1], 'sparseCategoricalCrossentropy', padding, { device });
      expect(padded.perplexity).to.equal(0);
    });

    it('outputs of 0 exceed no threshold', async () => {
      // As Keras 3.15 has it: at thresholds 0, 1/4, 1/2, 3/4 and 1.
      const M = gs.metrics;
      const options = { numThresholds: 5 };
      const metrics = [
        M.precisionAtRecall({ ...options, recall: 0.5 }),
        M.recallAtPrecision({ ...options, precision: 0.4 }),
        M.sensitivityAtSpecificity({ ...options, specificity: 0 }),
        M.specificityAtSensitivity({ ...options, sensitivity: 0 }),
      ];
      const names = ['precisionAtRecall', 'recallAtPrecision', 'sensitivityAtSpecificity', 'specificityAtSensitivity'];
      const values = (found: Record<string, unknown>) => names.map((name) => found[name]);
      const none = await measure([[0], [0]], [[1], [0]], 'meanSquaredError', metrics, { device });
      expect(values(none)).to.deep.equal([0, 0, 0, 1]);
      const some = await measure([[0], [0.25], [0.6], [1]], [[1], [1], [0], [0]], 'meanSquaredError', metrics, { device });
      expectClose(values(some) as number[], [1 / 3, 0, 0.5, 1], 'found');
    });

    it('r2Score: as it is where there are too few samples to adjust it, and 1 for what is exact however outputs are weighted', async () => {
      const [p, y] = [
        [[1], [2], [6]],
        [[1], [2], [3]],
      ];
      for (const [numRegressors, expected] of [
        [0, -3.5],
        [1, -8],
        [2, -3.5],
        [5, -3.5],
      ] as const) {
        const found = await measure(p, y, 'meanSquaredError', [gs.metrics.r2Score({ numRegressors })], { device });
        expectClose(found.r2Score, expected, `${numRegressors} regressors`);
      }
      const still = [gs.metrics.r2Score({ classAggregation: 'varianceWeightedAverage' })];
      expect((await measure([[2], [2]], [[2], [2]], 'meanSquaredError', still, { device })).r2Score).to.equal(1);
    });

    it('a label that is partly positive counts on both sides', async () => {
      const found = await measure([[0.9], [0.2]], [[0.25], [0.5]], 'binaryCrossentropy', ['precision', 'falseNegatives'], {
        device,
      });
      expect(found).to.include({ precision: 0.25, falseNegatives: 0.5 });
    });

    it('logits: auc with fromLogits, and outputs outside its range without', async () => {
      const logits = [[-2], [3], [0.5], [-0.1]];
      const labels = [[0], [1], [0], [1]];
      const metrics = [gs.metrics.auc({ fromLogits: true })];
      const found = await measure(logits, labels, 'meanSquaredError', metrics, { device });
      expectClose(found.auc, 0.75, 'auc');
      const error = await failure(() => measure(logits, labels, 'meanSquaredError', ['auc'], { device }));
      expect(error.code).to.equal('ERR_OPTION');
      expect(error.message).to.equal(
        'Expected outputs from 0 to 1 for metrics.auc, or logits with fromLogits, but received others in step 0 of the pass (evaluate)',
      );
    });

    it('crossentropies and perplexity from logits', async () => {
      const z = [
        [1, 2, -1],
        [0.5, 0.25, 3],
        [-2, 0, 0.25],
      ];
      const classes = [1, 0, 2];
      const total = (row: number[]) => row.reduce((a, v) => a + Math.exp(v), 0);
      const mean = classes.reduce((a, c, r) => a + (Math.log(total(z[r]!)) - z[r]![c]!) / 3, 0);
      const oneHot = classes.map((c) => [0, 1, 2].map((k) => (k === c ? 1 : 0)));
      const binary = z.flatMap((row, r) => row.map((v, k) => Math.log1p(Math.exp(v)) - v * oneHot[r]![k]!));
      const logits = { fromLogits: true } as const;
      const { sparseCategoricalCrossentropy, categoricalCrossentropy, binaryCrossentropy, perplexity } = gs.metrics;
      const sparse = [sparseCategoricalCrossentropy(logits), perplexity(logits)];
      const dense = [categoricalCrossentropy(logits), binaryCrossentropy(logits), perplexity(logits)];
      const one = await measure(z, Int32Array.from(classes), 'sparseCategoricalCrossentropy', sparse, { batchSize: 2, device });
      const two = await measure(z, oneHot, 'categoricalCrossentropy', dense, { batchSize: 2, device });
      for (const found of [one, two]) expectClose(found.perplexity, Math.exp(mean), 'perplexity');
      expectClose(one.sparseCategoricalCrossentropy, mean, 'sparse');
      expectClose(two.categoricalCrossentropy, mean, 'dense');
      expectClose(two.binaryCrossentropy, binary.reduce((a, b) => a + b) / 9, 'binary');
    });

    it('matrices and overlaps with more classes, another threshold and a class that does not count', async () => {
      const p = [
        [0.1, 0.7, 0.2],
        [0.6, 0.3, 0.1],
        [0.2, 0.3, 0.5],
        [0.8, 0.1, 0.1],
      ];
      const y = Int32Array.of(1, 3, 2, 2); // predicted: 1, 0, 2, 0
      const { confusionMatrix, iou, meanIoU, dice } = gs.metrics;
      const more = { numClasses: 4 } as const;
      const list = [confusionMatrix(more), meanIoU({ ...more, ignoreClass: 3 }), iou(more), dice({ ...more, ignoreClass: 3 })];
      // A loss of one's own, since a sparse cross-entropy knows no fourth class of three outputs.
      const own = (_t: gs.Value, q: gs.Value) => gs.ops.square(q);
      const found = await measure(p, gs.tensor(Float32Array.from(y), [4]), own, list, { batchSize: 3, device });
      expectClose(
        found.confusionMatrix,
        [
          [0, 0, 0, 0],
          [0, 1, 0, 0],
          [1, 0, 1, 0],
          [1, 0, 0, 0],
        ],
        'matrix',
      );
      expectClose(found.meanIoU, (0 + 1 + 1 / 2) / 3, 'meanIoU');
      expectClose(found.iou, (0 + 1 + 1 / 2 + 0) / 4, 'iou');
      expectClose(found.dice, (0 + 1 + 2 / 3) / 3, 'dice');
      const low = [confusionMatrix({ threshold: 0.2 }), dice({ threshold: 0.2, targetClassIds: [0, 1] })];
      const one = await measure([[0.1], [0.3], [0.9]], [[0], [0], [1]], 'binaryCrossentropy', low, { batchSize: 2, device });
      expectClose(
        one.confusionMatrix,
        [
          [1, 1],
          [0, 1],
        ],
        'low threshold',
      );
      expectClose(one.dice, (2 / 3 + 2 / 3) / 2, 'dice of both');
    });

    it('a label that is no class is told with its row', async () => {
      const labels = [[0], [1], [2], [0]];
      const run = () =>
        measure([[0.1], [0.2], [0.7], [0.8]], labels, 'meanSquaredError', ['precision'], { batchSize: 2, device });
      const error = await failure(run);
      expect(error.code).to.equal('ERR_LABEL_RANGE');
      expect(error.message).to.contain('received 2 in row 2 of y');
    });

    it('fit shows metrics and matrices per epoch, with validation', async () => {
      using model = gs.sequential([gs.layers.dense({ units: 2, activation: 'softmax', inputShape: [1] })]);
      const [precision, confusion] = [gs.metrics.precision({ classId: 1 }), gs.metrics.confusionMatrix({ name: 'table' })];
      model.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', metrics: [precision, confusion], device, seed: 1 });
      const x = gs.tensor([[1], [-1], [2], [-2], [0.5]]);
      const labels = gs.tensor([1, 0, 1, 0, 1].map((c) => [1 - c, c]));
      const history = await model.fit(x, labels, { epochs: 2, batchSize: 2, validationData: [x, labels], shuffle: false });
      const table = history.val_table as unknown as number[][][];
      expect(table).to.have.length(2);
      expect(table.map((m) => m.flat().reduce((a, b) => a + b))).to.deep.equal([5, 5]);
      const [[, falsePositive], [, truePositive]] = table[1] as [[number, number], [number, number]];
      expectClose(
        history.val_precision!.at(-1),
        truePositive === 0 ? 0 : truePositive / (truePositive + falsePositive),
        'precision',
      );
    });
  });
}

describe('accuracy beside a loss of decisions', () => {
  it('several binary decisions are counted one by one by accuracy', async () => {
    using model = gs.sequential([gs.layers.activation({ activation: 'linear', inputShape: [3] })]);
    model.compile({ optimizer: 'sgd', loss: 'binaryFocalCrossentropy', metrics: ['accuracy'], device: 'cpu' });
    const { accuracy } = await model.evaluate(gs.tensor([[0.9, 0.2, 0.6]]), gs.tensor([[1, 0, 0]]));
    expect(accuracy).to.be.closeTo(2 / 3, 1e-6);
  });
});
