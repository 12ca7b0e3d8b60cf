/** Folders of images as datasets: one folder for each class, as Keras's `image_dataset_from_directory` has them. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import { optionError } from '../errors.js';
import { boolean, checkOptions, integer, number, oneOf, optional, type Check, type SchemaOf } from '../options.js';
import { randomSeed } from '../random.js';
import { fileError, pathOf } from './bytes.js';
import { dataset, type Dataset } from './dataset.js';
import { checkDecoder, checkImageOptions, decode, imageSchema, type CheckedImage, type ImageOptions } from './image.js';
import { shuffledRows } from './row_order.js';
import { Tensor } from './tensor.js';

export interface ImageFolderOptions extends ImageOptions {
  /** Height and width of all images. Default 256. */
  imageSize?: number | readonly [height: number, width: number];
  /**
   * What y is: `'int'`, the class's number (int32); `'categorical'`, a one-hot row; `'binary'`, 0 or 1 (float32) of two classes;
   * or null: there is no y, and images may lie anywhere in the folder. Default `'int'`.
   */
  labelMode?: 'int' | 'categorical' | 'binary' | null;
  /** The folders that are classes, in their order. Default: all, sorted. */
  classNames?: readonly string[];
  /** Images a batch; null: the dataset's elements are single images. Default 32. */
  batchSize?: number | null;
  /** Whether each pass has its own order. Default true; otherwise images are sorted by path. */
  shuffle?: boolean;
  /** Seed of the order and of the split. Default: a random one. */
  seed?: number;
  /** Part of the images, in (0, 1), to validate with. Default: none. */
  validationSplit?: number;
  /** Whether symbolic links are followed. Default false. */
  followLinks?: boolean;
}

/** Images, and labels unless `labelMode` is null. */
export interface ImageSample {
  x: Tensor;
  y: Tensor;
}

export interface ImageFolder {
  /** The images to train with: all, unless `validationSplit` is given. */
  readonly dataset: Dataset<ImageSample>;
  /** The others, in a fixed order. */
  readonly validation: Dataset<ImageSample> | undefined;
  /** Names of the classes by number; empty where there are no labels. */
  readonly classNames: readonly string[];
  /** Paths of the images of `dataset`. */
  readonly files: readonly string[];
  /** Paths of the images of `validation`. */
  readonly validationFiles: readonly string[];
}

/** A value or null. */
function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, name) => (value === null ? null : check(value, name));
}

const names: Check<readonly string[]> = (value, name) => {
  const valid =
    Array.isArray(value) && value.length > 0 && value.every((word) => typeof word === 'string' && /^(?!\.)[^/\\]+$/.test(word));
  if (!valid || new Set(value).size !== value.length) throw optionError(name, 'array of different names of folders', value);
  return [...(value as string[])];
};

const schema = {
  ...imageSchema,
  labelMode: optional(nullable(oneOf(['int', 'categorical', 'binary'])), 'int' as const),
  classNames: optional(names, undefined),
  batchSize: optional(nullable(integer(1)), 32),
  shuffle: optional(boolean, true),
  seed: optional(integer(0), undefined),
  validationSplit: optional(
    number('number in (0, 1)', (v) => v > 0 && v < 1),
    undefined,
  ),
  followLinks: optional(boolean, false),
} satisfies SchemaOf<ImageFolderOptions>;

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif']);

interface LabelledFile {
  readonly path: string;
  readonly label: number;
}

const sortedNames = (items: readonly string[]): string[] => [...items].sort((a, b) => (a < b ? -1 : 1));

/** What is in a folder, sorted, without hidden things; links count as what they lead to when they are followed. */
async function listing(folder: string, followLinks: boolean): Promise<{ folders: string[]; files: string[] }> {
  const found = { folders: [] as string[], files: [] as string[] };
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const kind = entry.isSymbolicLink() && followLinks ? await stat(join(folder, entry.name)) : entry;
      if (kind.isDirectory()) found.folders.push(entry.name);
      else if (kind.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase())) found.files.push(entry.name);
    }
  } catch (error) {
    throw fileError(folder, `cannot be read: ${(error as Error).message}`, error);
  }
  return { folders: sortedNames(found.folders), files: sortedNames(found.files) };
}

