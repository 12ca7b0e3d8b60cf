/** categoryEncoding: class numbers as rows of zeros and ones, or of counts. */
import { placeNumber } from '../graph/places.js';
import type { Shape } from '../graph/shape.js';
import { classCounts, oneHot } from '../ops/one_hot.js';
import { reshape } from '../ops/reshape.js';
import { integer, oneOf, optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface CategoryEncodingOptions extends LayerOptions {
  /** Number of classes: inputs are integers from 0 to numTokens − 1. */
  numTokens: number;
  /**
   * `oneHot`: a row for every number. `multiHot`: one row for the numbers along the last axis, 1 at each that occurs.
   * `count`: likewise, how often each occurs. Default `multiHot`.
   */
  outputMode?: 'oneHot' | 'multiHot' | 'count';
}

const options = {
  numTokens: integer(1),
  outputMode: optional(oneOf(['oneHot', 'multiHot', 'count']), 'multiHot'),
} satisfies SchemaOf<Omit<CategoryEncodingOptions, keyof LayerOptions>>;

/** The axes in front of the classes: a last axis of size 1 is the number's own, as in Keras. */
function lead(shape: Shape, oneHot: boolean): Shape {
  return oneHot && shape.at(-1) !== 1 ? shape : shape.slice(0, -1);
}

const make = defineLayer({
  className: 'CategoryEncoding',
  factory: 'categoryEncoding',
  baseName: 'category_encoding',
  options,
  inputDtype: 'int32',
  outputShape: ({ numTokens, outputMode }, input) => [...lead(input, outputMode === 'oneHot'), numTokens],
  call({ numTokens, outputMode }, x, { state, flag }) {
    const place = placeNumber({ layer: x.graph.scope, expected: `integers from 0 to ${numTokens - 1}` });
    const check = { state, flag, place };
    const [rows, ...sample] = x.shape;
    if (outputMode !== 'oneHot') {
      const numbers = sample.length === 0 ? reshape(x, [rows!, 1]) : x;
      return classCounts(numbers, numTokens, outputMode === 'count' ? 'count' : 'any', check);
    }
    return oneHot(reshape(x, [rows!, ...lead(sample, true)]), numTokens, check);
  },
});

/**
 * Class numbers (an input of dtype `int32`) as rows of numTokens zeros and ones: [rows, length] → [rows, numTokens].
 * A number outside 0 … numTokens − 1 ends a run with ERR_INDEX_RANGE, which names the layer, the number and its row.
 */
export function categoryEncoding(options: CategoryEncodingOptions): Layer {
  return make(options);
}
