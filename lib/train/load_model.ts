/**
 * Loading a model: the file is checked against itself (safetensors.ts), its JSON against the same checks that options go
 * through, and its tensors against the architecture. Whatever is wrong is ERR_FILE, naming it.
 */
import type { FileHandle } from 'node:fs/promises';
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { restoreLayer } from '../layers/registry.js';
import { restoreLoss } from '../losses/registry.js';
import { restoreOptimizer } from '../optimizers/registry.js';
import { checkOptions, integer, optional, shape as shapeOption, type SchemaOf } from '../options.js';
import { blockOffsets, type Member } from '../runtime/layout.js';
import { checkCompileOptions, deviceOption, type Compiled, type DeviceName } from './compile_options.js';
import type { TrainingState } from './engine.js';
import { readHeader, readingFile, readTensor, type SafetensorsHeader } from './safetensors.js';
import { FORMAT, METADATA_KEY } from './save_model.js';
import { makeCore, Sequential } from './sequential.js';

export interface LoadOptions {
  /** Where the model runs. Default `auto`. */
  device?: DeviceName;
}

/** Layers a saved model may have at most. */
const MAX_LAYERS = 10_000;

type Json = Readonly<Record<string, unknown>>;

function objectAt(json: Json, key: string, where: string): Json {
  const value = Object.hasOwn(json, key) ? json[key] : undefined;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionError(`${where}.${key}`, 'object', value);
  return value as Json;
}

function nameAndConfig(json: Json, key: string): { name: string; config: unknown } {
  const { name, config } = objectAt(json, key, 'compile');
  if (typeof name !== 'string') throw optionError(`compile.${key}.name`, 'string', name);
  return { name, config };
}

function parseModel(text: string): Json {
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw optionError(METADATA_KEY, 'object', json);
  const { format } = json as Json;
  if (format !== FORMAT) throw optionError('format', `${FORMAT}, the one this version knows,`, format);
  return json as Json;
}

function restoreModel(json: Json, device: string) {
  const { className, inputShape, layers } = objectAt(json, 'model', METADATA_KEY);
  if (className !== 'Sequential') throw optionError('model.className', '"Sequential"', className);
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) throw optionError('model.layers', 'array of layers', layers);
  const core = makeCore(
    layers.map((l, i) => restoreLayer(l, `model.layers[${i}]`)),
    device,
  );
  core.build(shapeOption(inputShape, 'model.inputShape'));
  return core;
}

function restoreCompile(json: Json, device: string): Compiled | undefined {
  if (!Object.hasOwn(json, 'compile')) return undefined;
  const saved = objectAt(json, 'compile', METADATA_KEY);
  const { metrics, precision, threads, onNaN } = saved;
  const optimizer = nameAndConfig(saved, 'optimizer');
  const loss = nameAndConfig(saved, 'loss');
  return checkCompileOptions({
    optimizer: restoreOptimizer(optimizer, 'compile.optimizer'),
    loss: restoreLoss(loss, 'compile.loss'),
    metrics,
    precision,
    threads,
    onNaN,
    device,
  });
}

/** Reads tensors of the given names and shapes into a block, gaps included. */
async function readBlock(
  file: FileHandle,
  path: string,
  { tensors }: SafetensorsHeader,
  prefix: string,
  members: readonly Member[],
): Promise<Float32Array> {
  const entries = members.map(({ name, shape }) => {
    const entry = tensors.get(prefix + name);
    if (!entry) throw new GradstepError('ERR_FILE', `${path} lacks the tensor ${prefix}${name}`);
    if (!sameShape(entry.shape, shape)) {
      const shapes = `${formatShape(entry.shape)} where the architecture has ${formatShape(shape)}`;
      throw new GradstepError('ERR_FILE', `${path} has ${prefix}${name} of shape ${shapes}`);
    }
    return entry;
  });
  const { offsets, bytes } = blockOffsets(members);
  const block = new Float32Array(bytes / 4);
  for (const [i, entry] of entries.entries()) block.set((await readTensor(file, path, entry)).data, offsets[i]! / 4);
  return block;
}

async function loadFrom(file: FileHandle, path: string, device: string): Promise<Sequential> {
  const header = await readHeader(file, path);
  const text = header.metadata.get(METADATA_KEY);
  if (text === undefined)
    throw new GradstepError('ERR_FILE', `${path} was not saved by gradstep: its metadata has no key ${METADATA_KEY}`);
  let restored;
  try {
    const json = parseModel(text);
    const core = restoreModel(json, device);
    const options = restoreCompile(json, device);
    const counters = options && objectAt(json, 'training', METADATA_KEY);
    const count = (key: string, max?: number) => integer(0, max)(counters?.[key], `training.${key}`);
    const training = counters && { seed: count('seed'), step: count('step', 0x7fffffff), epochs: count('epochs') };
    restored = { core, options, training };
  } catch (error) {
    throw new GradstepError('ERR_FILE', `${path} does not hold a model: ${(error as Error).message}`, { cause: error });
  }
  const { core, options, training } = restored;
  const { weights } = core.network;
  const prefixes = ['', ...(options?.optimizer.slots.map((s) => `optimizer/${s}/`) ?? [])];
  const known = new Set(prefixes.flatMap((p) => weights.map((w) => p + w.name)));
  for (const name of header.tensors.keys()) {
    if (!known.has(name))
      throw new GradstepError('ERR_FILE', `${path} has a tensor that its architecture does not: ${JSON.stringify(name)}`);
  }
  const block = await readBlock(file, path, header, '', weights);
  const slots: Record<string, Float32Array> = {};
  // A model saved before any training has no state of the optimizer yet.
  const hasSlots = header.tensors.size > weights.length;
  for (const slot of hasSlots ? (options?.optimizer.slots ?? []) : []) {
    slots[slot] = await readBlock(file, path, header, `optimizer/${slot}/`, weights);
  }
  const earlier: TrainingState | undefined = training && { step: training.step, epochs: training.epochs, slots };
  core.restore({ weights: block, seed: training?.seed, training: earlier }, options);
  return new Sequential(core);
}

/**
 * Loads a model that `save` wrote: same predictions bit for bit; where compile options were saved it is compiled, and
 * training goes on as if it had never stopped. Nothing in the file is trusted: ERR_FILE says what is wrong with it.
 */
export async function loadModel(path: string, options?: LoadOptions): Promise<Sequential> {
  if (typeof path !== 'string' || path === '') throw optionError('loadModel.path', 'path of a file', path);
  const schema = { device: optional(deviceOption, 'auto') } satisfies SchemaOf<LoadOptions>;
  const { device } = checkOptions('loadModel', options, schema);
  return readingFile(path, (file) => loadFrom(file, path, device));
}
