/** Functional models: any acyclic graph of layers between inputs and outputs. */
import { optionError } from '../errors.js';
import { layerName } from '../layers/layer_name.js';
import { SymbolicTensor } from '../layers/symbolic.js';
import { checkOptions, optional, type Check, type SchemaOf } from '../options.js';
import { Model } from './model.js';
import { ModelCore } from './model_core.js';
import { Network } from './network.js';

class FunctionalCore extends ModelCore {
  readonly className = 'Functional';

  constructor(
    readonly network: Network,
    device: string,
  ) {
    super(device);
  }

  get outputNames(): readonly string[] {
    return this.network.outputNames;
  }
}

export interface ModelOptions {
  /** What `gs.input` returned, or an array of that. */
  inputs: SymbolicTensor | readonly SymbolicTensor[];
  /** What layers return for them: one tensor or an array. */
  outputs: SymbolicTensor | readonly SymbolicTensor[];
  /** Its name where it stands in another model. */
  name?: string;
}

const tensors: Check<readonly SymbolicTensor[]> = (value, name) => {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const bad = list.findIndex((t) => !(t instanceof SymbolicTensor));
  if (bad >= 0 || list.length === 0)
    throw optionError(name, 'symbolic tensor or array of them', list.length === 0 ? value : list[bad]);
  return list as readonly SymbolicTensor[];
};

/** Makes a functional model. */
export function makeFunctional(
  inputs: readonly SymbolicTensor[],
  outputs: readonly SymbolicTensor[],
  device: string,
  name?: string,
): Model {
  return new Model(new FunctionalCore(new Network(inputs, outputs), device), { name, inputShape: inputs[0]!.shape });
}

/**
 * A model from a graph of layers: `const x = gs.input({ shape: [32] }); const y = gs.layers.dense({ units: 1 }).apply(x);
 * gs.model({ inputs: x, outputs: y })`. Layers that are applied twice, or that other models have too, share their weights.
 * ERR_OPTION when the outputs depend on an input that is not named.
 */
export function model(options: ModelOptions): Model {
  const schema = { inputs: tensors, outputs: tensors, name: optional(layerName, undefined) } satisfies SchemaOf<ModelOptions>;
  const { inputs, outputs, name } = checkOptions('model', options, schema);
  inputs.forEach((t, i) => {
    if (inputs.indexOf(t) !== i) throw optionError(`model.inputs[${i}]`, 'input of its own', 'one that occurs before');
  });
  return makeFunctional(inputs, outputs, 'auto', name);
}
