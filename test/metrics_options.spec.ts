/** Metrics by name: keys in histories, short names, saving with their options, the two lists; wrong options and labels that do not fit. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectFailure, failure, wrong } from './helpers/failure.js';
import { expectClose, measure } from './helpers/measure.js';

describe('metrics by name', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-metrics-'))));
  after(() => rmSync(folder, { recursive: true }));

  it('every name is a metric under its own key', async () => {
    const kinds = {
      meanSquaredError: [
        'meanSquaredError',
        'rootMeanSquaredError',
        'meanAbsoluteError',
        'meanAbsolutePercentageError',
        'r2Score',
        'meanSquaredLogarithmicError',
        'logCoshError',
        'cosineSimilarity',
        'poisson',
        'hinge',
        'squaredHinge',
        'precision',
        'recall',
        'truePositives',
        'trueNegatives',
        'falsePositives',
        'falseNegatives',
        'auc',
        'binaryAccuracy',
      ],
      categoricalCrossentropy: [
        'categoricalAccuracy',
        'topKCategoricalAccuracy',
        'categoricalHinge',
        'kullbackLeiblerDivergence',
        'f1Score',
        'fBetaScore',
        'categoricalCrossentropy',
        'binaryCrossentropy',
      ],
      sparseCategoricalCrossentropy: [
        'accuracy',
        'sparseCategoricalAccuracy',
        'sparseTopKCategoricalAccuracy',
        'sparseCategoricalCrossentropy',
        'perplexity',
        'confusionMatrix',
        'meanIoU',
        'iou',
        'dice',
      ],
    } as const;
    // binaryIoU wants a single output; the others have options that must be given.
    const more = ['binaryIoU', 'fromSums', 'sensitivityAtSpecificity', 'specificityAtSensitivity', 'precisionAtRecall'];
    const all = [...Object.values(kinds).flat(), ...more, 'recallAtPrecision'];
    expect(Object.keys(gs.metrics).sort()).to.deep.equal(all.sort());
    for (const [loss, names] of Object.entries(kinds)) {
      const labels = loss.startsWith('sparse')
        ? Int32Array.of(0, 1)
        : [
            [1, 0],
            [0, 1],
          ];
      const found = await measure(
        [
          [0.75, 0.25],
          [0.5, 0.5],
        ],
        labels,
        loss as gs.LossName,
        names,
      );
      expect(Object.keys(found)).to.deep.equal(['loss', ...names]);
    }
  });

  it('Keras’s short names are keys as well', async () => {
    const names = ['mse', 'mae', 'acc', 'msle', 'mape', 'bce', 'kld'] as const;
    const found = await measure([[0.5], [3]], [[0], [1]], 'meanSquaredError', names);
    expect(Object.keys(found)).to.deep.equal(['loss', ...names]);
    expectClose(found.mse, (0.25 + 4) / 2, 'mse');
    expectClose(found.mae, 1.25, 'mae');
  });

  it('metrics count every sample alike, weightedMetrics by weight; both may be used', async () => {
    using model = gs.sequential([gs.layers.activation({ activation: 'linear', inputShape: [1] })]);
    const weighted = gs.metrics.meanAbsoluteError({ name: 'weighted' });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'], weightedMetrics: [weighted], device: 'cpu' });
    const found = await model.evaluate(gs.tensor([[1], [5]]), [[0], [0]], { sampleWeight: Float32Array.of(3, 1) });
    expect(found).to.include({ mae: 3, weighted: 2 });
  });

  it('are saved with their options and restored', async () => {
    const path = join(folder, 'metrics.safetensors');
    const metrics = [
      'acc',
      gs.metrics.precision({ thresholds: [0.25, 0.75], name: 'p' }),
      gs.metrics.auc({ curve: 'PR', numThresholds: 20 }),
      gs.metrics.f1Score({ average: 'macro', threshold: 0.25 }),
      gs.metrics.sensitivityAtSpecificity({ specificity: 0.5 }),
    ] as const;
    const weightedMetrics = [gs.metrics.dice({ threshold: 0.25 }), gs.metrics.r2Score({ classAggregation: null })];
    using model = gs.sequential([gs.layers.dense({ units: 1, activation: 'sigmoid', inputShape: [1] })]);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics, weightedMetrics, device: 'cpu' });
    const x = gs.tensor([[0.5], [-1], [2], [0.25]]);
    const y = gs.tensor([[1], [0], [0], [1]]);
    const before = await model.evaluate(x, y);
    expect(Object.keys(before)).to.deep.equal([
      'loss',
      'acc',
      'p',
      'auc',
      'f1Score',
      'sensitivityAtSpecificity',
      'dice',
      'r2Score',
    ]);
    await model.save(path);
    using again = await gs.loadModel(path, { device: 'cpu' });
    expect(await again.evaluate(x, y)).to.deep.equal(before);
  });

  it('one of one’s own is not saved', async () => {
    const path = join(folder, 'own.safetensors');
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    const own = gs.metrics.fromSums({ name: 'own', sums: { all: (_t, p) => p }, result: ({ all }) => all! });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: [own], device: 'cpu' });
    await model.save(path);
    using again = await gs.loadModel(path, { device: 'cpu' });
    expect((await failure(() => again.evaluate([[1]], [[1]]))).code).to.equal('ERR_NOT_COMPILED');
  });
});

describe('wrong options of metrics', () => {
  const { metrics } = gs;
  const made: [what: string, message: RegExp, make: () => unknown][] = [
    [
      'an unknown option',
      /Unknown option "treshold" for metrics.binaryAccuracy: did you mean "threshold"\?/,
      () => metrics.binaryAccuracy(wrong({ treshold: 1 })),
    ],
    [
      'a threshold above 1',
      /^Expected number from 0 to 1 for metrics.binaryAccuracy.threshold but received 2/,
      () => metrics.binaryAccuracy({ threshold: 2 }),
    ],
    ['an empty name', /^Expected string that is not empty for metrics.accuracy.name/, () => metrics.accuracy({ name: '' })],
    ['k of 0', /^Expected integer > 0 for metrics.topKCategoricalAccuracy.k/, () => metrics.topKCategoricalAccuracy({ k: 0 })],
    [
      'k of a half',
      /^Expected integer > 0 for metrics.sparseTopKCategoricalAccuracy.k/,
      () => metrics.sparseTopKCategoricalAccuracy({ k: 0.5 }),
    ],
    [
      'no thresholds',
      /^Expected number from 0 to 1 or an array of them for metrics.precision.thresholds/,
      () => metrics.precision({ thresholds: [] }),
    ],
    [
      'a bad threshold in a list',
      /metrics.recall.thresholds\[1\] but received -1/,
      () => metrics.recall({ thresholds: [0.5, -1] }),
    ],
    ['topK of 0', /metrics.precision.topK/, () => metrics.precision({ topK: 0 })],
    ['a class below 0', /metrics.recall.classId/, () => metrics.recall({ classId: -1 })],
    ['thresholds of counts', /metrics.falsePositives.thresholds/, () => metrics.falsePositives({ thresholds: 3 })],
    [
      'an unknown average',
      /Unknown value "mikro" for metrics.f1Score.average: did you mean "micro"\?/,
      () => metrics.f1Score({ average: wrong('mikro') }),
    ],
    ['beta of 0', /^Expected number > 0 for metrics.fBetaScore.beta/, () => metrics.fBetaScore({ beta: 0 })],
    ['a threshold of F', /metrics.f1Score.threshold/, () => metrics.f1Score({ threshold: -0.5 })],
    ['one threshold of a curve', /metrics.auc.numThresholds/, () => metrics.auc({ numThresholds: 1 })],
    ['an unknown curve', /metrics.auc.curve/, () => metrics.auc({ curve: wrong('RPC') })],
    ['an unknown summation', /metrics.auc.summationMethod/, () => metrics.auc({ summationMethod: wrong('major') })],
    ['thresholds that are no list', /metrics.auc.thresholds/, () => metrics.auc({ thresholds: wrong(0.5) })],
    ['multiLabel that is no boolean', /metrics.auc.multiLabel/, () => metrics.auc({ multiLabel: wrong(1) })],
    ['weights below 0', /metrics.auc.labelWeights\[0\]/, () => metrics.auc({ multiLabel: true, labelWeights: [-1] })],
    ['fromLogits that is no boolean', /metrics.auc.fromLogits/, () => metrics.auc({ fromLogits: wrong('yes') })],
    [
      'no specificity',
      /^Expected number from 0 to 1 for metrics.sensitivityAtSpecificity.specificity/,
      () => metrics.sensitivityAtSpecificity(wrong({})),
    ],
    ['a recall above 1', /metrics.precisionAtRecall.recall/, () => metrics.precisionAtRecall({ recall: 1.5 })],
    [
      'no thresholds at all',
      /metrics.recallAtPrecision.numThresholds/,
      () => metrics.recallAtPrecision({ precision: 0.5, numThresholds: 0 }),
    ],
    ['one class', /metrics.confusionMatrix.numClasses/, () => metrics.confusionMatrix({ numClasses: 1 })],
    ['a threshold of a matrix', /metrics.confusionMatrix.threshold/, () => metrics.confusionMatrix({ threshold: 7 })],
    ['a class to ignore that is none', /metrics.meanIoU.ignoreClass/, () => metrics.meanIoU({ ignoreClass: 0.5 })],
    ['no target classes', /metrics.iou.targetClassIds/, () => metrics.iou({ targetClassIds: [] })],
    ['a third class of two', /metrics.binaryIoU.targetClassIds\[0\]/, () => metrics.binaryIoU({ targetClassIds: [2] })],
    ['a threshold of dice', /metrics.dice.threshold/, () => metrics.dice({ threshold: NaN })],
    ['smoothing above 1', /metrics.binaryCrossentropy.labelSmoothing/, () => metrics.binaryCrossentropy({ labelSmoothing: 2 })],
    ['a mask that is no class', /metrics.perplexity.maskTokenId/, () => metrics.perplexity({ maskTokenId: -1 })],
    ['an unknown aggregation', /metrics.r2Score.classAggregation/, () => metrics.r2Score({ classAggregation: wrong('mean') })],
    ['regressors below 0', /metrics.r2Score.numRegressors/, () => metrics.r2Score({ numRegressors: -1 })],
    [
      'no name',
      /^Expected string that is not empty for metrics.fromSums.name/,
      () => metrics.fromSums(wrong({ sums: {}, result: () => 0 })),
    ],
    [
      'no sums',
      /^Expected object of functions that is not empty for metrics.fromSums.sums/,
      () => metrics.fromSums({ name: 'a', sums: {}, result: () => 0 }),
    ],
    [
      'a sum that is no function',
      /metrics.fromSums.sums.x/,
      () => metrics.fromSums({ name: 'a', sums: { x: wrong(1) }, result: () => 0 }),
    ],
    ['no result', /metrics.fromSums.result/, () => metrics.fromSums(wrong({ name: 'a', sums: { x: () => 0 } }))],
  ];
  for (const [what, message, make] of made) {
    it(what, async () => {
      const error = await failure(() => Promise.resolve().then(make));
      expect(error.code).to.equal('ERR_OPTION');
      expect(error.message).to.match(message);
    });
  }

  const P = [
    [0.1, 0.9],
    [0.8, 0.2],
  ];
  const ONE_HOT = [
    [0, 1],
    [1, 0],
  ];
  const CLASSES = Int32Array.of(1, 0);
  type Case = [
    what: string,
    code: string,
    message: RegExp,
    labels: gs.TensorLike,
    loss: gs.CompileOptions['loss'],
    metrics: NonNullable<gs.CompileOptions['metrics']>,
  ];
  const run: Case[] = [
    [
      'precision of class numbers',
      'ERR_OPTION',
      /takes numbers as labels for metrics.precision/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      ['precision'],
    ],
    [
      'an error of class numbers',
      'ERR_OPTION',
      /takes numbers as labels for metrics.meanSquaredError/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      ['mse'].map(() => gs.metrics.meanSquaredError()),
    ],
    [
      'a sparse crossentropy of distributions',
      'ERR_OPTION',
      /takes class numbers as labels for metrics.sparseCategoricalCrossentropy/,
      ONE_HOT,
      'categoricalCrossentropy',
      ['sparseCategoricalCrossentropy'],
    ],
    [
      'categoricalAccuracy of class numbers',
      'ERR_OPTION',
      /use sparseCategoricalAccuracy/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      ['categoricalAccuracy'],
    ],
    [
      'sparse top k of distributions',
      'ERR_OPTION',
      /use topKCategoricalAccuracy/,
      ONE_HOT,
      'categoricalCrossentropy',
      ['sparseTopKCategoricalAccuracy'],
    ],
    [
      'a class that there is not',
      'ERR_OPTION',
      /metrics.precision.classId to be at most 1, for the model's 2 outputs, but received 2/,
      ONE_HOT,
      'categoricalCrossentropy',
      [gs.metrics.precision({ classId: 2 })],
    ],
    [
      'more of the largest than there are',
      'ERR_OPTION',
      /metrics.recall.topK to be at most 2, for the model's 2 outputs, but received 3/,
      ONE_HOT,
      'categoricalCrossentropy',
      [gs.metrics.recall({ topK: 3 })],
    ],
    [
      'a threshold for class numbers',
      'ERR_OPTION',
      /no metrics.f1Score.threshold/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      [gs.metrics.f1Score({ threshold: 0.5 })],
    ],
    [
      'weights for other outputs',
      'ERR_OPTION',
      /Expected 2 numbers, one an output, for metrics.auc.labelWeights but received 3/,
      ONE_HOT,
      'binaryCrossentropy',
      [gs.metrics.auc({ multiLabel: true, labelWeights: [1, 2, 3] })],
    ],
    [
      'weights without multiLabel',
      'ERR_OPTION',
      /Expected nothing without multiLabel/,
      ONE_HOT,
      'binaryCrossentropy',
      [gs.metrics.auc({ labelWeights: [1, 2] })],
    ],
    [
      'a target class that there is not',
      'ERR_OPTION',
      /metrics.iou.targetClassIds below 2 but received 5/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      [gs.metrics.iou({ targetClassIds: [0, 5] })],
    ],
    [
      'binaryIoU of several outputs',
      'ERR_OPTION',
      /metrics.binaryIoU expects a single output but the model has 2/,
      CLASSES,
      'sparseCategoricalCrossentropy',
      ['binaryIoU'],
    ],
    [
      'a function that returns nothing',
      'ERR_OPTION',
      /Expected the metric nothing to return a value/,
      ONE_HOT,
      'meanSquaredError',
      [wrong(function nothing() {})],
    ],
    [
      'a function of another shape',
      'ERR_SHAPE',
      /Expected the metric flat to be of shape \[2, \.\.\.\] or \[\] but received \[4\]/,
      ONE_HOT,
      'meanSquaredError',
      [
        function flat(_t: gs.Value, p: gs.Value) {
          return gs.ops.reshape(p, [4]);
        },
      ],
    ],
    [
      'a function of integers',
      'ERR_DTYPE',
      /Expected a float32 value of the metric most but received int32/,
      ONE_HOT,
      'meanSquaredError',
      [
        function most(_t: gs.Value, p: gs.Value) {
          return gs.ops.argmax(p);
        },
      ],
    ],
  ];
  for (const [what, code, message, labels, loss, list] of run) {
    it(what, async () => {
      const error = await failure(() => measure(P, labels, loss, list));
      expect(error.message).to.match(message);
      expect(error.code).to.equal(code);
    });
  }

  it('fewer classes than outputs', async () => {
    const p = [[0.1, 0.2, 0.7]];
    const error = await failure(() =>
      measure(p, Int32Array.of(1), 'sparseCategoricalCrossentropy', [gs.metrics.confusionMatrix({ numClasses: 2 })]),
    );
    expect(error.message).to.match(/metrics.confusionMatrix.numClasses to be at least 3, the model's classes, but received 2/);
  });

  it('a name that is taken, also by metrics of the other list', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    const compile = () =>
      model.compile({
        optimizer: 'sgd',
        loss: 'meanSquaredError',
        metrics: ['mae'],
        weightedMetrics: ['mse', 'mae'],
        device: 'cpu',
      });
    const error = await failure(() => Promise.resolve().then(compile));
    expect(error.message).to.match(/Expected a name of its own for compile.weightedMetrics\[1\] but "mae" is taken/);
  });

  it('a name that histories use, or that is not one line', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    const compile = (...metrics: (gs.Metric | gs.MetricFunction)[]) =>
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics, device: 'cpu' });
    const named = (name: string) => gs.metrics.meanSquaredError({ name });
    const own = (name: string): gs.MetricFunction => ({ [name]: (yTrue: gs.Value) => yTrue })[name]!;
    const cases: [() => unknown, RegExp][] = [
      [
        () => compile(named('learning_rate')),
        /^Expected a name of its own for compile.metrics\[0\] but "learning_rate" is taken/,
      ],
      [() => compile(own('val_loss')), /^Expected name that does not begin with "val_".* compile.metrics\[0\] .* "val_loss"/],
      [() => compile(named('mse'), named('val_mse')), /does not begin with "val_".* compile.metrics\[1\] .* "val_mse"/],
      [() => named('a\nb'), /^Expected string without line ends .* for metrics.meanSquaredError.name but received "a\\nb"/],
      [() => compile(own('a\tb')), /^Expected string without line ends .* for compile.metrics\[0\].name/],
      [() => compile({ ...named('a'), name: 'a\0' }), /^Expected string without line ends .* for compile.metrics\[0\].name/],
    ];
    for (const [run, message] of cases) await expectFailure(run, 'ERR_OPTION', message);
    compile(named('a,b "c" ä'), own('value'));
    expect(Object.keys(await model.fit([[1]], [1]))).to.deep.equal(['epoch', 'loss', 'a,b "c" ä', 'value']);
  });
});
