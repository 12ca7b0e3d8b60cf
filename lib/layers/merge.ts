/**
 * add, subtract, multiply, average, maximum, minimum: several inputs element by element, in one pass however many there
 * are (up to eight). Samples broadcast as in NumPy. The result's mask, if every input has one, is where any of them counts; masks
 * choose no numbers: what a masked step of one input holds is combined as it is.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { broadcastShapes, type Shape } from '../graph/shape.js';
import { elementwise } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import type { ScalarName } from '../ops/scalar_table.js';
import { defineMergeLayer, type Layer, type LayerOptions } from './define_layer.js';

interface Merge {
  className: string;
  factory: string;
  /** The function of two inputs; of more, from the left. */
  combine: ScalarName;
  /** Whether the result is divided by the number of inputs. */
  mean?: boolean;
  /** Exactly so many inputs. */
  count?: number;
}

/** Puts axes of size 1 behind the batch until x has `rank` of them: samples broadcast, batches do not. */
function alignBatch(x: Value, rank: number): Value {
  const [rows, ...sample] = x.shape;
  return reshape(x, [rows!, ...new Array<number>(rank - 1 - sample.length).fill(1), ...sample]);
}

function define({ className, factory, combine, mean = false, count }: Merge): (options: unknown) => Layer {
  const shapeOf = (inputs: readonly Shape[]) => {
    if (count !== undefined && inputs.length !== count) {
      throw new GradstepError('ERR_SHAPE', `Expected ${count} inputs for layers.${factory} but received ${inputs.length}`);
    }
    return broadcastShapes(...inputs);
  };
  return defineMergeLayer({
    className,
    factory,
    baseName: factory,
    options: {},
    outputShape: (_options, inputs) => shapeOf(inputs),
    call(_options, inputs, context) {
      const { masks } = context;
      if (masks.every((m) => m !== undefined)) context.setMask(masks.reduce((a, b) => elementwise('maximum', a!, b!)));
      const rank = Math.max(...inputs.map((x) => x.shape.length));
      const merged = inputs.map((x) => alignBatch(x, rank)).reduce((a, b) => elementwise(combine, a, b));
      return mean && inputs.length > 1 ? elementwise('mul', merged, 1 / inputs.length) : merged;
    },
  });
}

const makeAdd = define({ className: 'Add', factory: 'add', combine: 'add' });
const makeSubtract = define({ className: 'Subtract', factory: 'subtract', combine: 'sub', count: 2 });
const makeMultiply = define({ className: 'Multiply', factory: 'multiply', combine: 'mul' });
const makeAverage = define({ className: 'Average', factory: 'average', combine: 'add', mean: true });
const makeMaximum = define({ className: 'Maximum', factory: 'maximum', combine: 'maximum' });
const makeMinimum = define({ className: 'Minimum', factory: 'minimum', combine: 'minimum' });

/** The sum of the inputs: `gs.layers.add().apply([a, b])`. Samples broadcast. */
export function add(options?: LayerOptions): Layer {
  return makeAdd(options);
}

/** The first input minus the second. Samples broadcast. */
export function subtract(options?: LayerOptions): Layer {
  return makeSubtract(options);
}

/** The product of the inputs, element by element. Samples broadcast. */
export function multiply(options?: LayerOptions): Layer {
  return makeMultiply(options);
}

/** The mean of the inputs, element by element. Samples broadcast. */
export function average(options?: LayerOptions): Layer {
  return makeAverage(options);
}

/** The largest of the inputs, element by element; the gradient goes to the first of equals. Samples broadcast. */
export function maximum(options?: LayerOptions): Layer {
  return makeMaximum(options);
}

/** The smallest of the inputs, element by element; the gradient goes to the first of equals. Samples broadcast. */
export function minimum(options?: LayerOptions): Layer {
  return makeMinimum(options);
}
