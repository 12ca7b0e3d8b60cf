/**
 * Saving a model: one safetensors file. Tensors are named `layer/weight`, and `optimizer/slot/layer/weight` for the state of the
 * optimizer, `carried/layer/role` for what stateful layers carry from batch to batch; the metadata key `gradstep` holds architecture, compile options and counters as JSON.
 */
import type { NativeChoices } from '../../binding.js';
import { pathOf } from '../data/bytes.js';
import { Tensor } from '../data/tensor.js';
import type { PartialShape } from '../graph/shape.js';
import { saveLayer, type SavedLayer } from '../layers/registry.js';
import type { Metric } from '../metrics/metric.js';
import { saveOptimizer, type SavedOptimizer } from '../optimizers/registry.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { VERSION } from './version.js';
import type { Compiled, CompiledOutput } from './compile_options.js';
import type { DataPass, TrainingState } from './training_state.js';
import type { ModelCore } from './model_core.js';
import type { Reference } from './network.js';
import { writeSafetensors } from './safetensors.js';
import type { StateKind } from './waiting_state.js';

export interface SaveOptions {
  /** Whether compile options and the state of the optimizer are saved, so that training can go on. Default true. */
  includeOptimizer?: boolean;
}

/** Version of the JSON under the metadata key. */
export const FORMAT = 2;

export const METADATA_KEY = 'gradstep';

/** What the tensors that stateful layers carry over begin with. */
export const CARRIED = 'carried';

/** An architecture as plain JSON; `trainable` is there where it is false. */
export type SavedArchitecture =
  | { className: 'Sequential'; name?: string; trainable?: false; inputShape: PartialShape; layers: SavedLayer[] }
  | {
      className: 'Functional';
      name?: string;
      trainable?: false;
      inputs: { name: string; shape: PartialShape; dtype: string }[];
      layers: SavedLayer[];
      /** Which layer is called on what: results of earlier calls, or with −1 inputs. */
      calls: { layer: number; inputs: Reference[] }[];
      outputs: Reference[];
    };

/** The JSON under the metadata key. */
export interface SavedModel {
  format: number;
  version: string;
  model: SavedArchitecture;
  compile?: SavedCompile;
  training?: SavedTraining;
}

export interface SavedTraining {
  seed: number;
  step: number;
  updates: number;
  epochs: number;
  learningRate: number;
  /**
   * Names of the weights that are not frozen, statistics among them, where `trainable` has changed since the model was
   * compiled.
   */
  trained?: string[];
  /** Where there are no compile options: what the state of training is of. */
  kind?: StateKind;
  /** What was chosen by measuring (training_choices.ts). */
  choices?: NativeChoices;
  /** The pass over the data that training is in, or that ended last. */
  pass?: DataPass;
  /** In the middle of an epoch: the step it began at, and the report in base64. */
  unfinished?: { epochStart: number; updatesBefore: number; report: string };
}

interface Named {
  name: string;
  config: unknown;
}

export interface SavedCompile {
  optimizer: SavedOptimizer;
  loss: (Named | null)[];
  lossWeights: number[];
  metrics: Named[][];
  weightedMetrics: Named[][];
  precision: string;
  deterministic: boolean;
  threads: number;
  onNaN: string;
}

const schema = { includeOptimizer: optional(boolean, true) } satisfies SchemaOf<SaveOptions>;

/** Compile options in saved form; undefined where a loss or metric is a function of the user's own. */
function saveCompile({ optimizer, outputs, precision, deterministic, threads, onNaN }: Compiled): SavedCompile | undefined {
  const isOwn = (m: Metric) => m.className === undefined;
  const isUnnamed = (o: CompiledOutput) => o.loss?.name === undefined && o.loss !== undefined;
  if (outputs.some((o) => isUnnamed(o) || [...o.metrics, ...o.weightedMetrics].some(isOwn))) return undefined;
  const saved = (metrics: readonly Metric[]) => metrics.map(({ className, config }) => ({ name: className!, config }));
  return {
    optimizer: saveOptimizer(optimizer, 'optimizer'),
    loss: outputs.map(({ loss }) => (loss ? { name: loss.name!, config: loss.config } : null)),
    lossWeights: outputs.map((o) => o.weight),
    metrics: outputs.map((o) => saved(o.metrics)),
    weightedMetrics: outputs.map((o) => saved(o.weightedMetrics)),
    precision,
    deterministic,
    threads,
    onNaN,
  };
}

/** The architecture of a model; ERR_OPTION when a layer holds a function of the user's own. */
export function describeModel({ className, network, isTrainable }: ModelCore, name?: string): SavedArchitecture {
  network.checkOwnParts();
  const own = { ...(name !== undefined && { name }), ...(isTrainable() ? {} : ({ trainable: false } as const)) };
  const layers = network.layers.map(({ layer, name }) => saveLayer(layer, name));
  if (className === 'Sequential') return { className, ...own, inputShape: network.inputs[0]!.shape, layers };
  const inputs = network.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
  return { className, ...own, inputs, layers, ...network.describe() };
}

function saveTraining({ slots: _, carried: __, unfinished, ...counters }: TrainingState) {
  const rest = unfinished && {
    unfinished: { ...unfinished, report: Buffer.from(unfinished.report).toString('base64') },
  };
  return { ...counters, ...rest };
}

export async function saveModel(
  core: ModelCore,
  name: string | undefined,
  to: string | URL,
  options: SaveOptions | undefined,
): Promise<void> {
  core.checkUsable();
  const path = pathOf(to, 'save.path');
  const { includeOptimizer } = checkOptions('save', options, schema);
  const { network } = core;
  const kind = includeOptimizer ? core.stateKind : undefined;
  const compile = kind && core.isCompiled ? saveCompile(core.compiled) : undefined;
  const model = describeModel(core, name);
  const trained = kind && core.trainedNames;
  const { weights, training } = await core.snapshot();
  const tensors = new Map<string, Tensor<Float32Array>>();
  network.weights.forEach(({ name, shape }, i) => tensors.set(name, new Tensor(weights[i]!, shape)));
  if (kind && training) {
    for (const [name, values] of training.slots) {
      const weight = network.weights.find((w) => w.name === name.slice(name.indexOf('/') + 1))!;
      tensors.set(`optimizer/${name}`, new Tensor(values, weight.shape));
    }
    // Zeros are what training begins with, and with any number of rows, as after resetStates.
    const carried = [...(training.carried ?? [])];
    if (carried.some(([, { data }]) => data.some((v) => v !== 0))) {
      for (const [name, { shape, data }] of carried) tensors.set(`${CARRIED}/${name}`, new Tensor(data, shape));
    }
  }
  const saved: SavedModel = {
    format: FORMAT,
    version: VERSION,
    model,
    ...(compile && { compile }),
    ...(kind && {
      training: {
        seed: core.seed,
        ...saveTraining(training ?? { step: 0, updates: 0, epochs: 0, learningRate: kind.learningRate, slots: new Map() }),
        ...(trained && { trained }),
        ...(!compile && { kind }),
      },
    }),
  };
  await writeSafetensors(path, { [METADATA_KEY]: JSON.stringify(saved) }, tensors);
}
