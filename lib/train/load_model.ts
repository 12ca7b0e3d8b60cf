/**
 * Loading a model: the file is checked against itself (safetensors.ts), its JSON against the same checks that options go
 * through, and its tensors against the architecture. Whatever is wrong is ERR_FILE, naming it.
 */
import type { FileHandle } from 'node:fs/promises';
import { pathOf } from '../data/bytes.js';
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import type { Layer } from '../layers/layer.js';
import { registerLayerClass } from '../layers/layer_classes.js';
import { layerName } from '../layers/layer_name.js';
import { restoreLayer } from '../layers/registry.js';
import { input, type InputOptions, type SymbolicTensor } from '../layers/symbolic.js';
import { restoreLoss } from '../losses/registry.js';
import { restoreMetric } from '../metrics/registry.js';
import { restoreOptimizer } from '../optimizers/registry.js';
import { boolean, checkOptions, integer, optional, partialShape, type SchemaOf } from '../options.js';
import { carriedShapes, type Carried } from './carried.js';
import { deviceOption, type CompileOptions, type DeviceName } from './compile_options.js';
import type { DataPass, TrainingState } from './training_state.js';
import { makeFunctional } from './functional.js';
import type { Model } from './model.js';
import { coreOf, type ModelCore } from './model_core.js';
import { readHeader, readingFile, readTensor, type SafetensorsHeader } from './safetensors.js';
import { CARRIED, FORMAT, METADATA_KEY } from './save_model.js';
import { makeSequential } from './sequential.js';
import { savedChoices } from './training_choices.js';
import { keptNames, reportOf, type StateKind } from './waiting_state.js';

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

function layersOf(json: Json, where: string): Layer[] {
  const { layers } = json;
  if (!Array.isArray(layers) || layers.length > MAX_LAYERS) throw optionError(`${where}.layers`, 'array of layers', layers);
  return layers.map((l, i) => restoreLayer(l, `${where}.layers[${i}]`));
}

function listAt(json: Json, key: string, where: string): readonly unknown[] {
  const value = json[key];
  if (!Array.isArray(value) || value.length > MAX_LAYERS) throw optionError(`${where}.${key}`, 'array', value);
  return value;
}

/** The model of a saved architecture. */
function restoreArchitecture(json: Json, where: string, device: string, name?: string): Model {
  const own = name ?? optional(layerName, undefined)(json.name, `${where}.name`);
  const model = restoreLayers(json, where, device, own);
  model.trainable = optional(boolean, true)(json.trainable, `${where}.trainable`);
  return model;
}

function restoreLayers(json: Json, where: string, device: string, name: string | undefined): Model {
  if (json.className === 'Sequential') {
    const model = makeSequential(layersOf(json, where), device, name);
    model.build(partialShape(json.inputShape, `${where}.inputShape`));
    return model;
  }
  if (json.className !== 'Functional') throw optionError(`${where}.className`, '"Sequential" or "Functional"', json.className);
  const layers = layersOf(json, where);
  const inputs = listAt(json, 'inputs', where).map((i) => input(i as InputOptions));
  const results: (readonly SymbolicTensor[])[] = [];
  const resolve = (reference: unknown, path: string): SymbolicTensor => {
    const [call, index] = Array.isArray(reference) ? (reference as unknown[]) : [];
    const found = call === -1 ? inputs[index as number] : results[call as number]?.[index as number];
    if (!found) throw optionError(path, 'reference to an earlier call', reference);
    return found;
  };
  listAt(json, 'calls', where).forEach((c, i) => {
    const call = (typeof c === 'object' && c !== null ? c : {}) as Json;
    const layer = layers[call.layer as number];
    if (!layer) throw optionError(`${where}.calls[${i}].layer`, 'number of a layer', call.layer);
    const given = listAt(call, 'inputs', `${where}.calls[${i}]`);
    results.push(layer.applyAll(given.map((r, k) => resolve(r, `${where}.calls[${i}].inputs[${k}]`))));
  });
  const outputs = listAt(json, 'outputs', where).map((r, i) => resolve(r, `${where}.outputs[${i}]`));
  return makeFunctional(inputs, outputs, device, name);
}

/** Models inside models are layers of these classes. */
for (const className of ['Sequential', 'Functional'] as const) {
  const read = (config: unknown): Model => {
    const { name, ...json } = config as Json;
    const checked = name === undefined ? undefined : layerName(name, 'name');
    return restoreArchitecture({ ...json, className }, className, 'auto', checked);
  };
  registerLayerClass(className, read, 'form');
}

/** The model, without weights, that `toJSON` described. ERR_OPTION when the description is not one. */
export function modelFromJson(json: unknown): Model {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw optionError('modelFromJson', 'object', json);
  return restoreArchitecture(json as Json, 'model', 'auto');
}

