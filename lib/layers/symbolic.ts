/** Symbolic tensors: what layers are applied to when a model is described as a graph of layers. They hold no numbers. */
import type { PartialShape } from '../graph/shape.js';
import { checkOptions, oneOf, optional, partialShape, type SchemaOf } from '../options.js';
import { layerName } from './layer_name.js';
import type { Layer } from './layer.js';

/** One application of a layer. */
export interface LayerCall {
  readonly layer: Layer;
  readonly inputs: readonly SymbolicTensor[];
}

/** An input of a model to be. */
export interface InputSource {
  readonly name: string | undefined;
  readonly dtype: 'float32' | 'int32';
}

export class SymbolicTensor {
  /** @internal */
  constructor(
    /** Shape of one sample, without the batch; null where only data tell the size. */
    readonly shape: PartialShape,
    /** @internal The call that yields it (and which of its results it is), or the input it is. */
    readonly source: { readonly call: LayerCall; readonly index: number } | InputSource,
  ) {}
}

export interface InputOptions {
  /** Shape of one sample, without the batch; null for an axis that has another size from batch to batch: `[null, 16]`. */
  shape: readonly (number | null)[];
  /** `int32` for class numbers, such as what `embedding` takes. Default `float32`. */
  dtype?: 'float32' | 'int32';
  /** Its name where a model has several inputs. */
  name?: string;
}

/** An input of a model: `const x = gs.input({ shape: [28, 28, 1] })`, then `layer.apply(x)` and `gs.model({ inputs: x, outputs })`. */
export function input(options: InputOptions): SymbolicTensor {
  const schema = {
    shape: partialShape,
    dtype: optional(oneOf(['float32', 'int32']), 'float32' as const),
    name: optional(layerName, undefined),
  } satisfies SchemaOf<InputOptions>;
  const { shape, dtype, name } = checkOptions('input', options, schema);
  return new SymbolicTensor(shape, { name, dtype });
}
