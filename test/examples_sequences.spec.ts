/** The examples on sequences, each for a short while, and what they are made of: n-grams, the split of a text, moving digits. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CharGenerator } from '../examples/char_generator.js';
import { main as writeCharacters } from '../examples/char_lm.js';
import { fileOf } from '../examples/command.js';
import { drawPlaces, FRAME_SIDE, FRAMES, makeClips, MOTIONS, placesOf, shuffledFrames } from '../examples/digit_motions.js';
import { main as forecast } from '../examples/forecasting.js';
import { ALPHABET, decode, encode, paragraphs, readTexts, splitTexts } from '../examples/licence_texts.js';
import { SIDE } from '../examples/mnist_data.js';
import { main as recognise } from '../examples/moving_digits.js';
import { Ngram } from '../examples/ngram.js';
import { Random } from '../examples/random.js';
import * as gs from '../lib/index.js';

/** What is the same in all runs; `lines` has what an example printed. */
function quietly(): { seed: number; device: string; print: (line: string) => void; lines: string[] } {
  const lines: string[] = [];
  return { seed: 1, device: 'cpu', print: (line) => void lines.push(line), lines };
}

describe('n-grams', () => {
  // Pairs of aabaabc: aa 2, ab 2, ba 1, bc 1; so D = 2 / (2 + 2·2) = 1/3. Came before: a after a and b, b after a, c after b;
  // so of four, D = 2 / (2 + 2·1) = 1/2. A fourth symbol never occurs.
  const text = [0, 0, 1, 0, 0, 1, 2];
  const model = new Ngram(text, 2, 4);
  const single = [(2 - 0.5) / 4 + ((0.5 * 3) / 4) * 0.25, 0.5 / 4 + 0.09375, 0.5 / 4 + 0.09375, 0.09375];

  it('give what interpolated Kneser-Ney gives by hand', () => {
    for (let s = 0; s < 4; s++) {
      expect(model.probability([s], 0)).to.be.closeTo(single[s]!, 1e-15);
      // Nothing was seen after symbol 3.
      expect(model.probability([3, s], 1)).to.be.closeTo(single[s]!, 1e-15);
      // After a: a and b twice each, of four.
      const counted = s < 2 ? (2 - 1 / 3) / 4 : 0;
      expect(model.probability([0, s], 1)).to.be.closeTo(counted + (1 / 3) * (2 / 4) * single[s]!, 1e-15);
    }
  });

  it('measure bits over what has something before it', () => {
    const p = [(2 - 1 / 3) / 4 + single[0]! / 6, (2 - 1 / 3) / 4 + single[1]! / 6, single[0]!];
    expect(model.bits([[0, 0, 1], [3, 0], [2]])).to.be.closeTo(-p.reduce((sum, v) => sum + Math.log2(v), 0) / 3, 1e-14);
  });

  it('are distributions at every order', () => {
    const random = new Random(1);
    const long = Array.from({ length: 300 }, () => random.integer(3) + random.integer(3));
    for (const order of [1, 2, 3, 4]) {
      const ngram = new Ngram(long, order, 6);
      for (const before of [[], [1], [2, 3], [4, 4, 0], [0, 0, 0, 0]]) {
        const total = [0, 1, 2, 3, 4, 5].map((s) => ngram.probability([...before, s], before.length)).reduce((a, b) => a + b, 0);
        expect(total).to.be.closeTo(1, 1e-12);
      }
    }
  });
});

