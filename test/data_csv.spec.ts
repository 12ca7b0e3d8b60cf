/** The reader of CSV. Damaged files must be named errors, never a crash, a hang or memory taken on a file's word. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { csv } = gs.data;
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

describe('data.csv', () => {
  const FLOWERS = `length,width,rooms,species
5.1,3.5,1,setosa
7.0,3.2,2,versicolor
"6.3", 3.3 ,3,"vir""gin"
`;
  const species = ['setosa', 'versicolor', 'vir"gin'];
  const options = { label: 'species', types: { species, rooms: 'int32' } } as const;

  it('reads rows with a header: numbers, integers, categories', async () => {
    const rows = await csv([FLOWERS], options).toArray();
    const x = [
      [5.1, 3.5, 1],
      [7, 3.2, 2],
      [6.3, 3.3, 3],
    ];
    expect(rows).to.deep.equal(x.map((values, i) => ({ x: gs.tensor(values), y: new gs.Tensor(Int32Array.of(i), []) })));
  });

  it('takes all rows as tensors, and the same again from a path', async () => {
    const rows = csv(made('flowers.csv', FLOWERS), { ...options, columns: ['rooms', 'width'] });
    for (let pass = 0; pass < 2; pass++) {
      const { x, y } = await rows.toTensors();
      expect(x).to.deep.equal(
        gs.tensor([
          [1, 3.5],
          [2, 3.2],
          [3, 3.3],
        ]),
      );
      expect(y).to.deep.equal(gs.tensor(Int32Array.of(0, 1, 2)));
    }
    expect(rows.size).to.equal(undefined);
    expect(rows.batched).to.equal(false);
  });

  it('has int32 columns where all are integers, vectors of several labels, and no y without a label', async () => {
    const { x, y } = await csv([FLOWERS], { ...options, columns: ['rooms', 'species'], label: ['length', 'width'] }).toTensors();
    expect(x).to.deep.equal(gs.tensor(Int32Array.of(1, 0, 2, 1, 3, 2), [3, 2]));
    expect(y.toArray()).to.deep.equal(
      gs
        .tensor([
          [5.1, 3.5],
          [7, 3.2],
          [6.3, 3.3],
        ])
        .toArray(),
    );
    const alone = await csv([FLOWERS], { columns: [0] })
      .take(1)
      .toArray();
    expect(alone).to.deep.equal([{ x: gs.tensor([5.1]) }]);
  });

  it('makes several inputs', async () => {
    const several = csv([FLOWERS], { ...options, columns: { size: ['length', 'width'], rooms: ['rooms'] } });
    const { x } = await several.toTensors();
    expect(Object.keys(x)).to.deep.equal(['size', 'rooms']);
    expect(x['rooms']).to.deep.equal(gs.tensor(Int32Array.of(1, 2, 3), [3, 1]));
    expect(x['size']!.shape).to.deep.equal([3, 2]);
  });

  it('takes columns by number, other delimiters, no header or names for it, line ends of every kind, and a byte order mark', async () => {
    const expected = { x: gs.tensor([[1, 2]]), y: gs.tensor([3]) };
    for (const [text, given] of [
      ['1;3;2\r\n', { header: false, delimiter: ';', label: 1 }],
      ['1\t2\t3', { header: ['a', 'b', 'c'], delimiter: '\t', label: 'c' }],
      ['\ufeffa,b,c\n\n1,2,3\n\n', { label: 'c' }],
      ['a, b ,c\r1,2 ,3\r', { label: 'c', columns: ['a', 'b'] }],
      ['5,1,2,3\n', { header: false, label: 3, columns: [1, 2], types: { 0: 'int32' } }],
    ] as [string, gs.data.CsvOptions & { label: string }][]) {
      expect(await csv([text], given as never).toTensors(), JSON.stringify(text)).to.deep.equal(expected);
    }
  });

  it('reads streams, bytes, pieces cut anywhere, and gzip', async () => {
    const bytes = Buffer.from(FLOWERS);
    const expected = await csv([FLOWERS], options).toTensors();
    const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    const packed = gzipSync(bytes);
    for (const source of [
      Readable.from([bytes]),
      bytes,
      single,
      packed,
      Array.from(packed, (_, i) => packed.subarray(i, i + 1)),
      made('flowers.csv.gz', packed),
      pathToFileURL(made('flowers2.csv', bytes)),
    ]) {
      expect(await csv(source, options).toTensors()).to.deep.equal(expected);
    }
    const once = csv(Readable.from([bytes]), options);
    await once.toArray();
    await expectFailure(() => once.toArray(), 'ERR_DATA', /can be read only once/);
  });

  it('reads many rows in blocks, and only what is asked for', async () => {
    const lines = (n: number) => Array.from({ length: n }, (_, i) => `${i},${i % 3}\n`);
    const path = made('many.csv', `a,b\n${lines(5000).join('')}`);
    const batches = await csv(path, { label: 'b', types: { b: 'int32' } })
      .batch(300)
      .toArray();
    expect(batches.map(({ x }) => x.shape[0])).to.deep.equal([...Array<number>(16).fill(300), 200]);
    expect(batches.flatMap(({ x }) => Array.from(x.data))).to.deep.equal(upTo(5000));
    expect(batches.flatMap(({ y }) => Array.from(y.data))).to.deep.equal(upTo(5000).map((i) => i % 3));
    const shuffled = await csv(path, { label: 'b' })
      .shuffle(100, { seed: 1 })
      .map(({ x }) => x.data[0]!)
      .toArray();
    expect(shuffled).not.to.deep.equal(upTo(5000));
    expect([...shuffled].sort((a, b) => a - b)).to.deep.equal(upTo(5000));
    let produced = 0;
    let closed = false;
    const endless = async function* (): AsyncGenerator<string> {
      try {
        yield 'a,b\n';
        for (;;) {
          produced++;
          yield await Promise.resolve('1,2\n'.repeat(1024));
        }
      } finally {
        closed = true;
      }
    };
    expect(await csv(endless(), { label: 'b' }).take(3).toArray()).to.have.length(3);
    expect(produced).to.be.lessThan(200);
    expect(closed).to.equal(true);
  });

  it('takes columns named like members of every object', async () => {
    const text = '__proto__,constructor,toString\n1,2,3.5\n';
    const { x, y } = await csv([text], { label: 'constructor', types: { ['constructor' as string]: 'int32' } }).toTensors();
    expect(x.toArray()).to.deep.equal([[1, 3.5]]);
    expect(y).to.deep.equal(gs.tensor(Int32Array.of(2)));
  });

  it('does with missing fields as told', async () => {
    const text = 'a,b\n1,\nNA,2\n?,x\n4,5\n';
    const read = (given: gs.data.CsvOptions) => csv([text], given as { label: undefined }).toTensors();
    expect((await read({ missing: 'skip' })).x.toArray()).to.deep.equal([[4, 5]]);
    expect((await read({ missing: -1, types: { b: ['x', '2', '5'] } })).x.toArray()).to.deep.equal([
      [1, -1],
      [-1, 1],
      [-1, 0],
      [4, 2],
    ]);
    expect((await read({ missing: 'skip', missingValues: ['1', 'NA', '?'] })).x.toArray()).to.deep.equal([[4, 5]]);
    await expectFailure(() => read({}), 'ERR_DATA', 'Expected a value in data.csv, row 1, column "b" but received ""');
    await expectFailure(
      () => read({ missing: 0, missingValues: ['NA'] }),
      'ERR_DATA',
      /^Expected a number in .* row 1, column "b"/,
    );
    for (const [missing, type] of [
      [NaN, 'int32'],
      [0.5, 'int32'],
      [3e9, 'int32'],
      [1e300, 'float32'],
      [0.5, ['x']],
    ] as const) {
      await expectFailure(
        () => csv(['a\nNA\n'], { missing, types: { a: type } }).toArray(),
        'ERR_OPTION',
        /^Expected number that column "a" of (int32|float32) holds for data.csv.missing but received/,
      );
    }
    expect((await csv(['a\nNA\n'], { missing: NaN }).toTensors()).x.toArray()).to.deep.equal([[NaN]]);
    const all = csv(['a\nNA\n'], { missing: 'skip' });
    expect(await all.toArray()).to.deep.equal([]);
  });

  const broken: [what: string, text: string, code: gs.ErrorCode, message: string | RegExp, options?: object][] = [
    ['a word', 'a,b\n1,2\n1,x\n', 'ERR_DATA', 'Expected a number in data.csv, row 2, column "b" but received "x"'],
    [
      'a category that is none',
      'a\nz\n',
      'ERR_DATA',
      /^Expected one of x, y in .* "a" but received "z"$/,
      { types: { a: ['x', 'y'] } },
    ],
    ['a fraction', 'a\n1.5\n', 'ERR_DATA', /^Expected a 32-bit integer in .* received "1.5"$/, { types: { a: 'int32' } }],
    ['a large integer', 'a\n3000000000\n', 'ERR_DATA', /^Expected a 32-bit integer/, { types: { a: 'int32' } }],
    ...['1e999', '-1e39', 'Infinity'].map((field): (typeof broken)[number] => [
      `the number ${field}`,
      `a\n${field}\n`,
      'ERR_DATA',
      `Expected a number that float32 holds in data.csv, row 1, column "a" but received "${field}"`,
    ]),
    ['a short row', 'a,b\n1,2\n3\n', 'ERR_FILE', /^data.csv cannot be read: Invalid Record Length: .* line 3/],
    ['an open quote', 'a,b\n1,"2\n3,4\n', 'ERR_FILE', /^data.csv cannot be read: Quote Not Closed/],
    ['nothing', '', 'ERR_FILE', 'data.csv is empty'],
    ['a name twice', 'a,a\n1,2\n', 'ERR_FILE', 'data.csv has two columns of the name "a"'],
    [
      'names for another number of columns',
      '1,2\n',
      'ERR_FILE',
      'data.csv has 2 columns but 1 names for them',
      { header: ['a'] },
    ],
    ['only labels', 'a\n1\n', 'ERR_FILE', 'data.csv has no column that is not a label', { label: 'a' }],
    [
      'a column that is not there',
      'apple,b\n1,2\n',
      'ERR_OPTION',
      /"aple" for data.csv.label: did you mean "apple"/,
      { label: 'aple' },
    ],
    ['one among inputs', 'a,b\n1,2\n', 'ERR_OPTION', /for data.csv.columns.in\b/, { columns: { in: ['c'] } }],
    ['a type for one', 'a,b\n1,2\n', 'ERR_OPTION', /"c" for data.csv.types/, { types: { c: 'int32' } }],
    [
      'a number beyond',
      '1,2\n',
      'ERR_OPTION',
      /a column below 2 for data.csv.columns but received 2/,
      { header: false, columns: [2] },
    ],
    ['a name without a header', '1,2\n', 'ERR_OPTION', /there is no header/, { header: false, label: 'a' }],
  ];
  for (const [what, text, code, message, given] of broken) {
    it(`refuses ${what}`, () => expectFailure(() => csv([text], given as never).toArray(), code, message));
  }

  it('says what is wrong with gzip that is cut off, and with a file that is not there', async () => {
    const packed = gzipSync(FLOWERS).subarray(0, 40);
    await expectFailure(() => csv(packed, options).toArray(), 'ERR_FILE', /cannot be read: unexpected end of file/);
    await expectFailure(
      () => csv(join(folder, 'missing.csv'), options).toArray(),
      'ERR_FILE',
      /missing.csv cannot be read: ENOENT/,
    );
  });

  const checked: [options: object, message: RegExp][] = [
    [{ colums: [] }, /did you mean "columns"/],
    [{ columns: [] }, /data.csv.columns but received \[\]/],
    [{ columns: [1.5] }, /name or number of a column for data.csv.columns\[0\]/],
    [{ columns: {} }, /at least one input for data.csv.columns/],
    [{ columns: { a: 'b' } }, /data.csv.columns.a but received "b"/],
    [{ label: true }, /data.csv.label but received true/],
    [{ header: 1 }, /boolean for data.csv.header/],
    [{ header: [1] }, /array of strings for data.csv.header/],
    [{ delimiter: '' }, /data.csv.delimiter/],
    [{ delimiter: '"' }, /data.csv.delimiter/],
    [{ types: { a: 'float' } }, /"float32", "int32" or an array of categories for data.csv.types.a/],
    [{ types: { a: [] } }, /data.csv.types.a/],
    [{ types: 'int32' }, /data.csv.types/],
    [{ header: ['a', 'b', 'a'] }, /array of strings that differ for data.csv.header/],
    [{ types: { a: ['x', 'y', 'x'] } }, /array of strings that differ for data.csv.types.a/],
    [{ missing: 'drop' }, /"error", "skip" or a number for data.csv.missing/],
    [{ missingValues: 'NA' }, /data.csv.missingValues/],
  ];
  for (const [given, message] of checked) {
    it(`refuses the options ${JSON.stringify(given)}`, () =>
      expectFailure(() => csv(['a\n1\n'], wrong(given)), 'ERR_OPTION', message));
  }
  it('refuses what is no source', async () => {
    await expectFailure(() => csv(wrong(3)), 'ERR_OPTION', /for data.csv.source but received 3/);
    const expected = /^Expected string or bytes for a piece of data.csv.source but received 1/;
    await expectFailure(() => csv(wrong([1, 2])).toArray(), 'ERR_OPTION', expected);
  });

  it('characters may be cut between pieces, in strings and in bytes', async () => {
    const text = 'a,b\n😀,1\né😀,2\n';
    const types = { a: ['😀', 'é😀'] };
    const bytes = Buffer.from(text);
    const whole = await csv([text], { types, label: 'b' }).toArray();
    expect(whole).to.have.length(2);
    for (let at = 0; at <= text.length; at++) {
      const [head, tail] = [text.slice(0, at), text.slice(at)];
      for (const pieces of [
        [head, tail],
        [head, '', tail],
      ]) {
        expect(await csv(pieces, { types, label: 'b' }).toArray(), `${at}`).to.deep.equal(whole);
      }
    }
    for (let at = 0; at <= bytes.length; at++) {
      const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
      expect(await csv(pieces, { types, label: 'b' }).toArray(), `byte ${at}`).to.deep.equal(whole);
    }
    expect(
      await csv([text.slice(0, 9), bytes.subarray(Buffer.byteLength(text.slice(0, 9)))], { types, label: 'b' }).toArray(),
    ).to.deep.equal(whole);
  });
});
