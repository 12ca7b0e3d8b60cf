/** `gs.data`: datasets, readers of files, and what is done to data before training. */
export { classWeights } from './class_weights.js';
export { dataset, Dataset, zip } from './dataset.js';
export { split } from './split.js';

export type { BatchOptions, Columns, ElementsOptions, MapOptions, Sample, ShuffleOptions } from './dataset.js';
export type { SplitOptions, SplitPart } from './split.js';
export type { Structure, StructureLike, TensorsOf } from './structure.js';