describe('the text of the character model', () => {
  it('is lines of a paragraph each, in the alphabet', () => {
    expect(ALPHABET).to.have.length(96);
    expect(paragraphs('  A “caf\u00e9” —\r\n\tof  1999\n \n\nnext\u4e2d\n')).to.deep.equal(['A "cafe" - of 1999', 'next?']);
    expect(decode(encode('\n A~'))).to.equal('\n A~');
    expect([...encode('\n A~')]).to.deep.equal([0, 1, 34, 95]);
  });

  it('is every file of a folder once, links aside; where there is none, the error says what to do', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-texts-'));
    writeFileSync(join(folder, 'B-2'), 'second');
    writeFileSync(join(folder, 'A-1'), 'first');
    symlinkSync('B-2', join(folder, 'B'));
    expect(readTexts(undefined, folder)).to.deep.equal(['first', 'second']);
    expect(readTexts(join(folder, 'B'))).to.deep.equal(['second']);
    rmSync(folder, { recursive: true });
    expect(() => readTexts(undefined, folder))
      .to.throw(`Cannot read the folder ${folder}: Debian`)
      .and.match(/--text FILE/);
  });

  it('is split into stretches from all over it, and what they say is not in the training text', () => {
    const random = new Random(3);
    const line = () => Array.from({ length: 120 }, () => ALPHABET[66 + random.integer(26)]!).join('');
    const lines = Array.from({ length: 40 }, line);
    // The fifth, the tenth, the fifteenth … line is held out; line 4 (the fifth) stands among the training lines once more.
    lines[21] = `${lines[4]!} `;
    const { train, validation, test } = splitTexts([lines.join('\n\n')], 120);
    expect(validation.map(decode)).to.deep.equal([4, 14, 24, 34].map((i) => lines[i]));
    expect(test.map(decode)).to.deep.equal([9, 19, 29, 39].map((i) => lines[i]));
    expect(decode(train)).to.equal(`${lines.filter((_, i) => i % 5 !== 4 && i !== 21).join('\n')}\n`);
  });
});

describe('moving digits', () => {
  it('every motion visits the same places: all 17 but one, which is any of them', () => {
    const everywhere = Array.from({ length: 17 }, (_, place) => place);
    MOTIONS.forEach((_, motion) => {
      const left: number[] = [];
      for (const start of everywhere) {
        const places = placesOf(motion, start);
        expect(places).to.have.length(FRAMES);
        expect(new Set(places).size).to.equal(FRAMES);
        left.push(...everywhere.filter((place) => !places.includes(place)));
      }
      expect(left.sort((a, b) => a - b)).to.deep.equal(everywhere);
    });
  });

  it('every motion goes on by its step, a quarter turn of the one before, on a picture that closes on itself', () => {
    const around = (v: number): number => ((v % 17) + 17) % 17;
    MOTIONS.forEach(({ step }, motion) => {
      const places = placesOf(motion, 5);
      // Place k is at k·(4, 1), in parts of 17.
      for (let frame = 1; frame < FRAMES; frame++) {
        const move = [4, 1].map((by) => around(by * (places[frame]! - places[frame - 1]!)));
        expect(move).to.deep.equal(step.map(around));
      }
      const turned = MOTIONS[(motion + 1) % 4]!.step;
      expect([...turned]).to.deep.equal([-step[1], step[0]]);
    });
  });

  it('a digit is drawn at its places, whole, over the edges', () => {
    const pixels = new Uint8Array(SIDE ** 2);
    pixels.fill(200, 10 * SIDE, 12 * SIDE); // two full rows: one row of 14 at half the size
    const digits = { pixels, labels: Int32Array.of(0), count: 1 };
    const [first, second] = drawPlaces(digits, 0, 30, 25);
    // Row 5 of the digit at row 30 comes to row 35, which is 3; columns from 25 go on at 0.
    const inked = [...first!.keys()].filter((i) => first![i]! > 0);
    expect(inked).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 25, 26, 27, 28, 29, 30, 31].map((column) => 3 * FRAME_SIDE + column));
    for (const i of inked) expect(first![i]).to.equal(200);
    // 4·32/17 = 7.53 rows down: between rows 10 and 11.
    const rows = new Set([...second!.keys()].filter((i) => second![i]! > 0).map((i) => Math.floor(i / FRAME_SIDE)));
    expect([...rows]).to.deep.equal([10, 11]);
    expect(second!.reduce((sum, v) => sum + v, 0)).to.be.within(14 * 200 - 15, 14 * 200 + 15);
  });

  it('clips have all motions equally often, and shuffling keeps the frames of each', () => {
    const digits = { pixels: new Uint8Array(SIDE ** 2).map((_, i) => i % 251), labels: Int32Array.of(1), count: 1 };
    const clips = makeClips(digits, 8, new Random(2));
    expect(clips.x.shape).to.deep.equal([8, FRAMES, FRAME_SIDE, FRAME_SIDE, 1]);
    expect([...clips.y.data].sort()).to.deep.equal([0, 0, 1, 1, 2, 2, 3, 3]);
    const shuffled = shuffledFrames(clips, new Random(3));
    const frames = (x: gs.Tensor, clip: number) =>
      Array.from({ length: FRAMES }, (_, t) =>
        x
          .rows(clip, clip + 1)
          .data.slice(t * FRAME_SIDE ** 2, (t + 1) * FRAME_SIDE ** 2)
          .join(),
      );
    for (let clip = 0; clip < 8; clip++) {
      expect(frames(shuffled.x, clip)).to.not.deep.equal(frames(clips.x, clip));
      expect(frames(shuffled.x, clip).sort()).to.deep.equal(frames(clips.x, clip).sort());
    }
  });
});

