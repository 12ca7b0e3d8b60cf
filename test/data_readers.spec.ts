/**
 * Readers of files: .npy and .npz written by NumPy (test/golden/make_npy.py), IDX written here by hand. Damaged files must
 * be named errors, never a crash, a hang or memory taken on a file's word.
 */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { idx, npy, npz, writeNpy, writeNpz } = gs.data;
const golden = fileURLToPath(new URL('golden/npy/', import.meta.url));
const file = (name: string): string => join(golden, name);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-data-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file in the test's folder. */
function made(name: string, contents: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, contents);
  return path;
}

describe('data.npy', () => {
  const dtypes: Record<string, gs.DataType> = {
    ...{ f2: 'float32', f4: 'float32', f8: 'float32', i1: 'int32', i2: 'int32', i4: 'int32' },
    ...{ i8: 'int32', u1: 'uint8', u2: 'int32', u4: 'int32', u8: 'int32' },
  };
  for (const [kind, dtype] of Object.entries(dtypes)) {
    for (const prefix of kind.endsWith('1') ? [''] : ['', 'big_']) {
      it(`reads ${prefix}${kind} as ${dtype}`, async () => {
        const tensor = await npy(file(`${prefix}${kind}.npy`));
        const values = upTo(6).map((i) => (kind.startsWith('u') ? i : kind.startsWith('f') ? (i - 2) / 4 : i - 2));
        expect([tensor.dtype, tensor.shape, Array.from(tensor.data)]).to.deep.equal([dtype, [2, 3], values]);
      });
    }
  }

  it('reads booleans as bytes', async () => {
    expect(await npy(file('b1.npy'))).to.deep.equal(gs.tensor(Uint8Array.of(0, 1, 0, 1, 0, 1), [2, 3]));
  });

  for (const name of ['version2', 'version3', 'fortran']) {
    it(`reads ${name}`, async () => {
      expect(await npy(file(`${name}.npy`))).to.deep.equal(gs.tensor(Float32Array.from(upTo(24)), [2, 3, 4]));
    });
  }

  it('reads vectors, scalars and nothing', async () => {
    expect(await npy(file('vector.npy'))).to.deep.equal(gs.tensor([0, 1, 2]));
    expect(await npy(file('scalar.npy'))).to.deep.equal(gs.tensor(2.5));
    expect(await npy(file('empty.npy'))).to.deep.equal(new gs.Tensor(new Float32Array(0), [0, 3]));
  });

  it('reads every kind of half', async () => {
    const { data } = await npy(file('half_range.npy'));
    expect(Array.from(data)).to.deep.equal([65504, -65504, 2 ** -24, -(2 ** -14), Infinity, -Infinity, NaN, -0]);
  });

  it('reads bytes, URLs and what is packed with gzip', async () => {
    const bytes = readFileSync(file('f4.npy'));
    const expected = await npy(file('f4.npy'));
    expect(await npy(new Uint8Array(bytes))).to.deep.equal(expected);
    expect(await npy(pathToFileURL(file('f4.npy')))).to.deep.equal(expected);
    expect(await npy(made('f4.npy.gz', gzipSync(bytes)))).to.deep.equal(expected);
    expect(await npy(gzipSync(bytes))).to.deep.equal(expected);
  });

  it('reads more than one chunk', async () => {
    const tensor = gs.tensor(Int32Array.from({ length: 700_001 }, (_, i) => i * 3 - 1e6));
    const path = join(folder, 'large.npy');
    await writeNpy(path, tensor);
    expect((await npy(path)).data).to.deep.equal(tensor.data);
  });

  it('writes what NumPy writes, byte for byte', async () => {
    const cube = gs.tensor(Float32Array.from(upTo(24)), [2, 3, 4]);
    const pairs: [string, gs.Tensor][] = [
      [
        'f4',
        gs.tensor([
          [-0.5, -0.25, 0],
          [0.25, 0.5, 0.75],
        ]),
      ],
      ['i4', gs.tensor(Int32Array.of(-2, -1, 0, 1, 2, 3), [2, 3])],
      ['u1', gs.tensor(Uint8Array.from(upTo(6)), [2, 3])],
      ['vector', gs.tensor([0, 1, 2])],
      ['scalar', gs.tensor(2.5)],
      ['empty', new gs.Tensor(new Float32Array(0), [0, 3])],
    ];
    const path = join(folder, 'written.npy');
    for (const [name, tensor] of pairs) {
      await writeNpy(path, tensor);
      expect(readFileSync(path).equals(readFileSync(file(`${name}.npy`))), name).to.equal(true);
    }
    await writeNpy(pathToFileURL(path), cube.rows(1, 2));
    expect(await npy(path)).to.deep.equal(gs.tensor(Float32Array.from(upTo(24).slice(12)), [1, 3, 4]));
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
  });

  const refused: [name: string, code: gs.ErrorCode, message: RegExp][] = [
    ['int_too_large', 'ERR_DTYPE', /int_too_large.npy holds 2147483648 at element 1, which int32 does not hold$/],
    ['int_too_small', 'ERR_DTYPE', /holds -2147483649 at element 0/],
    ['unsigned_too_large', 'ERR_DTYPE', /holds 4294967295 at element 2/],
    ['double_too_large', 'ERR_DTYPE', /holds 1e\+39 at element 1, which float32 does not hold$/],
    ['complex', 'ERR_FILE', /complex.npy holds '<c8'; only numbers and booleans of up to 8 bytes can be read$/],
    ['fields', 'ERR_FILE', /holds \[\('a', '<f4'\), \('b', '<i4'\)\]; only numbers/],
    ['text', 'ERR_FILE', /holds '<U2'; only numbers/],
    ['objects', 'ERR_FILE', /holds '\|O'; only numbers/],
  ];
  for (const [name, code, message] of refused) {
    it(`refuses ${name}`, () => expectFailure(() => npy(file(`${name}.npy`)), code, message));
  }

  /** A file of version 1 with this header and so many bytes after it. */
  const withHeader = (text: string, bytes = 4): Uint8Array => {
    const header = Buffer.from(text, 'latin1');
    return Buffer.concat([
      Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]),
      header,
      Buffer.alloc(bytes),
    ]);
  };
  const headers: [header: string, message: RegExp][] = [
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True, }", /has a header that is not one of an .npy file/],
    ["{'descr': '<f4', 'shape': (1,), }", /has a header that is not one/],
    ["{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }", /has a header that is not one/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } import os", /has a header that is not one/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", /has a header that is not one/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }", /has the shape \(1 1\)/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993, 2), }", /has the shape \(9007/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1,'.repeat(40)}), }`, /has the shape/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,), }", /ends in the middle of its data/],
    ['', /has a header that is not one/],
    ['[1, 2]', /has a header that is not one/],
    ["{'descr': 'f4', 'fortran_order': False, 'shape': (1,), }", /holds 'f4'; only numbers/],
    ["{'descr': '<f3', 'fortran_order': False, 'shape': (1,), }", /holds '<f3'; only numbers/],
    ["{'descr': '<constructor', 'fortran_order': False, 'shape': (1,), }", /holds '<constructor'; only numbers/],
  ];
  for (const [header, message] of headers) {
    it(`refuses the header ${header.slice(0, 75)}`, () => expectFailure(() => npy(withHeader(header)), 'ERR_FILE', message));
  }

  it('takes headers as older NumPy wrote them', async () => {
    const old = `{"descr": "<f4", 'fortran_order': False, 'shape': (1L,)}   \n`;
    expect((await npy(withHeader(old))).shape).to.deep.equal([1]);
  });

  it('refuses files that are cut off anywhere, or go on', async () => {
    const bytes = readFileSync(file('f4.npy'));
    for (let length = 0; length < bytes.length; length++) {
      const message = length < 8 ? /is not an .npy file$/ : /ends in the middle of its data$/;
      await expectFailure(() => npy(new Uint8Array(bytes.subarray(0, length))), 'ERR_FILE', message);
    }
    await expectFailure(() => npy(Buffer.concat([bytes, Buffer.of(0)])), 'ERR_FILE', /more bytes than its header says$/);
    await expectFailure(() => npy(gzipSync(bytes).subarray(0, 60)), 'ERR_FILE', /cannot be read: unexpected end of file/);
  });

  it('takes no memory on a header’s word, also where gzip could make more of it', async () => {
    const bomb = withHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", 100);
    await expectFailure(() => npy(gzipSync(bomb)), 'ERR_FILE', /ends in the middle of its data/);
    const long = Buffer.from([0x93, ...Buffer.from('NUMPY'), 2, 0, 255, 255, 255, 127]);
    await expectFailure(() => npy(new Uint8Array(long)), 'ERR_FILE', /header of 2147483647 bytes; at most 1048576/);
  });

  it('refuses other versions, other files, folders and paths that are none', async () => {
    const later = Buffer.from(readFileSync(file('f4.npy')));
    later[6] = 4;
    await expectFailure(() => npy(new Uint8Array(later)), 'ERR_FILE', /of version 4; versions 1 to 3 can be read/);
    await expectFailure(() => npy(fileURLToPath(import.meta.url)), 'ERR_FILE', /data_readers.spec.ts is not an .npy file/);
    await expectFailure(() => npy(folder), 'ERR_FILE', /is not a file$/);
    await expectFailure(() => npy(join(folder, 'missing.npy')), 'ERR_FILE', /missing.npy cannot be read: ENOENT/);
    await expectFailure(() => npy(wrong(3)), 'ERR_OPTION', /^Expected path of a file for data.npy.path but received 3/);
    await expectFailure(() => npy(new URL('http://a/b.npy')), 'ERR_OPTION', /data.npy.path/);
    await expectFailure(() => writeNpy(join(folder, 'no/such/folder.npy'), gs.tensor([1])), 'ERR_FILE', /cannot be written/);
    await expectFailure(() => writeNpy('', gs.tensor([1])), 'ERR_OPTION', /data.writeNpy.path/);
    await expectFailure(() => writeNpy('a', wrong([1])), 'ERR_OPTION', /^Expected tensor for data.writeNpy.tensor/);
  });
});

