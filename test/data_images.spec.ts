/** Images and folders of them: files are written here by sharp from known pixels, without loss, and must come back as those. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import sharp, { type Sharp } from 'sharp';
import * as gs from '../lib/index.js';
import { expectFailure, failure, wrong } from './helpers/failure.js';

const { decodeImage, imageFolder } = gs.data;
const root = fileURLToPath(new URL('../', import.meta.url));

let folder: string;

/** Pixels that differ in every place and channel. */
const pixels = (height: number, width: number, channels: 1 | 3 | 4, seed = 0): Uint8Array =>
  Uint8Array.from({ length: height * width * channels }, (_, i) => (i * 37 + seed * 101 + 5) % 251);

const raw = (data: Uint8Array, height: number, width: number, channels: 1 | 3 | 4): Sharp =>
  sharp(data, { raw: { height, width, channels } });

describe('data.decodeImage', () => {
  const rgb = pixels(3, 5, 3);
  const rgba = pixels(3, 5, 4);
  const grey = pixels(3, 5, 1);

  it('gives the pixels of PNG, WebP and TIFF files without loss', async () => {
    for (const image of [
      raw(rgb, 3, 5, 3).png(),
      raw(rgb, 3, 5, 3).webp({ lossless: true }),
      raw(rgb, 3, 5, 3).tiff({ compression: 'lzw' }),
    ]) {
      expect(await decodeImage(await image.toBuffer())).to.deep.equal(gs.tensor(rgb, [3, 5, 3]));
    }
  });

  it('gives as many channels as asked for', async () => {
    const greyFile = await raw(grey, 3, 5, 1).toColourspace('b-w').png().toBuffer();
    const alphaFile = await raw(rgba, 3, 5, 4).png().toBuffer();
    const rgbFile = await raw(rgb, 3, 5, 3).png().toBuffer();
    expect(await decodeImage(greyFile, { colorMode: 'grayscale' })).to.deep.equal(gs.tensor(grey, [3, 5, 1]));
    expect((await decodeImage(greyFile)).data).to.deep.equal(Uint8Array.from({ length: 45 }, (_, i) => grey[Math.floor(i / 3)]!));
    expect(await decodeImage(alphaFile, { colorMode: 'rgba' })).to.deep.equal(gs.tensor(rgba, [3, 5, 4]));
    expect((await decodeImage(alphaFile)).data).to.deep.equal(rgba.filter((_, i) => i % 4 !== 3));
    const opaque = await decodeImage(rgbFile, { colorMode: 'rgba' });
    expect(opaque.data.filter((_, i) => i % 4 === 3)).to.deep.equal(new Uint8Array(15).fill(255));
    expect(opaque.data.filter((_, i) => i % 4 !== 3)).to.deep.equal(rgb);
    // Equal channels are grey already.
    const same = Uint8Array.from({ length: 45 }, (_, i) => grey[Math.floor(i / 3)]!);
    const toGrey = await decodeImage(await raw(same, 3, 5, 3).png().toBuffer(), { colorMode: 'grayscale' });
    toGrey.data.forEach((value, i) => expect(value).to.be.closeTo(grey[i]!, 1));
  });

  it('makes bytes of 16-bit images', async () => {
    const wide = Uint16Array.from([0, 257, 65535, 32896, 514, 1028]);
    const file = await sharp(wide, { raw: { height: 1, width: 2, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).depth).to.equal('ushort');
    expect(Array.from((await decodeImage(file)).data)).to.deep.equal([0, 1, 255, 128, 2, 4]);
  });

  it('resizes: nearest repeats pixels; proportions are kept where told', async () => {
    const file = await raw(rgb, 3, 5, 3).png().toBuffer();
    const twice = await decodeImage(file, { imageSize: [6, 10], interpolation: 'nearest' });
    expect(twice.shape).to.deep.equal([6, 10, 3]);
    twice.data.forEach((value, i) => {
      const [y, x, c] = [Math.floor(i / 30), Math.floor(i / 3) % 10, i % 3];
      expect(value).to.equal(rgb[(Math.floor(y / 2) * 5 + Math.floor(x / 2)) * 3 + c]);
    });
    // 3 x 5 in 3 x 3: the middle columns, or a black row above and below of what is made smaller.
    const cut = await decodeImage(file, { imageSize: 3, cropToAspectRatio: true });
    expect(Array.from(cut.data)).to.deep.equal([0, 1, 2].flatMap((y) => Array.from(rgb.subarray(y * 15 + 3, y * 15 + 12))));
    const white = await raw(new Uint8Array(4 * 8 * 3).fill(255), 4, 8, 3)
      .png()
      .toBuffer();
    const padded = await decodeImage(white, { imageSize: 8, padToAspectRatio: true });
    expect(Array.from({ length: 8 }, (_, y) => padded.data[y * 24 + 12])).to.deep.equal([0, 0, 255, 255, 255, 255, 0, 0]);
    for (const interpolation of ['bilinear', 'bicubic', 'lanczos3'] as const) {
      const flat = await decodeImage(white, { imageSize: [3, 7], interpolation });
      expect(flat).to.deep.equal(gs.tensor(new Uint8Array(63).fill(255), [3, 7, 3]));
    }
    const edge = await raw(Uint8Array.of(0, 0, 0, 255, 255, 255), 1, 2, 3)
      .png()
      .toBuffer();
    const row = async (interpolation: 'nearest' | 'bilinear') =>
      Array.from((await decodeImage(edge, { imageSize: [1, 8], interpolation, colorMode: 'grayscale' })).data);
    expect(await row('nearest')).to.deep.equal([0, 0, 0, 0, 255, 255, 255, 255]);
    expect((await row('bilinear')).some((value) => value > 0 && value < 255)).to.equal(true);
  });

  /** Numbers of Pillow 13.0, Image.resize; it rounds, and cuts to 0 … 255, also between the axes. */
  const enlarged = {
    bilinear: {
      '3,8': '0 16 44 113 127 86 87 90 172 130 76 63 73 106 180 236 186 197 200 105 111 218 226 224',
      '7,5':
        '0 37 148 82 90 25 43 135 86 111 98 60 95 97 173 172 77 56 109 236 178 134 56 160 231 184 191 57 212 226 186 210 57 229 224',
      '5,9':
        '0 12 33 86 148 111 83 87 90 69 63 55 79 111 101 99 130 148 172 140 88 68 56 85 123 194 236 180 172 159 112 57 126 186 213 229 186 194 207 142 57 153 228 226 224',
    },
    bicubic: {
      '3,8': '0 9 42 124 138 84 84 91 179 136 74 55 65 104 189 245 184 203 205 87 93 223 235 224',
      '7,5':
        '0 33 157 79 76 16 40 139 84 104 95 51 96 89 172 172 77 56 109 236 190 138 50 164 240 186 198 56 218 226 187 223 57 241 223',
      '5,9':
        '0 0 25 93 155 119 77 77 79 63 53 43 76 116 99 89 126 146 180 147 85 59 56 76 121 203 246 191 186 172 108 53 120 198 226 239 184 202 225 142 57 152 245 233 222',
    },
    lanczos3: {
      '3,8': '0 3 44 129 141 86 79 93 181 139 71 51 60 100 193 247 179 212 202 81 86 220 244 218',
      '7,5':
        '0 37 161 83 68 16 36 139 81 105 88 40 100 80 168 172 77 56 109 236 202 146 44 170 250 190 198 54 218 230 181 228 61 245 216',
      '5,9':
        '0 0 23 107 158 129 76 70 75 60 43 33 75 118 96 81 119 148 182 148 89 51 56 66 125 206 249 198 202 183 97 47 107 208 242 244 172 207 231 137 60 145 252 240 208',
    },
    nearest: {
      '3,8': '0 0 37 148 148 82 90 90 172 172 77 56 56 109 236 236 186 186 210 57 57 229 224 224',
      '2,3': '0 148 90 186 57 224',
      '7,3': '0 148 90 0 148 90 172 56 236 172 56 236 172 56 236 186 57 224 186 57 224',
    },
  } as const;
  for (const [interpolation, sizes] of Object.entries(enlarged)) {
    it(`enlarges around the centres of pixels: ${interpolation}`, async () => {
      const given = Uint8Array.from({ length: 15 }, (_, i) => (i * i * 37) % 251);
      const file = await raw(given, 3, 5, 1).toColourspace('b-w').png().toBuffer();
      for (const [size, numbers] of Object.entries(sizes)) {
        const imageSize = size.split(',').map(Number) as [number, number];
        const options = { imageSize, interpolation: interpolation as keyof typeof enlarged };
        const { data, shape } = await decodeImage(file, { ...options, colorMode: 'grayscale' });
        expect(shape).to.deep.equal([...imageSize, 1]);
        const expected = (numbers as string).split(' ').map(Number);
        expect(data).to.have.length(expected.length);
        data.forEach((value, i) =>
          expect(value, `${size}: ${i}`).to.be.closeTo(
            expected[i]!,
            { nearest: 0, bilinear: 1, bicubic: 2, lanczos3: 1 }[options.interpolation],
          ),
        );
        const inColour = await decodeImage(file, options);
        expect(inColour.data).to.deep.equal(Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!));
      }
    });
  }

  it('enlarges one axis where the other shrinks, or stays', async () => {
    const ramp = Uint8Array.from({ length: 8 * 4 }, (_, i) => (i % 8) * 20);
    const file = await raw(ramp, 4, 8, 1).toColourspace('b-w').png().toBuffer();
    const wide = [0, 5, 15, 25, 35, 45, 55, 65, 75, 85, 95, 105, 115, 125, 135, 140];
    for (const height of [4, 2, 9]) {
      const { data } = await decodeImage(file, { imageSize: [height, 16], colorMode: 'grayscale' });
      for (let y = 0; y < height; y++) {
        data.subarray(y * 16, y * 16 + 16).forEach((value, x) => expect(value, `${y}, ${x}`).to.be.closeTo(wide[x]!, 1));
      }
    }
  });

  it('enlarges in proportion: what is too much is cut off on both sides, what is missing is black', async () => {
    const given = Uint8Array.from({ length: 15 }, (_, i) => (i * i * 37) % 251);
    const file = await raw(given, 3, 5, 1).toColourspace('b-w').png().toBuffer();
    const grey = { colorMode: 'grayscale', imageSize: [6, 6] } as const;
    // Columns 2 to 7 of Pillow's 6 x 10 pixels.
    const cut = await decodeImage(file, { ...grey, cropToAspectRatio: true });
    const middle =
      '28 65 120 132 99 84 46 67 105 116 98 98 83 70 76 85 97 127 127 97 70 77 119 163 178 147 87 92 164 206 204 172 95 100 186 228';
    middle.split(' ').forEach((value, i) => expect(cut.data[i], `${i}`).to.be.closeTo(Number(value), 1));
    const high = { ...grey, imageSize: [10, 10], padToAspectRatio: true } as const;
    const padded = await decodeImage(file, high);
    expect(Array.from(padded.data.subarray(0, 20))).to.deep.equal(new Array(20).fill(0));
    expect(Array.from(padded.data.subarray(80))).to.deep.equal(new Array(20).fill(0));
    const first = [0, 9, 28, 65, 120, 132, 99, 84, 88, 90];
    first.forEach((value, i) => expect(padded.data[20 + i]).to.be.closeTo(value, 1));
    // Black is opaque.
    const rgba = await decodeImage(file, { imageSize: [10, 10], colorMode: 'rgba', padToAspectRatio: true });
    expect(rgba.data.filter((_, i) => i % 4 === 3)).to.deep.equal(new Uint8Array(100).fill(255));
    const few = await decodeImage(file, {
      imageSize: [2, 2],
      colorMode: 'rgba',
      padToAspectRatio: true,
      interpolation: 'nearest',
    });
    expect(Array.from(few.data)).to.deep.equal([77, 77, 77, 255, 109, 109, 109, 255, 0, 0, 0, 255, 0, 0, 0, 255]);
  });

  it('mixes colours by how opaque they are', async () => {
    const file = await raw(Uint8Array.of(200, 100, 50, 255, 10, 20, 30, 0), 1, 2, 4)
      .png()
      .toBuffer();
    const { data } = await decodeImage(file, { imageSize: [1, 6], colorMode: 'rgba' });
    const opaque = [200, 100, 50];
    const expected = [255, 255, 170, 85, 0, 0].flatMap((alpha) => (alpha > 0 ? [...opaque, alpha] : [0, 0, 0, 0]));
    data.forEach((value, i) => expect(value, `${i}`).to.be.closeTo(expected[i]!, 1));
  });

  it('refuses what is no image, or not whole', async () => {
    const file = await raw(pixels(40, 40, 3), 40, 40, 3)
      .png()
      .toBuffer();
    await expectFailure(() => decodeImage(file.subarray(0, 600)), 'ERR_FILE', /^data.decodeImage cannot be read as an image: /);
    await expectFailure(() => decodeImage(Buffer.from('no image')), 'ERR_FILE', /unsupported image format/);
    await expectFailure(() => decodeImage('/no/such.png'), 'ERR_FILE', /^\/no\/such.png cannot be read as an image: .*missing/);
    await expectFailure(() => decodeImage(wrong(1)), 'ERR_OPTION', /data.decodeImage.path/);
    await expectFailure(() => decodeImage(file, wrong({ colourMode: 'rgb' })), 'ERR_OPTION', /did you mean "colorMode"/);
    await expectFailure(() => decodeImage(file, { colorMode: wrong('grey') }), 'ERR_OPTION', /data.decodeImage.colorMode/);
    await expectFailure(() => decodeImage(file, { interpolation: wrong('area') }), 'ERR_OPTION', /interpolation/);
    await expectFailure(() => decodeImage(file, { imageSize: 0 }), 'ERR_OPTION', /integer > 0 or a pair/);
    const both = { cropToAspectRatio: true, padToAspectRatio: true };
    await expectFailure(
      () => decodeImage(file, both),
      'ERR_OPTION',
      /false where cropToAspectRatio is true for data.decodeImage.padTo/,
    );
    await expectFailure(() => decodeImage(file, { cropToAspectRatio: wrong(1) }), 'ERR_OPTION', /cropToAspectRatio/);
    await expectFailure(() => decodeImage(file, { imageSize: 2 ** 30, interpolation: 'nearest' }), 'ERR_OOM', /^Out of memory/);
  });

  it('says what to install where sharp is not there', () => {
    const hooks = `export const resolve = (s, c, next) => {
      if (s === 'sharp') throw Object.assign(new Error("Cannot find package 'sharp'"), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(s, c);
    };`;
    const hooksUrl = `data:text/javascript,${encodeURIComponent(hooks)}`;
    const script = `
      const { register } = await import('node:module');
      register(${JSON.stringify(hooksUrl)}, import.meta.url);
      const { decodeImage, imageFolder } = await import(${JSON.stringify(pathToFileURL(join(root, 'lib/data/index.ts')).href)});
      for (const run of [() => decodeImage('a.png'), () => imageFolder('.')]) {
        const error = await run().catch((e) => e);
        console.log(error.code, error.message);
      }`;
    const result = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: root,
      encoding: 'utf8',
    });
    const line =
      "ERR_LOAD Images are decoded by the package sharp, which cannot be loaded (Cannot find package 'sharp'): run npm install sharp\n";
    expect(result.stdout, result.stderr).to.equal(line + line);
  });
});

