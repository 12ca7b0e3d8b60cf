/** embedding: rows of a table by number. Weight: embeddings [inputDim, outputDim]. */
import { placeNumber } from '../graph/places.js';
import { randomUniform } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import type { InitializerName } from '../initializers/registry.js';
import { embedding as lookUp } from '../ops/embedding.js';
import { elementwise } from '../ops/map.js';
import type { ConstraintOption } from '../constraints/registry.js';
import type { RegularizerOption } from '../regularizers/registry.js';
import { boolean, integer, optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions } from './weight_options.js';

export interface EmbeddingOptions extends LayerOptions {
  /** Number of rows: the largest index + 1. */
  inputDim: number;
  /** Size of a row. */
  outputDim: number;
  /** First values. Default `randomUniform`, from −0.05 to 0.05. */
  embeddingsInitializer?: InitializerName | Initializer;
  /** Adds to the loss while training. Default none. */
  embeddingsRegularizer?: RegularizerOption;
  /** Applied after each update. Default none. */
  embeddingsConstraint?: ConstraintOption;
  /** Whether 0 stands for no step at all: the result is masked where the index is 0. Default false. */
  maskZero?: boolean;
}

const options = {
  inputDim: integer(1, 2 ** 31 - 1),
  outputDim: integer(1),
  ...weightOptions('embeddings', randomUniform()),
  maskZero: optional(boolean, false),
} satisfies SchemaOf<Omit<EmbeddingOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Embedding',
  factory: 'embedding',
  baseName: 'embedding',
  options,
  inputDtype: 'int32',
  weights: (o) => [weight(o, 'embeddings', [o.inputDim, o.outputDim])],
  outputShape: ({ outputDim }, input) => [...input, outputDim],
  call({ inputDim, maskZero }, x, context) {
    if (maskZero) context.setMask(elementwise('notEqual', x, 0));
    const place = placeNumber({ layer: x.graph.scope, expected: `indices from 0 to ${inputDim - 1}` });
    return lookUp(context.weight('embeddings'), x, context.state, context.flag, place);
  },
});

/**
 * Turns indices into rows of a table: int32 [rows, …] → [rows, …, outputDim]. Weight: embeddings [inputDim, outputDim].
 * An index outside 0 … inputDim − 1 ends a run with ERR_INDEX_RANGE, which names the layer, the index and its row.
 */
export function embedding(options: EmbeddingOptions): Layer {
  return make(options);
}