describe('data.npz', () => {
  const expected = { weights: gs.tensor(Float32Array.from(upTo(24)), [2, 3, 4]), labels: gs.tensor(Int32Array.from(upTo(5))) };

  it('reads stored and deflated archives', async () => {
    for (const name of ['stored.npz', 'deflated.npz']) {
      expect(await npz(file(name))).to.deep.equal(expected);
      expect(await npz(new Uint8Array(readFileSync(file(name))))).to.deep.equal(expected);
    }
  });

  it('writes archives that it reads, the same bytes each time', async () => {
    const bytes = [];
    for (const compress of [false, true, true]) {
      const path = join(folder, 'written.npz');
      await writeNpz(path, expected, { compress });
      expect(await npz(path)).to.deep.equal(expected);
      bytes.push(readFileSync(path));
    }
    expect(bytes[1]!.length).to.be.lessThan(bytes[0]!.length);
    expect(bytes[1]!.equals(bytes[2]!)).to.equal(true);
    await writeNpz(join(folder, 'none.npz'), {});
    expect(await npz(join(folder, 'none.npz'))).to.deep.equal({});
  });

  it('refuses archives with one byte changed, or reads the same arrays', async () => {
    const bytes = new Uint8Array(readFileSync(file('deflated.npz')));
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 0x10;
      try {
        const arrays = await npz(changed);
        for (const [name, tensor] of Object.entries(arrays)) {
          const [, original] = Object.entries(expected).find(([key]) => key === name) ?? [];
          if (original) expect(tensor, `byte ${at}`).to.deep.equal(original);
        }
      } catch (error) {
        expect(error, String(error)).to.be.instanceOf(gs.GradstepError);
        refused++;
      }
    }
    expect(refused).to.be.greaterThan(bytes.length / 4);
  });

  it('refuses archives that are cut off, and other files', async () => {
    const bytes = new Uint8Array(readFileSync(file('stored.npz')));
    for (let length = 0; length < bytes.length; length += 13) {
      await expectFailure(() => npz(bytes.subarray(0, length)), 'ERR_FILE', /^data.npz cannot be read: /);
    }
    await expectFailure(() => npz(file('f4.npy')), 'ERR_FILE', /f4.npy cannot be read: /);
    await expectFailure(() => npz(join(folder, 'missing.npz')), 'ERR_FILE', /ENOENT/);
    await expectFailure(() => npz(wrong(undefined)), 'ERR_OPTION', /data.npz.path/);
    const { ZipFile } = await import('yazl');
    const pack = async (entries: [name: string, bytes: Buffer][]): Promise<Uint8Array> => {
      const archive = new ZipFile();
      for (const [name, contents] of entries) archive.addBuffer(contents, name);
      archive.end();
      const chunks = [];
      for await (const chunk of archive.outputStream as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
      return new Uint8Array(Buffer.concat(chunks));
    };
    const array = readFileSync(file('f4.npy'));
    await expectFailure(async () => npz(await pack([['a.txt', array]])), 'ERR_FILE', 'data.npz: a.txt is not an .npy file');
    await expectFailure(
      async () => npz(await pack([['a.npy', Buffer.from('no')]])),
      'ERR_FILE',
      'data.npz: a.npy is not an .npy file',
    );
    const twice: [string, Buffer][] = [
      ['a.npy', array],
      ['a.npy', array],
    ];
    await expectFailure(async () => npz(await pack(twice)), 'ERR_FILE', 'data.npz has two arrays of the name "a"');
    await expectFailure(() => writeNpz('a', wrong([])), 'ERR_OPTION', /record of tensors for data.writeNpz.tensors/);
    await expectFailure(() => writeNpz('a', wrong({ b: 1 })), 'ERR_OPTION', /tensor for data.writeNpz.tensors.b/);
    await expectFailure(() => writeNpz('a', {}, wrong({ compres: true })), 'ERR_OPTION', /did you mean "compress"/);
    await expectFailure(() => writeNpz(join(folder, 'no/such.npz'), {}), 'ERR_FILE', /cannot be written/);
  });
});

