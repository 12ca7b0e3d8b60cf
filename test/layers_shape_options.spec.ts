/** Layers that move elements: the shapes they declare, and every wrong option, shape and number by code and message. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';

const L = gs.layers;

function expectError(body: () => unknown, code: string, message: string): void {
  expect(body).to.throw(message).with.property('code', code);
}

describe('layers that move elements: options', () => {
  const bad = (v: unknown) => v as never;
  const at = (shape: number[]) => gs.input({ shape });

  it('categoryEncoding is multiHot by default', () => {
    expect(L.categoryEncoding({ numTokens: 5 }).options.outputMode).to.equal('multiHot');
  });

  it('shapes', () => {
    const shapes: [gs.Layer, number[], number[]][] = [
      [L.reshape({ targetShape: [4, -1] }), [2, 6], [4, 3]],
      [L.reshape({ targetShape: [] }), [1], []],
      [L.permute({ dims: [3, 1, 2] }), [2, 3, 4], [4, 2, 3]],
      [L.repeatVector({ n: 3 }), [4], [3, 4]],
      [L.zeroPadding1d({ padding: [1, 2] }), [4, 5], [7, 5]],
      [L.zeroPadding2d({ padding: [1, 2] }), [4, 5, 6], [6, 9, 6]],
      [L.zeroPadding3d({ padding: [1, 0, 2] }), [4, 5, 6, 7], [6, 5, 10, 7]],
      [L.cropping1d({ cropping: [1, 2] }), [4, 5], [1, 5]],
      [
        L.cropping2d({
          cropping: [
            [1, 0],
            [2, 1],
          ],
        }),
        [4, 5, 6],
        [3, 2, 6],
      ],
      [L.cropping3d(), [4, 5, 6, 7], [2, 3, 4, 7]],
      [L.categoryEncoding({ numTokens: 9 }), [4], [9]],
      [L.categoryEncoding({ numTokens: 9 }), [3, 4], [3, 9]],
      [L.categoryEncoding({ numTokens: 9 }), [], [9]],
      [L.categoryEncoding({ numTokens: 9, outputMode: 'oneHot' }), [4], [4, 9]],
      [L.categoryEncoding({ numTokens: 9, outputMode: 'oneHot' }), [4, 1], [4, 9]],
      [L.categoryEncoding({ numTokens: 9, outputMode: 'oneHot' }), [1], [9]],
      [L.categoryEncoding({ numTokens: 9, outputMode: 'oneHot' }), [], [9]],
      [L.dense({ units: 2 }), [3, 4, 5], [3, 4, 2]],
    ];
    for (const [layer, input, output] of shapes) {
      expect(layer.apply(at(input)).shape, `${layer.className} of [${input.join(', ')}]`).to.deep.equal(output);
    }
  });

  it('wrong options are named', () => {
    for (const targetShape of [undefined, 3, [0], [2.5], [-1, -1], [-2], ['a']]) {
      expectError(
        () => L.reshape({ targetShape: bad(targetShape) }),
        'ERR_OPTION',
        'Expected array of integers > 0, one of which may be -1, for layers.reshape.targetShape',
      );
    }
    for (const dims of [undefined, [], [0, 1], [1, 1], [1, 3], 2]) {
      expectError(
        () => L.permute({ dims: bad(dims) }),
        'ERR_OPTION',
        'Expected array that holds each integer from 1 to its length once for layers.permute.dims',
      );
    }
    for (const n of [undefined, 0, 1.5]) {
      expectError(() => L.repeatVector({ n: bad(n) }), 'ERR_OPTION', 'Expected integer > 0 for layers.repeatVector.n');
    }
    for (const amount of [
      -1,
      1.5,
      [1],
      [1, -1],
      [1, 2, 3],
      'same',
      [
        [1, 2],
        [3, 4],
      ],
    ]) {
      const words = 'Expected integer >= 0 or [before, after] for layers';
      expectError(() => L.zeroPadding1d({ padding: bad(amount) }), 'ERR_OPTION', `${words}.zeroPadding1d.padding`);
      expectError(() => L.cropping1d({ cropping: bad(amount) }), 'ERR_OPTION', `${words}.cropping1d.cropping`);
    }
    for (const amount of [
      -1,
      [1],
      [1, 2, 3],
      [[1, 2], 3],
      [
        [1, 2],
        [3, -4],
      ],
      [
        [1, 2, 3],
        [1, 2, 3],
      ],
    ]) {
      const words = 'Expected integer >= 0 or two of them, or two pairs for layers';
      expectError(() => L.zeroPadding2d({ padding: bad(amount) }), 'ERR_OPTION', `${words}.zeroPadding2d.padding`);
      expectError(() => L.cropping2d({ cropping: bad(amount) }), 'ERR_OPTION', `${words}.cropping2d.cropping`);
    }
    for (const amount of [
      0.5,
      [1, 2],
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2, -3],
    ]) {
      const words = 'Expected integer >= 0 or three of them, or three pairs for layers';
      expectError(() => L.zeroPadding3d({ padding: bad(amount) }), 'ERR_OPTION', `${words}.zeroPadding3d.padding`);
      expectError(() => L.cropping3d({ cropping: bad(amount) }), 'ERR_OPTION', `${words}.cropping3d.cropping`);
    }
    expectError(() => L.categoryEncoding({ numTokens: 0 }), 'ERR_OPTION', 'layers.categoryEncoding.numTokens');
    expectError(() => L.categoryEncoding(bad({})), 'ERR_OPTION', 'layers.categoryEncoding.numTokens');
    expectError(
      () => L.categoryEncoding({ numTokens: 3, outputMode: bad('multi_hot') }),
      'ERR_OPTION',
      'did you mean "multiHot"?',
    );
    expectError(() => L.zeroPadding2d(bad({ paddings: 1 })), 'ERR_OPTION', 'did you mean "padding"?');
  });

  it('wrong shapes are named', () => {
    expectError(() => L.reshape({ targetShape: [5] }).apply(at([2, 3])), 'ERR_SHAPE', 'samples of shape [2, 3] into [5]');
    expectError(() => L.reshape({ targetShape: [4, -1] }).apply(at([2, 3])), 'ERR_SHAPE', 'into [4, -1]');
    expectError(
      () => L.permute({ dims: [2, 1] }).apply(at([2, 3, 4])),
      'ERR_SHAPE',
      'Expected samples of 2 dimensions but received [2, 3, 4]',
    );
    expectError(() => L.repeatVector({ n: 2 }).apply(at([2, 3])), 'ERR_SHAPE', 'Expected samples of shape [features]');
    expectError(() => L.zeroPadding1d().apply(at([2])), 'ERR_SHAPE', '[steps, channels]');
    expectError(() => L.zeroPadding2d().apply(at([2, 3])), 'ERR_SHAPE', '[height, width, channels]');
    expectError(() => L.zeroPadding3d().apply(at([2, 3, 4])), 'ERR_SHAPE', '[depth, height, width, channels]');
    expectError(() => L.cropping1d().apply(at([2])), 'ERR_SHAPE', '[steps, channels]');
    expectError(
      () => L.cropping1d().apply(at([2, 3])),
      'ERR_SHAPE',
      'Cropping by [[1, 1]] leaves nothing of samples of shape [2, 3]',
    );
    expectError(
      () => L.cropping2d({ cropping: [0, 3] }).apply(at([7, 6, 1])),
      'ERR_SHAPE',
      'Cropping by [[0, 0], [3, 3]] leaves nothing',
    );
  });

  it('categoryEncoding wants integers', async () => {
    const x = gs.input({ shape: [3] });
    using model = gs.model({ inputs: x, outputs: L.categoryEncoding({ numTokens: 4 }).apply(x) });
    let error: unknown;
    await model.predict(gs.tensor(new Float32Array(3), [1, 3])).catch((e: unknown) => (error = e));
    expect(error).to.have.property('code', 'ERR_DTYPE');
    expect(String(error)).to.include('Expected int32 inputs but received float32');
  });

  it('categoryEncoding names a number that is no class', async () => {
    const x = gs.input({ shape: [3], dtype: 'int32' });
    using model = gs.model({ inputs: x, outputs: L.categoryEncoding({ numTokens: 4, name: 'kinds' }).apply(x) });
    let error: unknown;
    await model.predict(gs.tensor(Int32Array.of(0, 1, 2, 3, 4, 0), [2, 3])).catch((e: unknown) => (error = e));
    expect(error).to.have.property('code', 'ERR_INDEX_RANGE');
    expect(error).to.have.property('message', 'Expected integers from 0 to 3 but received 4 in row 1 of x (in kinds)');
  });

  it('integers may be moved as well', async () => {
    const x = gs.input({ shape: [2, 3], dtype: 'int32' });
    const moved = L.cropping1d({ cropping: [0, 1] }).apply(L.permute({ dims: [2, 1] }).apply(x));
    const y = L.categoryEncoding({ numTokens: 9, outputMode: 'count' }).apply(L.reshape({ targetShape: [-1] }).apply(moved));
    using model = gs.model({ inputs: x, outputs: y });
    const { data } = await model.predict(gs.tensor(Int32Array.of(8, 2, 5, 2, 2, 7), [1, 2, 3]));
    expect([...data]).to.deep.equal([0, 0, 3, 0, 0, 0, 0, 0, 1]);
  });
});
