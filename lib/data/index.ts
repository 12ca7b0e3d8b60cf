/** `gs.data`: datasets, readers of files, and what is done to data before training. */
export { classWeights } from './class_weights.js';
export { csv } from './csv.js';
export { dataset, Dataset, zip } from './dataset.js';
export { idx } from './idx.js';
export { decodeImage } from './image.js';
export { imageFolder } from './image_folder.js';
export { npy, writeNpy } from './npy.js';
export { npz, writeNpz } from './npz.js';
export { split } from './split.js';
export { statistics } from './statistics.js';

export type {
  BatchOptions,
  Columns,
  ElementsOptions,
  MapOptions,
  PaddedBatchOptions,
  Sample,
  ShuffleOptions,
} from './dataset.js';
export type { FileSource } from './bytes.js';
export type { CsvSource } from './csv.js';
export type { CsvColumn, CsvOptions, CsvType } from './csv_options.js';
export type { ImageOptions } from './image.js';
export type { ImageFolder, ImageFolderOptions, ImageSample } from './image_folder.js';
export type { WriteNpzOptions } from './npz.js';
export type { SplitOptions, SplitPart } from './split.js';
export type { Statistics } from './statistics.js';
export type { Structure, StructureLike, TensorsOf } from './structure.js';