/** The images below a folder; `seen` are the folders on the way, so that links cannot lead in circles. */
async function imagesBelow(folder: string, followLinks: boolean, seen: readonly string[] = []): Promise<string[]> {
  const place = await realpath(folder);
  if (seen.includes(place)) return [];
  const { folders, files } = await listing(folder, followLinks);
  const images = files.map((name) => join(folder, name));
  for (const name of folders) images.push(...(await imagesBelow(join(folder, name), followLinks, [...seen, place])));
  return images;
}

type Label = (label: number) => Tensor;

/** Makes y of a class's number. */
function labelMaker(mode: 'int' | 'categorical' | 'binary', classes: number): Label {
  if (mode === 'int') return (label) => new Tensor(Int32Array.of(label), []);
  if (mode === 'binary') return (label) => new Tensor(Float32Array.of(label), [1]);
  return (label) => {
    const row = new Float32Array(classes);
    row[label] = 1;
    return new Tensor(row, [classes]);
  };
}

/**
 * A folder of images as a dataset of `{ x, y }`: x is uint8 [height, width, channels] (the layer `rescaling` makes numbers from 0 to
 * 1 of it), y the class, which is the folder that the image lies in, however deep. Images are decoded while the device computes.
 * With `validationSplit` the images are drawn at random into two parts.
 *
 * Needs the package sharp: ERR_LOAD where it is not there. ERR_FILE where there are no images; a damaged one ends the pass.
 */
export async function imageFolder(path: string | URL, options?: ImageFolderOptions): Promise<ImageFolder> {
  const where = 'data.imageFolder';
  const root = pathOf(path, `${where}.path`);
  const { labelMode, classNames, batchSize, shuffle, validationSplit, followLinks, ...rest } = checkOptions(
    where,
    options,
    schema,
  );
  const image: CheckedImage = { ...rest, imageSize: rest.imageSize ?? [256, 256] };
  checkImageOptions(image, where);
  const seed = rest.seed ?? randomSeed();
  await checkDecoder();

  const { folders } = await listing(root, followLinks);
  const classes = labelMode === null ? [] : (classNames ?? folders);
  const absent = classes.find((name) => !folders.includes(name));
  if (absent !== undefined) throw fileError(join(root, absent), 'is not a folder');
  if (labelMode === 'binary' && classes.length !== 2) {
    throw fileError(root, `has ${classes.length} folders; labels of the mode "binary" need 2`);
  }
  let files: LabelledFile[] = [];
  if (labelMode === null) files = (await imagesBelow(root, followLinks)).map((file) => ({ path: file, label: 0 }));
  for (const [label, name] of classes.entries()) {
    for (const file of await imagesBelow(join(root, name), followLinks)) files.push({ path: file, label });
  }
  if (files.length === 0) throw fileError(root, `has no images${labelMode === null ? '' : ' in folders of classes'}`);

  let held: LabelledFile[] = [];
  if (validationSplit !== undefined) {
    const order = shuffle ? await shuffledRows(files.length, seed, 0) : undefined;
    const drawn = order ? Array.from(order, (i) => files[i]!) : files;
    const count = Math.floor(files.length * validationSplit);
    if (count === 0)
      throw fileError(root, `has ${files.length} images: too few to take ${validationSplit} of them to validate with`);
    held = drawn.slice(drawn.length - count);
    files = drawn.slice(0, drawn.length - count);
  }
  const label = labelMode === null ? undefined : labelMaker(labelMode, classes.length);
  return {
    dataset: images(files, image, label, batchSize, shuffle ? seed : undefined),
    validation: held.length > 0 ? images(held, image, label, batchSize, undefined) : undefined,
    classNames: classes,
    files: files.map((file) => file.path),
    validationFiles: held.map((file) => file.path),
  };
}

/** Files as images: shuffled where there is a seed, then decoded, several at a time. */
function images(
  files: readonly LabelledFile[],
  image: CheckedImage,
  label: Label | undefined,
  batchSize: number | null,
  seed: number | undefined,
): Dataset<ImageSample> {
  const list = dataset<LabelledFile>(files);
  const ordered = seed === undefined ? list : list.shuffle(files.length, { seed });
  const load = async (file: LabelledFile): Promise<{ x: Tensor; y?: Tensor }> => {
    const x = await decode(file.path, file.path, image);
    return label ? { x, y: label(file.label) } : { x };
  };
  const decoded = ordered.map(load, { concurrency: 2 * availableParallelism() }) as Dataset<ImageSample>;
  return batchSize === null ? decoded : decoded.batch(batchSize).prefetch(1);
}
