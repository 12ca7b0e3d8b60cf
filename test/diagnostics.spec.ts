/**
 * The callback diagnostics: its numbers against a network written out here in float64, when it reports, which activations it
 * looks at, and what it is given wrongly.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { numbers, watched, type DiagnosticsReport } from './helpers/watched.js';

const { layers, optimizers } = gs;
const { diagnostics } = gs.callbacks;

describe('diagnostics: numbers', () => {
  // x [6, 3] → dense 4 relu → dense 5 tanh → dense 4 sigmoid → dense 1, mean squared error; float64.
  const sizes = [3, 4, 5, 4, 1];
  const rows = 6;
  const X = numbers(rows * 3, 5).map((v) => 2 * v);
  const Y = numbers(rows, 6);
  const functions = [(v: number) => Math.max(v, 0), Math.tanh, (v: number) => 1 / (1 + Math.exp(-v)), (v: number) => v];
  const first = sizes
    .slice(1)
    .flatMap((units, l) => [
      numbers(sizes[l]! * units, 20 + l).map((v) => Math.fround([2, 12, 12, 3][l]! * v)),
      numbers(units, 40 + l).map((v, u) => Math.fround(l === 0 && u === 1 ? -20 : v)),
    ]);

  function forward(weights: readonly number[][], x: readonly number[], y: readonly number[]) {
    let at: number[][] = y.map((_, r) => x.slice(3 * r, 3 * r + 3));
    const results = functions.map((f, l) => {
      const [kernel, bias] = [weights[2 * l]!, weights[2 * l + 1]!];
      at = at.map((row) => bias.map((b, u) => f(row.reduce((s, v, i) => s + v * kernel[i * bias.length + u]!, b))));
      return at;
    });
    const loss = results[3]!.reduce((s, [p], r) => s + (p! - y[r]!) ** 2, 0) / y.length;
    return { results, loss };
  }

  /** Gradients of the loss by central differences. */
  function gradients(weights: readonly number[][], x: readonly number[], y: readonly number[]): number[][] {
    const h = 1e-6;
    return weights.map((tensor, t) =>
      tensor.map((_, i) => {
        const at = (step: number) =>
          forward(
            weights.map((w, k) => (k === t ? w.map((v, j) => (j === i ? v + step : v)) : w)),
            x,
            y,
          ).loss;
        return (at(h) - at(-h)) / (2 * h);
      }),
    );
  }

  const norm = (...lists: number[][]) => Math.hypot(...lists.flat());
  const model = async (device: string, compile: Partial<gs.CompileOptions> = {}) => {
    const made = gs.sequential([
      layers.dense({ units: 4, activation: 'relu', inputShape: [3], name: 'a' }),
      layers.dense({ units: 5, activation: 'tanh', name: 'b' }),
      layers.dense({ units: 4, activation: 'sigmoid', name: 'c' }),
      layers.dense({ units: 1, name: 'd' }),
    ]);
    made.compile({ optimizer: optimizers.sgd({ learningRate: 0.05 }), loss: 'meanSquaredError', device, seed: 1, ...compile });
    const shapes = sizes.slice(1).flatMap((units, l) => [[sizes[l]!, units], [units]]);
    await made.setWeights(first.map((w, i) => gs.tensor(Float32Array.from(w), shapes[i]!)));
    return made;
  };
  const x = gs.tensor(X, [rows, 3]);
  const y = gs.tensor(Y, [rows, 1]);

  function expectNumbers(report: DiagnosticsReport, grads: number[][], weights: readonly number[][], rate: number): void {
    const close = (found: number | undefined, wanted: number, what: string) =>
      expect(found, what).to.be.closeTo(wanted, 2e-4 * Math.abs(wanted) + 1e-9);
    expect(report.layers.map((l) => l.name)).to.deep.equal(['a', 'b', 'c', 'd']);
    report.layers.forEach((layer, l) => {
      const [g, w] = [grads.slice(2 * l, 2 * l + 2), weights.slice(2 * l, 2 * l + 2)];
      close(layer.gradientNorm, norm(...g), `${layer.name} gradient`);
      close(layer.weightNorm, norm(...w), `${layer.name} weight`);
      close(layer.updateRatio, (rate * norm(...g)) / norm(...w), `${layer.name} ratio`);
      expect(layer.weights.map((v) => v.name)).to.deep.equal([`${layer.name}/kernel`, `${layer.name}/bias`]);
      layer.weights.forEach((v, i) => {
        expect(v.size).to.equal(w[i]!.length);
        close(v.gradientNorm, norm(g[i]!), v.name);
        close(v.weightNorm, norm(w[i]!), v.name);
        close(v.updateNorm, rate * norm(g[i]!), v.name);
      });
    });
    close(report.gradientNorm, norm(...grads), 'gradient');
    close(report.updateRatio, (rate * norm(...grads)) / norm(...weights), 'ratio');
  }

  for (const device of ['cpu', 'cuda-emulated']) {
    it(`norms, ratios and shares are those of float64 (${device})`, async () => {
      const made = await model(device);
      const [report] = await watched(made, x, y, { batchSize: rows, shuffle: false });
      const { results, loss } = forward(first, X, Y);
      expect(report!.step).to.equal(0);
      expect(report!.loss).to.be.closeTo(loss, 1e-5 * loss);
      expectNumbers(report!, gradients(first, X, Y), first, 0.05);
      const dead = [0, 1, 2, 3].filter((u) => results[0]!.every((row) => row[u] === 0)).length / 4;
      const tanh = results[1]!.flat().filter((v) => 1 - v * v < 0.05).length / (5 * rows);
      const sigmoid = results[2]!.flat().filter((v) => 4 * v * (1 - v) < 0.05).length / (4 * rows);
      expect(dead, 'one unit has a bias of −20').to.be.within(0.25, 0.75);
      expect(tanh).to.be.within(0.1, 0.9);
      expect(sigmoid).to.be.within(0.1, 0.9);
      const [a, b, c, d] = report!.layers;
      expect(a!.deadUnits).to.be.closeTo(dead, 1e-6);
      expect(b!.saturatedUnits).to.be.closeTo(tanh, 1e-6);
      expect(c!.saturatedUnits).to.be.closeTo(sigmoid, 1e-6);
      expect([a!.saturatedUnits, b!.deadUnits, c!.deadUnits, d!.deadUnits, d!.saturatedUnits]).to.deep.equal(
        Array.from({ length: 5 }, () => undefined),
      );
      await made.dispose();
    });
  }

  it('gradients are those before clipping, updates those after', async () => {
    const made = await model('cpu', { optimizer: optimizers.sgd({ learningRate: 0.05, globalClipNorm: 0.01 }) });
    const [report] = await watched(made, x, y, { batchSize: rows, shuffle: false });
    const wanted = norm(...gradients(first, X, Y));
    expect(report!.gradientNorm).to.be.closeTo(wanted, 2e-4 * wanted);
    expect(report!.updateNorm).to.be.closeTo(0.05 * 0.01, 1e-6);
    await made.dispose();
  });

  for (const [name, fit, compile] of [
    ['the full batch', { batchSize: 'full' }, {}],
    ['accumulation', { batchSize: 2 }, { optimizer: optimizers.sgd({ learningRate: 0.05, gradientAccumulationSteps: 3 }) }],
  ] as const) {
    it(`${name}: one report an update, with its whole gradient`, async () => {
      const made = await model('cpu', compile);
      const reports = await watched(made, x, y, { ...fit, shuffle: false, epochs: 2 });
      expect(reports.length).to.equal(2);
      expectNumbers(reports[0]!, gradients(first, X, Y), first, 0.05);
      await made.dispose();
    });
  }

  it('weights become the same bits with and without it', async () => {
    const fit = { batchSize: 2, epochs: 4 };
    const [with_, without] = [await model('cpu'), await model('cpu')];
    await watched(with_, x, y, fit);
    await without.fit(x, y, fit);
    const [a, b] = [await with_.getWeights(), await without.getWeights()];
    a.forEach((w, i) => expect(Array.from(w.data)).to.deep.equal(Array.from(b[i]!.data)));
    await with_.dispose();
    await without.dispose();
  });

  it('reports come at multiples of every, over epochs, calls and chunks of datasets', async () => {
    const made = await model('cpu');
    const steps = async (run: (callback: gs.Callback) => Promise<unknown>) => {
      const found: number[] = [];
      await run(diagnostics({ every: 4, onReport: (r) => void found.push(r.step) }));
      return found;
    };
    expect(await steps((c) => made.fit(x, y, { batchSize: 2, epochs: 5, callbacks: [c] }))).to.deep.equal([0, 4, 8, 12]);
    expect(await steps((c) => made.fit(x, y, { batchSize: 2, epochs: 1, callbacks: [c] }))).to.deep.equal([16]);
    const pairs = gs.data.dataset({ x, y }).batch(2);
    expect(await steps((c) => made.fit(pairs, { epochs: 3, callbacks: [c] }))).to.deep.equal([20, 24]);
    const heard: number[] = [];
    const batches = { onBatchEnd: (batch: number) => void heard.push(batch) };
    expect(await steps((c) => made.fit(x, y, { batchSize: 2, epochs: 2, callbacks: [c, batches] }))).to.deep.equal([28, 32]);
    expect(heard).to.deep.equal([0, 1, 2, 0, 1, 2]);
    await made.dispose();
  });

  it('a report that is slow is waited for', async () => {
    const made = await model('cpu');
    let open = false;
    await watched(
      made,
      x,
      y,
      { batchSize: 2, epochs: 1 },
      {
        async onReport() {
          expect(open).to.equal(false);
          open = true;
          await new Promise((resolve) => setTimeout(resolve, 5));
          open = false;
        },
      },
    );
    await made.dispose();
  });
});