describe('data.idx', () => {
  /** An IDX file: type, sizes, bytes. */
  const idxFile = (type: number, sizes: number[], bytes: number[]): Uint8Array =>
    Uint8Array.from([
      0,
      0,
      type,
      sizes.length,
      ...sizes.flatMap((n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255]),
      ...bytes,
    ]);

  it('reads images and labels as MNIST has them, also packed', async () => {
    const images = idxFile(8, [2, 2, 3], upTo(12));
    expect(await idx(images)).to.deep.equal(gs.tensor(Uint8Array.from(upTo(12)), [2, 2, 3]));
    const labels = made('labels-idx1-ubyte.gz', gzipSync(idxFile(8, [3], [7, 2, 1])));
    expect(await idx(labels)).to.deep.equal(gs.tensor(Uint8Array.of(7, 2, 1)));
  });

  it('reads the other types', async () => {
    expect(await idx(idxFile(0x09, [2], [255, 1]))).to.deep.equal(gs.tensor(Int32Array.of(-1, 1)));
    expect(await idx(idxFile(0x0b, [2], [255, 254, 1, 0]))).to.deep.equal(gs.tensor(Int32Array.of(-2, 256)));
    expect(await idx(idxFile(0x0c, [1], [0x80, 0, 0, 1]))).to.deep.equal(gs.tensor(Int32Array.of(-2147483647)));
    expect(await idx(idxFile(0x0d, [1, 1], [0x3f, 0xc0, 0, 0]))).to.deep.equal(gs.tensor([[1.5]]));
    expect(await idx(idxFile(0x0e, [1], [0xbf, 0xf8, 0, 0, 0, 0, 0, 0]))).to.deep.equal(gs.tensor([-1.5]));
  });

  it('refuses what is not whole or not IDX', async () => {
    await expectFailure(() => idx(idxFile(8, [4], [1, 2, 3])), 'ERR_FILE', 'data.idx ends in the middle of its data');
    await expectFailure(() => idx(idxFile(8, [2], [1, 2, 3])), 'ERR_FILE', /more bytes than its header says/);
    await expectFailure(
      () => idx(idxFile(8, [2 ** 31 - 1, 2 ** 31 - 1], [])),
      'ERR_FILE',
      /has the shape \[2147483647, 2147483647\]/,
    );
    await expectFailure(() => idx(gzipSync(idxFile(8, [2 ** 31 - 1], []))), 'ERR_FILE', /ends in the middle/);
    await expectFailure(() => idx(Uint8Array.of(0, 0, 8, 3, 0)), 'ERR_FILE', /ends in the middle/);
    await expectFailure(() => idx(idxFile(7, [1], [1])), 'ERR_FILE', /is not an IDX file/);
    await expectFailure(() => idx(Uint8Array.of(0, 0, 8)), 'ERR_FILE', /is not an IDX file/);
    await expectFailure(() => idx(file('f4.npy')), 'ERR_FILE', /f4.npy is not an IDX file/);
    await expectFailure(() => idx(wrong(null)), 'ERR_OPTION', /data.idx.path/);
  });
});