describe('examples on sequences', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-sequences-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('char_lm: learns, saves, and what is loaded writes with its states carried along', async () => {
    const { lines, ...options } = quietly();
    const save = join(folder, 'char_lm.safetensors');
    const text = fileOf('typescript/ThirdPartyNoticeText.txt');
    const result = await writeCharacters({ ...options, text, save, epochs: 6, units: 32, characters: 40 });
    const { history, bits, ngrams, sample } = result;
    expect(history.val_loss!.at(-1)).to.be.below(0.9 * history.val_loss![0]!);
    expect(bits).to.be.below(Math.log2(96));
    expect(ngrams[3]).to.be.within(1.5, 4);
    expect(sample).to.have.length(40);
    expect(lines.at(-1)).to.include(sample);

    // Character by character with the states carried along: the same as a window read at once, from the same file.
    using model = await gs.loadModel(save, { device: 'cpu' });
    using generator = new CharGenerator(model, 32);
    const window = encode('The above copyright notice and this permission notice shall be included'.padEnd(128, ' in'));
    const whole = await model.predict(gs.tensor(window, [1, 128]));
    for (let i = 0; i < window.length; i++) {
      const next = await generator.read(window[i]!);
      next.forEach((p, c) => expect(p).to.be.closeTo(whole.data[i * 96 + c]!, 1e-5));
    }
  });

  it('moving_digits: directions are told of digits never seen', async () => {
    const { lines, ...options } = quietly();
    const { history, accuracy, single } = await recognise({ ...options, epochs: 2, clips: 1200, controls: false });
    expect(lines[0]).to.match(/^16 clips learnt by heart/);
    expect(lines[1]).to.match(/^All frames in order/);
    expect(history.loss.at(-1)).to.be.below(0.5 * history.loss[0]!);
    // Guessing comes to 25 %, with a standard deviation of 2.5 % over 300 clips.
    expect(accuracy).to.be.above(0.8);
    expect(single).to.equal(undefined);
  });

  it('forecasting: closer than the last value and the values of a year before', async () => {
    const { lines, ...options } = quietly();
    const { history, model, lastValue, yearBefore, usual } = await forecast({ ...options, epochs: 8 });
    expect(history.loss.at(-1)).to.be.below(0.75 * history.loss[0]!);
    expect(model.meanAbsolute).to.be.below(0.95 * lastValue.meanAbsolute);
    expect(model.rootMeanSquared).to.be.below(0.95 * lastValue.rootMeanSquared);
    // By another program over the same file.
    expect(lastValue.meanAbsolute).to.be.closeTo(3.606168, 1e-3);
    expect(yearBefore.meanAbsolute).to.be.closeTo(4.172025, 1e-3);
    expect(usual.meanAbsolute).to.be.within(3, 4);
    expect(lines.at(-1)).to.match(/^usual/);
  });
});