/** Lists of metrics, one an output; what is no list is left to the checks of `compile`. */
function restoreMetrics(saved: Json, key: string): unknown {
  const where = `compile.${key}`;
  const lists = saved[key];
  if (!Array.isArray(lists)) return lists;
  return lists.map((list: unknown, i) =>
    Array.isArray(list) ? list.map((m, k) => restoreMetric(m, `${where}[${i}][${k}]`)) : list,
  );
}

function restoreCompile(json: Json, device: string): CompileOptions | undefined {
  if (!Object.hasOwn(json, 'compile')) return undefined;
  const saved = objectAt(json, 'compile', METADATA_KEY);
  const { lossWeights, precision, deterministic, threads, onNaN } = saved;
  const metrics = restoreMetrics(saved, 'metrics');
  const weightedMetrics = restoreMetrics(saved, 'weightedMetrics');
  const optimizer = restoreOptimizer(nameAndConfig(saved, 'optimizer'), 'compile.optimizer');
  const losses = listAt(saved, 'loss', 'compile').map((l, i) =>
    l === null ? null : restoreLoss(nameAndConfig({ loss: l }, 'loss'), `compile.loss[${i}]`),
  );
  // What is wrong with these is found by the checks of `compile`.
  const rest = { precision, deterministic, threads, onNaN, device };
  return { optimizer, loss: losses, lossWeights, metrics, weightedMetrics, ...rest } as CompileOptions;
}

function restoreTraining(json: Json): Omit<TrainingState, 'slots'> & { seed: number } {
  const counters = objectAt(json, 'training', METADATA_KEY);
  const count = (key: string, max?: number) => integer(0, max)(counters[key], `training.${key}`);
  const { learningRate } = counters;
  if (typeof learningRate !== 'number') throw optionError('training.learningRate', 'number', learningRate);
  const state = {
    seed: count('seed'),
    step: count('step', 0x7fffffff),
    updates: count('updates', 0x7fffffff),
    epochs: count('epochs'),
    learningRate,
    ...(Object.hasOwn(counters, 'choices') && {
      choices: savedChoices(objectAt(counters, 'choices', 'training'), 'training.choices'),
    }),
  };
  const pass = Object.hasOwn(counters, 'pass') ? { pass: restorePass(objectAt(counters, 'pass', 'training'), state) } : {};
  if (!Object.hasOwn(counters, 'unfinished')) return { ...state, ...pass };
  const { epochStart, updatesBefore, report } = objectAt(counters, 'unfinished', 'training');
  if (typeof report !== 'string') throw optionError('training.unfinished.report', 'string', report);
  const start = integer(0, 0x7fffffff)(epochStart, 'training.unfinished.epochStart');
  const before = integer(0, 0x7fffffff)(updatesBefore, 'training.unfinished.updatesBefore');
  // Older files do not say it: there an epoch is a pass.
  const epochPass = { pass: { key: Math.max(0, state.epochs - 1), start, updates: before } };
  return {
    ...state,
    ...epochPass,
    ...pass,
    unfinished: { epochStart: start, updatesBefore: before, report: new Uint8Array(Buffer.from(report, 'base64')) },
  };
}

/** A pass over the data that began before the state was saved. */
function restorePass({ key, start, updates }: Json, state: { readonly step: number; readonly updates: number }): DataPass {
  return {
    key: integer(0)(key, 'training.pass.key'),
    start: integer(0, state.step)(start, 'training.pass.start'),
    updates: integer(0, state.updates)(updates, 'training.pass.updates'),
  };
}

/** Which weights are not frozen, where `trainable` has changed since the saved model was compiled. */
function restoreTrained(json: Json, core: ModelCore): void {
  const counters = objectAt(json, 'training', METADATA_KEY);
  if (Object.hasOwn(counters, 'trained')) core.trainOnly(counters.trained);
}

/** What the state of training is of, where the file has no compile options; undefined where it has no such state either. */
function restoreKind(json: Json): StateKind | undefined {
  if (!Object.hasOwn(json, 'training')) return undefined;
  const { slots, learningRate } = objectAt(objectAt(json, 'training', METADATA_KEY), 'kind', 'training');
  if (!Array.isArray(slots) || !slots.every((s) => typeof s === 'string'))
    throw optionError('training.kind.slots', 'array of names', slots);
  if (typeof learningRate !== 'number') throw optionError('training.kind.learningRate', 'number', learningRate);
  return { slots, learningRate };
}

/** The counters of an epoch that goes on must agree with one another, and its report, where it can be read yet, with them. */
function checkUnfinished({ step, updates, epochs, unfinished }: ReturnType<typeof restoreTraining>, core: ModelCore): void {
  if (!unfinished) return;
  const { epochStart, updatesBefore, report } = unfinished;
  if (epochs === 0) throw optionError('training.epochs', 'integer > 0 in the middle of an epoch', epochs);
  if (epochStart > step) throw optionError('training.unfinished.epochStart', `integer from 0 to ${step}`, epochStart);
  if (updatesBefore > updates)
    throw optionError('training.unfinished.updatesBefore', `integer from 0 to ${updates}`, updatesBefore);
  if (!core.isCompiled) return;
  const block = reportOf(core.network, core.compiled, core.trainables);
  const { bytes } = block.range;
  if (report.length !== bytes) throw optionError('training.unfinished.report', `${bytes} bytes in base64`, report.length);
  const found = block.parse(new Uint8Array(report).buffer);
  if (found.step !== step)
    throw optionError('the step in training.unfinished.report', `${step}, as in training.step,`, found.step);
}

