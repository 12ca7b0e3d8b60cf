/** Event files: read back by TensorBoard itself (scripts/tensorboard.mjs); checksums by their published values. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventFileWriter } from '../lib/train/callbacks/event_file.js';
import { crc32c } from '../lib/train/callbacks/event_records.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { readByTensorBoard, type HistogramValue } from './helpers/tensorboard.js';

describe('event files', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-events-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('have the checksum CRC-32C', () => {
    // RFC 3720, B.4, and the check value of the CRC catalogue.
    const ramp = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32))).to.equal(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).to.equal(0x62a8ab43);
    expect(crc32c(ramp)).to.equal(0x46dd794e);
    expect(crc32c(ramp.reverse())).to.equal(0x113fdb5c);
    expect(crc32c(Buffer.from('123456789'))).to.equal(0xe3069283);
    expect(crc32c(new Uint8Array(0))).to.equal(0);
  });

  it('are read by TensorBoard: scalars, with large steps and what is no number', async () => {
    const writer = await EventFileWriter.open(join(folder, 'run/train'));
    writer.scalar('loss', 0.5, 0, 1700000000.25);
    writer.scalar('loss', -1.25e-7, 300, 1700000001.5);
    writer.scalar('loss', 1 / 3, 2 ** 40 + 5, 1700000002);
    writer.scalar('größe/μ', NaN, 1, 1700000003);
    writer.scalar('größe/μ', -Infinity, 127, 1700000004);
    writer.scalar('größe/μ', Infinity, 128, 1700000005);
    await writer.close();
    await writer.close();
    const { scalars } = readByTensorBoard(join(folder, 'run/train'));
    expect(scalars).to.deep.equal({
      loss: [
        [1700000000.25, 0, 0.5],
        [1700000001.5, 300, Math.fround(-1.25e-7)],
        [1700000002, 2 ** 40 + 5, Math.fround(1 / 3)],
      ],
      'größe/μ': [
        [1700000003, 1, 'NaN'],
        [1700000004, 127, '-Infinity'],
        [1700000005, 128, 'Infinity'],
      ],
    });
  });

  it('are read by TensorBoard: histograms', async () => {
    const writer = await EventFileWriter.open(folder);
    // 0 … 300: buckets of width 10, each with ten but the last, which has its upper end too.
    writer.histogram(
      'weights',
      Float32Array.from({ length: 301 }, (_, i) => (i * 11) % 301),
      4,
      1700000000,
    );
    writer.histogram('constant', [2, NaN, 2, Infinity], 5, 1700000001);
    writer.histogram('nothing', [NaN], 6);
    await writer.close();
    const { histograms } = readByTensorBoard(folder);
    expect(Object.keys(histograms).sort()).to.deep.equal(['constant', 'weights']);
    const [[wallTime, step, value]] = histograms['weights']! as [[number, number, HistogramValue]];
    expect([wallTime, step, value.min, value.max, value.num]).to.deep.equal([1700000000, 4, 0, 300, 301]);
    expect([value.sum, value.sum_squares]).to.deep.equal([(300 * 301) / 2, (300 * 301 * 601) / 6]);
    expect(value.bucket_limit).to.deep.equal(Array.from({ length: 30 }, (_, i) => 10 * (i + 1)));
    expect(value.bucket).to.deep.equal([...new Array<number>(29).fill(10), 11]);
    const expected = { min: 2, max: 2, num: 2, sum: 4, sum_squares: 8, bucket_limit: [2], bucket: [2] };
    expect(histograms['constant']).to.deep.equal([[1700000001, 5, expected]]);
  });

  it('are read by TensorBoard: texts, and what was recorded without a time', async () => {
    const before = Date.now() / 1000;
    const writer = await EventFileWriter.open(folder);
    const long = 'ä'.repeat(200);
    writer.text('notes', '**dead** units in `dense_1`', 1, 1700000000);
    writer.text('notes', long, 2);
    writer.scalar('accuracy', 1, 2);
    await writer.close();
    const { texts, scalars } = readByTensorBoard(folder);
    const [first, second] = texts['notes']!;
    expect(first).to.deep.equal([1700000000, 1, 'text', ['**dead** units in `dense_1`']]);
    expect(second!.slice(1)).to.deep.equal([2, 'text', [long]]);
    for (const time of [second![0], scalars['accuracy']![0]![0]]) expect(time).to.be.within(before, Date.now() / 1000);
  });

  it('can be read while they are written, and hold everything, in order', async () => {
    const writer = await EventFileWriter.open(folder);
    const count = 5000;
    for (let step = 0; step < count; step++) writer.scalar('n', step, step, step);
    await writer.flush();
    const { scalars } = readByTensorBoard(folder);
    expect(scalars['n']).to.deep.equal(Array.from({ length: count }, (_, step) => [step, step, step]));
    await writer.close();
  });

  it('are files of their own, which TensorBoard finds by their names, each record checked', async () => {
    const [a, b] = [await EventFileWriter.open(folder), await EventFileWriter.open(folder)];
    a.scalar('a', 1, 0);
    b.scalar('b', 2, 0);
    await Promise.all([a.close(), b.close()]);
    expect(readdirSync(folder)).to.have.length(2);
    expect(a.path).to.match(/events\.out\.tfevents\.\d{10}\.[^/]+$/);
    expect(Object.keys(readByTensorBoard(folder).scalars).sort()).to.deep.equal(['a', 'b']);
    // TensorBoard leaves out a record with a wrong checksum: so the ones above were right.
    const bytes = readFileSync(a.path);
    bytes[bytes.length - 6]! ^= 1;
    writeFileSync(a.path, bytes);
    expect(Object.keys(readByTensorBoard(folder).scalars)).to.deep.equal(['b']);
  });

  it('refuse what is no tag, step, value or folder, and are closed for good', async () => {
    const writer = await EventFileWriter.open(folder);
    await expectFailure(
      () => writer.scalar('', 1, 0),
      'ERR_OPTION',
      /^Expected string that is not empty for EventFileWriter.tag/,
    );
    await expectFailure(() => writer.scalar('a', wrong('1'), 0), 'ERR_OPTION', /number for EventFileWriter.value/);
    await expectFailure(() => writer.scalar('a', 1, -1), 'ERR_OPTION', /integer >= 0 for EventFileWriter.step but received -1/);
    await expectFailure(() => writer.scalar('a', 1, 0.5), 'ERR_OPTION', /EventFileWriter.step/);
    await expectFailure(() => writer.scalar('a', 1, 0, NaN), 'ERR_OPTION', /EventFileWriter.wallTime/);
    await expectFailure(() => writer.text('a', wrong(1), 0), 'ERR_OPTION', /EventFileWriter.text/);
    await expectFailure(() => writer.histogram('a', wrong(1), 0), 'ERR_OPTION', /EventFileWriter.values/);
    await writer.close();
    await expectFailure(() => writer.scalar('a', 1, 0), 'ERR_DISPOSED', `The event file ${writer.path} is closed`);
    await expectFailure(() => EventFileWriter.open(''), 'ERR_OPTION', /EventFileWriter.folder/);
    writeFileSync(join(folder, 'file'), '');
    await expectFailure(() => EventFileWriter.open(join(folder, 'file/inside')), 'ERR_FILE', /cannot be written: /);
  });
});
