/**
 * Saving a model: one safetensors file. Tensors are named `layer/weight`, and `optimizer/slot/layer/weight` for the state of the
 * optimizer; the metadata key `gradstep` holds architecture, compile options and counters as JSON.
 */
import type { Tensor } from '../data/tensor.js';
import { optionError } from '../errors.js';
import { saveLayer, type SavedLayer } from '../layers/registry.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { VERSION } from './version.js';
import type { Compiled } from './compile_options.js';
import type { ModelCore } from './model_core.js';
import { writeSafetensors } from './safetensors.js';
import { unpackBlock } from './weights.js';

export interface SaveOptions {
  /** Whether compile options and the state of the optimizer are saved, so that training can go on. Default true. */
  includeOptimizer?: boolean;
}

/** Version of the JSON under the metadata key. */
export const FORMAT = 1;

export const METADATA_KEY = 'gradstep';

/** The JSON under the metadata key. */
export interface SavedModel {
  format: number;
  version: string;
  model: { className: 'Sequential'; inputShape: readonly number[]; layers: SavedLayer[] };
  compile?: SavedCompile;
  training?: { seed: number; step: number; epochs: number };
}

export interface SavedCompile {
  optimizer: { name: string; config: unknown };
  loss: { name: string; config: unknown };
  metrics: string[];
  precision: string;
  threads: number;
  onNaN: string;
}

const schema = { includeOptimizer: optional(boolean, true) } satisfies SchemaOf<SaveOptions>;

/** Compile options in saved form; undefined where a loss or metric is a function of the user's own. */
function saveCompile({ optimizer, loss, metrics, precision, threads, onNaN }: Compiled): SavedCompile | undefined {
  if (loss.name === undefined || metrics.some((m) => !m.named)) return undefined;
  return {
    optimizer: { name: optimizer.name, config: optimizer.config },
    loss: { name: loss.name, config: loss.config },
    metrics: metrics.map((m) => m.name),
    precision,
    threads,
    onNaN,
  };
}

export async function saveModel(core: ModelCore, path: string, options: SaveOptions | undefined): Promise<void> {
  core.checkUsable();
  if (typeof path !== 'string' || path === '') throw optionError('save.path', 'path of a file', path);
  const { includeOptimizer } = checkOptions('save', options, schema);
  const { network } = core;
  const layers = network.layers.map(({ layer, name }) => saveLayer(layer, name));
  const compile = includeOptimizer && core.isCompiled ? saveCompile(core.compiled) : undefined;
  const { weights, training } = await core.snapshot();
  const tensors = new Map<string, Tensor<Float32Array>>();
  const add = (prefix: string, block: Float32Array) =>
    unpackBlock(network.weights, block).forEach((t, i) => tensors.set(prefix + network.weights[i]!.name, t));
  add('', weights);
  if (compile && training) for (const [slot, block] of Object.entries(training.slots)) add(`optimizer/${slot}/`, block);
  const saved: SavedModel = {
    format: FORMAT,
    version: VERSION,
    model: { className: 'Sequential', inputShape: network.input, layers },
    ...(compile && { compile, training: { seed: core.seed, step: training?.step ?? 0, epochs: training?.epochs ?? 0 } }),
  };
  await writeSafetensors(path, { [METADATA_KEY]: JSON.stringify(saved) }, tensors);
}