/** The numbers of a tensor of the file; ERR_FILE unless it is there and has that shape. */
async function readWeight(
  file: FileHandle,
  path: string,
  { tensors }: SafetensorsHeader,
  name: string,
  shape: Shape,
): Promise<Float32Array> {
  const entry = tensors.get(name);
  if (!entry) throw new GradstepError('ERR_FILE', `${path} lacks the tensor ${name}`);
  if (!sameShape(entry.shape, shape)) {
    const shapes = `${formatShape(entry.shape)} where the architecture has ${formatShape(shape)}`;
    throw new GradstepError('ERR_FILE', `${path} has ${name} of shape ${shapes}`);
  }
  return (await readTensor(file, path, entry, name)).data;
}

/** What stateful layers carried over: all of it, for one number of rows, or nothing. */
async function readCarried(
  file: FileHandle,
  path: string,
  header: SafetensorsHeader,
  shapes: ReadonlyMap<string, Shape>,
): Promise<Map<string, Carried> | undefined> {
  const [first] = [...shapes.keys()].flatMap((c) => header.tensors.get(`${CARRIED}/${c}`) ?? []);
  if (!first) return undefined;
  const found = new Map<string, Carried>();
  for (const [name, sample] of shapes) {
    const shape = [first.shape[0] ?? 1, ...sample];
    found.set(name, { shape, data: await readWeight(file, path, header, `${CARRIED}/${name}`, shape) });
  }
  return found;
}

async function loadFrom(file: FileHandle, path: string, device: string): Promise<Model> {
  const header = await readHeader(file, path);
  const text = header.metadata.get(METADATA_KEY);
  if (text === undefined)
    throw new GradstepError('ERR_FILE', `${path} was not saved by gradstep: its metadata has no key ${METADATA_KEY}`);
  let model: Model;
  let kind: StateKind | undefined;
  let training: ReturnType<typeof restoreTraining> | undefined;
  try {
    const json = parseModel(text);
    model = restoreArchitecture(objectAt(json, 'model', METADATA_KEY), 'model', device);
    const options = restoreCompile(json, device);
    kind = options ? undefined : restoreKind(json);
    training = options || kind ? restoreTraining(json) : undefined;
    if (options) model.compile(options);
    if (training) restoreTrained(json, coreOf(model));
    if (training) checkUnfinished(training, coreOf(model));
  } catch (error) {
    throw new GradstepError('ERR_FILE', `${path} does not hold a model: ${(error as Error).message}`, { cause: error });
  }
  const core = coreOf(model);
  const { weights } = core.network;
  const slots = training ? keptNames((kind ?? core.stateKind!).slots, core.trained) : [];
  const carried = training ? carriedShapes(core.network) : new Map<string, Shape>();
  const known = new Set([
    ...weights.map((w) => w.name),
    ...slots.map((s) => `optimizer/${s.name}`),
    ...[...carried.keys()].map((c) => `${CARRIED}/${c}`),
  ]);
  for (const name of header.tensors.keys()) {
    if (!known.has(name))
      throw new GradstepError('ERR_FILE', `${path} has a tensor that its architecture does not: ${JSON.stringify(name)}`);
  }
  const values: Float32Array[] = [];
  for (const { name, shape } of weights) values.push(await readWeight(file, path, header, name, shape));
  const state = new Map<string, Float32Array>();
  // A model saved before any training has no state of the optimizer yet.
  if (header.tensors.size > weights.length) {
    for (const { name, shape, optional: mayLack } of slots) {
      if (mayLack && !header.tensors.has(`optimizer/${name}`)) continue;
      state.set(name, await readWeight(file, path, header, `optimizer/${name}`, shape));
    }
  }
  const over = await readCarried(file, path, header, carried);
  const kept = { slots: state, ...(over && { carried: over }) };
  core.restore({ weights: values, seed: training?.seed, training: training && { ...training, ...kept }, kind });
  return model;
}

/**
 * Loads a model that `save` wrote: same predictions bit for bit; where compile options were saved it is compiled, and
 * training goes on as if it had never stopped. A model whose loss or metric was a function of the user's own must be compiled first: with
 * the same options, it goes on so, too. Nothing in the file is trusted: ERR_FILE says what is wrong with it.
 */
export async function loadModel(from: string | URL, options?: LoadOptions): Promise<Model> {
  const path = pathOf(from, 'loadModel.path');
  const schema = { device: optional(deviceOption, 'auto') } satisfies SchemaOf<LoadOptions>;
  const { device } = checkOptions('loadModel', options, schema);
  return readingFile(path, (file) => loadFrom(file, path, device));
}