describe('diagnostics: activations', () => {
  it('relu in any layer is looked at; elu, gelu, silu and leakyRelu are not relu, nor their parts sigmoid or tanh', async () => {
    const inner = gs.sequential([layers.dense({ units: 4, activation: 'relu', inputShape: [4], name: 'deep' })]);
    const model = gs.sequential([
      layers.dense({ units: 4, activation: 'elu', inputShape: [5, 3], name: 'e' }),
      layers.dense({ units: 4, activation: 'gelu', name: 'g' }),
      layers.dense({ units: 4, activation: 'silu', name: 's' }),
      layers.dense({ units: 4, activation: 'mish', name: 'm' }),
      layers.dense({ units: 4, activation: 'leakyRelu', name: 'l' }),
      layers.timeDistributed({ layer: layers.dense({ units: 4, activation: 'relu' }), name: 'each' }),
      layers.flatten(),
      layers.dense({ units: 4, activation: 'relu6', name: 'six' }),
      inner,
      layers.dense({ units: 1, activation: 'sigmoid', name: 'out' }),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', device: 'cpu', seed: 1 });
    const [report] = await watched(
      model,
      gs.tensor(numbers(8 * 15), [8, 5, 3]),
      gs.tensor(
        numbers(8).map((v) => +(v > 0)),
        [8, 1],
      ),
      {},
    );
    const active = report!.layers.filter((l) => l.deadUnits !== undefined || l.saturatedUnits !== undefined);
    expect(active.map((l) => [l.name, l.isOutput])).to.deep.equal([
      ['each', false],
      ['six', false],
      ['sequential/deep', false],
      ['out', true],
    ]);
    await model.dispose();
  });
});

describe('diagnostics: options', () => {
  for (const [name, options, message] of [
    ['every', { every: 0 }, 'Expected integer > 0 for callbacks.diagnostics.every but received 0 of type number'],
    ['onReport', { onReport: 1 }, 'Expected function for callbacks.diagnostics.onReport but received 1 of type number'],
    ['printFn', { printFn: 'x' }, 'Expected function for callbacks.diagnostics.printFn but received "x" of type string'],
    ['an unknown option', { evry: 1 }, 'Unknown option "evry" for callbacks.diagnostics: did you mean "every"?'],
  ] as const) {
    it(name, () => expectFailure(() => diagnostics(wrong(options)), 'ERR_OPTION', message));
  }
});
