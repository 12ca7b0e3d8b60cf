/** Weights from safetensors files that others wrote: floats of every size, beside tensors of other types. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';

type Tensors = Readonly<Record<string, { dtype: string; shape: number[]; bytes: ArrayBufferView }>>;

describe('loadWeights', () => {
  let path: string;
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-types-'));
    path = join(folder, 'others.safetensors');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function write(tensors: Tensors): void {
    const header: Record<string, unknown> = {};
    const parts: Buffer[] = [];
    let at = 0;
    for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
      const part = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      header[name] = { dtype, shape, data_offsets: [at, at + part.length] };
      at += part.length;
      parts.push(part);
    }
    const json = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(json.length));
    writeFileSync(path, Buffer.concat([prefix, json, ...parts]));
  }

  const model = (units: number): gs.Sequential =>
    gs.sequential([gs.layers.dense({ units, useBias: false, inputShape: [1], name: 'd' })]);
  const counter = { dtype: 'I64', shape: [], bytes: BigInt64Array.of(7n) };

  // Bits and values of NumPy 2.4 (halves) and PyTorch 2.15 (bfloat16).
  const halves = [0, 32768, 15360, 49408, 31743, 1, 33791, 13653];
  const ofHalves = [0, -0, 1, -2.5, 65504, 5.960464477539063e-8, -6.097555160522461e-5, 0.333251953125];
  const brains = [0, 16256, 65536 - 16352, 16457, 32406];
  const ofBrains = [0, 1, -2.5, 3.140625, 9.969209968386869e37];
  const cases: readonly [dtype: string, bytes: ArrayBufferView, expected: readonly number[]][] = [
    ['F16', Uint16Array.from(halves), ofHalves],
    ['F16', Uint16Array.of(0x7c00, 0xfc00, 0x7e00), [Infinity, -Infinity, NaN]],
    ['BF16', Uint16Array.from(brains), ofBrains],
    ['F64', Float64Array.of(0.1, -1e30, 3), [Math.fround(0.1), Math.fround(-1e30), 3]],
    ['F32', Float32Array.of(0.5, -2), [0.5, -2]],
  ];
  for (const [dtype, bytes, expected] of cases) {
    it(`takes ${dtype}, ${expected.length} of them, beside integers that are no weights`, async () => {
      write({ counter, 'd/kernel': { dtype, shape: [1, expected.length], bytes } });
      using m = model(expected.length);
      await m.loadWeights(path);
      expect([...(await m.getWeights())[0]!.data]).to.deep.equal(expected);
    });
  }

  it('refuses weights that are integers', async () => {
    write({ 'd/kernel': { dtype: 'I32', shape: [1, 1], bytes: Int32Array.of(3) } });
    using m = model(1);
    await expectFailure(() => m.loadWeights(path), 'ERR_FILE', /"d\/kernel" of dtype I32; weights are F32, F64, F16 or BF16$/);
  });
});
