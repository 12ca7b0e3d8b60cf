/** Sequential models: layers in a row. */
import { rowShapeOf } from '../data/samples.js';
import type { TensorLike } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, type PartialShape } from '../graph/shape.js';
import { Layer } from '../layers/layer.js';
import { SymbolicTensor } from '../layers/symbolic.js';
import { partialShape } from '../options.js';
import { Model } from './model.js';
import { coreOf, ModelCore } from './model_core.js';
import { atLayer, nameLayers, Network } from './network.js';
import type { DataLike } from './run_options.js';

class SequentialCore extends ModelCore {
  readonly className = 'Sequential';
  readonly names: readonly string[];
  private built: Network | undefined;

  constructor(
    readonly layers: readonly Layer[],
    device: string,
  ) {
    super(device);
    this.names = nameLayers(layers);
    const input = layers[0]!.inputShape;
    if (input) this.build(input);
  }

  get network(): Network {
    if (!this.built) {
      throw new GradstepError(
        'ERR_SHAPE',
        'The shape of the inputs is not known yet: give the first layer inputShape, or call build',
      );
    }
    return this.built;
  }

  get outputNames(): readonly string[] {
    return [this.names.at(-1)!];
  }

  override get isBuilt(): boolean {
    return this.built !== undefined;
  }

  override prepareFor(x: DataLike): void {
    const row = this.built ? undefined : rowShapeOf(x as TensorLike);
    if (!row) return;
    this.build(row);
    this.shapeHint = ', where the first data gave the shape: inputShape may have null for what differs';
  }

  override shapeHint = '';

  override networkFor(inputs: readonly PartialShape[]): Network {
    if (inputs.length !== 1) throw new GradstepError('ERR_SHAPE', `Expected one input but received ${inputs.length}`);
    if (!this.built) this.build(inputs[0]!);
    return super.networkFor(inputs);
  }

  build(shape: PartialShape): void {
    if (this.built) {
      const [input] = this.built.inputs;
      if (sameShape(input!.shape, shape)) return;
      const shapes = `${formatShape(input!.shape)} and cannot be built for ${formatShape(shape)}`;
      throw new GradstepError('ERR_SHAPE', `The model takes inputs of shape ${shapes}`);
    }
    const dtype = firstDtype(this.layers[0]!);
    const input = new SymbolicTensor(shape, { name: undefined, dtype });
    let end = input;
    this.layers.forEach((layer, i) => {
      end = atLayer(this.names[i]!, () => layer.apply(end));
    });
    this.built = new Network([input], [end], this.layers);
    if (this.isCompiled) this.rememberFrozen();
  }
}

/** What the first layer wants to be fed. */
function firstDtype(layer: Layer): 'float32' | 'int32' {
  if (layer instanceof Sequential) return firstDtype((coreOf(layer) as SequentialCore).layers[0]!);
  return layer.parts.inputDtype === 'int32' ? 'int32' : 'float32';
}

/** A model made of layers in a row; `gs.sequential` makes one. */
export class Sequential extends Model {
  /**
   * Fixes the shape of one sample, without the batch, where the first layer has no `inputShape`; `fit` and `predict`
   * otherwise do it from their data. ERR_SHAPE when a layer cannot take what it would get.
   */
  build(inputShape: readonly (number | null)[]): void {
    const core = coreOf(this) as SequentialCore;
    core.checkUsable();
    core.build(partialShape(inputShape, 'build.inputShape'));
  }

  override get layers(): readonly Layer[] {
    return (coreOf(this) as SequentialCore).layers;
  }
}

/** Makes a sequential model; `where` is what messages call its layers. */
export function makeSequential(layers: readonly Layer[], device: string, name?: string): Sequential {
  if (!Array.isArray(layers) || layers.length === 0)
    throw optionError('sequential.layers', 'array of at least one layer', layers);
  const seen = new Set<Layer>();
  [...layers].forEach((layer: unknown, i) => {
    if (!(layer instanceof Layer)) throw optionError(`sequential.layers[${i}]`, 'layer', layer);
    if (seen.has(layer)) {
      throw new GradstepError('ERR_OPTION', `Expected a layer of its own for sequential.layers[${i}] but it occurs twice`);
    }
    seen.add(layer);
  });
  const core = new SequentialCore([...layers], device);
  return new Sequential(core, { name, inputShape: layers[0]!.inputShape });
}

/**
 * A model of layers in a row. The first layer gives `inputShape`, or the first `fit` or `build` does. A layer may also be
 * part of other models: they share its weights.
 */
export function sequential(layers: readonly Layer[]): Sequential {
  return makeSequential(layers, 'auto');
}