describe('data.imageFolder', () => {
  /** The image of each file, by its path below the folder. */
  const contents = new Map<string, Uint8Array>();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-images-'));
    const files = [...'abcdefg'].map((name) => `cats/${name}.png`).concat(['dogs/A.PNG', 'dogs/b.png', 'dogs/deep/c.png']);
    for (const [i, path] of files.entries()) {
      const data = pixels(4, 6, 3, i);
      contents.set(path, data);
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), await raw(data, 4, 6, 3).png().toBuffer());
    }
    mkdirSync(join(folder, '.hidden'));
    writeFileSync(join(folder, 'cats/notes.txt'), 'no image');
    writeFileSync(join(folder, 'cats/.dot.png'), 'no image');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const size = { imageSize: [4, 6] } as const;
  const paths = (): string[] => [...contents.keys()];
  /** Which file an image is. */
  const nameOf = (image: gs.Tensor): string =>
    paths().find((path) => Buffer.from(contents.get(path)!).equals(Buffer.from(image.data as Uint8Array)))!;

  it('finds classes and images, in order where it does not shuffle', async () => {
    const { dataset, validation, classNames, files } = await imageFolder(folder, { ...size, shuffle: false, batchSize: 4 });
    expect([classNames, validation, dataset.size]).to.deep.equal([['cats', 'dogs'], undefined, 3]);
    expect(files).to.deep.equal(paths().map((path) => join(folder, path)));
    const batches = await dataset.toArray();
    expect(batches.map(({ x, y }) => [x.dtype, x.shape, y.dtype, y.toArray()])).to.deep.equal([
      ['uint8', [4, 4, 6, 3], 'int32', [0, 0, 0, 0]],
      ['uint8', [4, 4, 6, 3], 'int32', [0, 0, 0, 1]],
      ['uint8', [2, 4, 6, 3], 'int32', [1, 1]],
    ]);
    const all = Buffer.concat(batches.map(({ x }) => x.data as Uint8Array));
    expect(all.equals(Buffer.concat(paths().map((path) => contents.get(path)!)))).to.equal(true);
  });

  it('shuffles with a seed, each pass anew, labels with their images', async () => {
    const read = async (seed: number) => {
      const { dataset } = await imageFolder(pathToFileURL(folder), { ...size, seed, batchSize: null });
      const order = async () =>
        (await dataset.toArray()).map(({ x, y }) => {
          expect(x.shape).to.deep.equal([4, 6, 3]);
          expect(y.data[0]).to.equal(nameOf(x).startsWith('cats') ? 0 : 1);
          return nameOf(x);
        });
      return [await order(), await order()];
    };
    const [first, second] = await read(3);
    expect([...first!].sort()).to.deep.equal([...paths()].sort());
    expect(first).not.to.deep.equal(second);
    expect(await read(3)).to.deep.equal([first, second]);
    expect((await read(4))[0]).not.to.deep.equal(first);
  });

  it('holds some back to validate with', async () => {
    const split = { ...size, validationSplit: 0.35, seed: 5, batchSize: null };
    const { dataset, validation, files, validationFiles } = await imageFolder(folder, split);
    expect([dataset.size, validation!.size]).to.deep.equal([7, 3]);
    expect([...files, ...validationFiles].sort()).to.deep.equal(
      paths()
        .map((path) => join(folder, path))
        .sort(),
    );
    const held = (await validation!.toArray()).map(({ x }) => join(folder, nameOf(x)));
    expect(held).to.deep.equal(validationFiles);
    expect((await imageFolder(folder, split)).validationFiles).to.deep.equal(validationFiles);
    const last = await imageFolder(folder, { ...split, shuffle: false });
    expect(last.validationFiles).to.deep.equal(
      paths()
        .slice(-3)
        .map((path) => join(folder, path)),
    );
  });

  it('makes labels of every mode', async () => {
    const read = async (options: gs.data.ImageFolderOptions) =>
      (await imageFolder(folder, { ...size, shuffle: false, batchSize: 16, ...options })).dataset.toTensors();
    const int = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1];
    expect((await read({ labelMode: 'binary' })).y).to.deep.equal(gs.tensor(int.map((label) => [label])));
    expect((await read({ labelMode: 'categorical' })).y).to.deep.equal(gs.tensor(int.map((label) => [1 - label, label])));
    expect((await read({ classNames: ['dogs', 'cats'] })).y.toArray()).to.deep.equal([0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    expect((await read({ classNames: ['dogs'] })).y.toArray()).to.deep.equal([0, 0, 0]);
    const bare = await imageFolder(join(folder, 'dogs'), { ...size, labelMode: null, shuffle: false });
    expect([bare.classNames, bare.files.length]).to.deep.equal([[], 3]);
    expect(Object.keys((await bare.dataset.toArray())[0]!)).to.deep.equal(['x']);
  });

  it('has images of one size and mode: 256 x 256 unless told', async () => {
    const { x } = await (await imageFolder(folder, { colorMode: 'grayscale' })).dataset.toTensors();
    expect(x.shape).to.deep.equal([10, 256, 256, 1]);
  });

  it('follows links only when told, and in no circle', async () => {
    const linked = mkdtempSync(join(tmpdir(), 'gradstep-links-'));
    try {
      symlinkSync(join(folder, 'dogs'), join(linked, 'dogs'));
      mkdirSync(join(linked, 'own'));
      symlinkSync(linked, join(linked, 'own/circle'));
      symlinkSync(join(folder, 'cats/a.png'), join(linked, 'own/a.png'));
      await expectFailure(() => imageFolder(linked, size), 'ERR_FILE', `${linked} has no images in folders of classes`);
      const { classNames, files } = await imageFolder(linked, { ...size, followLinks: true, shuffle: false });
      expect(classNames).to.deep.equal(['dogs', 'own']);
      expect(files.map((file) => file.slice(linked.length + 1))).to.deep.equal([
        ...['dogs/A.PNG', 'dogs/b.png', 'dogs/deep/c.png', 'own/a.png'],
        ...['own/circle/dogs/A.PNG', 'own/circle/dogs/b.png', 'own/circle/dogs/deep/c.png'],
      ]);
    } finally {
      rmSync(linked, { recursive: true });
    }
  });

  it('ends the pass at a damaged image, by its name', async () => {
    const broken = mkdtempSync(join(tmpdir(), 'gradstep-broken-'));
    try {
      mkdirSync(join(broken, 'a'));
      const whole = readFileSync(join(folder, 'cats/a.png'));
      writeFileSync(join(broken, 'a/1.png'), whole);
      writeFileSync(join(broken, 'a/2.png'), whole.subarray(0, 70));
      const { dataset } = await imageFolder(broken, { ...size, shuffle: false, batchSize: 1 });
      const error = await failure(dataset.toArray());
      expect(error.code).to.equal('ERR_FILE');
      expect(error.message).to.match(/^map of the dataset failed at element 1: .*a\/2.png cannot be read as an image: /);
    } finally {
      rmSync(broken, { recursive: true });
    }
  });

  it('refuses folders that do not fit, and options', async () => {
    await expectFailure(() => imageFolder('/no/such/folder'), 'ERR_FILE', /^\/no\/such\/folder cannot be read: ENOENT/);
    await expectFailure(() => imageFolder(join(folder, 'cats')), 'ERR_FILE', /cats has no images in folders of classes$/);
    await expectFailure(() => imageFolder(folder, { classNames: ['birds'] }), 'ERR_FILE', /birds is not a folder$/);
    const one = { labelMode: 'binary', classNames: ['cats'] } as const;
    await expectFailure(() => imageFolder(folder, one), 'ERR_FILE', /has 1 folders; labels of the mode "binary" need 2$/);
    await expectFailure(() => imageFolder(folder, { validationSplit: 0.01 }), 'ERR_FILE', /has 10 images: too few to take 0.01/);
    await expectFailure(() => imageFolder(wrong(1)), 'ERR_OPTION', /data.imageFolder.path/);
    for (const [options, message] of [
      [{ labels: 'inferred' }, /^Unknown option "labels"/],
      [{ labelMode: 'one' }, /data.imageFolder.labelMode/],
      [{ classNames: ['../up'] }, /different names of folders for data.imageFolder.classNames/],
      [{ classNames: ['a', 'a'] }, /classNames/],
      [{ batchSize: 0 }, /data.imageFolder.batchSize/],
      [{ shuffle: 1 }, /data.imageFolder.shuffle/],
      [{ seed: -1 }, /data.imageFolder.seed/],
      [{ validationSplit: 1 }, /data.imageFolder.validationSplit/],
      [{ followLinks: 'yes' }, /data.imageFolder.followLinks/],
      [{ imageSize: [1, 2, 3] }, /data.imageFolder.imageSize/],
      [{ cropToAspectRatio: true, padToAspectRatio: true }, /data.imageFolder.padToAspectRatio/],
    ] as [object, RegExp][]) {
      await expectFailure(() => imageFolder(folder, wrong(options)), 'ERR_OPTION', message);
    }
  });
});
