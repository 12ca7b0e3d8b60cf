/**
 * timeDistributed: a layer applied to every step of a sequence on its own. Steps are folded into the batch, which is a
 * view, so the layer runs once on rows · steps samples; its weights, random streams and statistics are its own.
 */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, type PartialShape, type Shape } from '../graph/shape.js';
import { reshape } from '../ops/reshape.js';
import type { Check, SchemaOf } from '../options.js';
import { defineGeneralLayer, Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { innerWeight } from './inner_layer.js';
import { outputShapesOf, weightsOf } from './unknown_sizes.js';

export interface TimeDistributedOptions extends LayerOptions {
  /** The layer, or model, that every step goes through. */
  layer: Layer;
}

const layerOption: Check<Layer> = (value, name) => {
  if (!(value instanceof Layer)) throw optionError(name, 'layer or model', value);
  return value;
};

const options = { layer: layerOption } satisfies SchemaOf<Omit<TimeDistributedOptions, keyof LayerOptions>>;

/** Shape of one step. */
function stepShape(inputs: readonly PartialShape[]): PartialShape {
  const [input] = inputs;
  if (inputs.length !== 1 || !input) {
    throw new GradstepError('ERR_SHAPE', `Expected one input for layers.timeDistributed but received ${inputs.length}`);
  }
  if (input.length < 1) {
    throw new GradstepError('ERR_SHAPE', `Expected samples of shape [steps, ...] but received ${formatShape(input)}`);
  }
  return input.slice(1);
}

function innerWeights(layer: Layer, inputs: readonly PartialShape[]): WeightSpec[] {
  return weightsOf(layer.parts, [stepShape(inputs)]).map((weight) => innerWeight(layer, weight, weight.role));
}

/** Shapes of the layer's results at all steps. */
function perStep(layer: Layer, inputs: readonly PartialShape[]): PartialShape[] {
  const steps = inputs[0]?.[0] ?? null;
  return outputShapesOf(layer.parts, [stepShape(inputs)]).map((shape) => [steps, ...shape]);
}

const make = defineGeneralLayer({
  className: 'TimeDistributed',
  factory: 'timeDistributed',
  baseName: 'time_distributed',
  options,
  inputDtype: 'any',
  mask: 'pass',
  weights: ({ layer }, inputs) => innerWeights(layer, inputs),
  outputShapes: ({ layer }, inputs) => perStep(layer, inputs) as Shape[],
  open: ({ layer }) => ({
    weights: (inputs) => innerWeights(layer, inputs),
    outputShapes: (inputs) => perStep(layer, inputs),
  }),
  call({ layer }, inputs, context) {
    const [x] = inputs;
    const [rows, steps, ...step] = x!.shape as [number, number, ...number[]];
    const { inputDtype } = layer.parts;
    if (inputDtype !== 'any' && x!.dtype !== inputDtype) {
      throw new GradstepError('ERR_DTYPE', `Expected ${inputDtype} inputs but received ${x!.dtype}`);
    }
    const outputs = layer.parts.call([reshape(x!, [rows * steps, ...step])], {
      ...context,
      // A mask says which steps count; inside a step everything does.
      mask: undefined,
      masks: [undefined],
      setMask: () => {},
      carried() {
        throw new GradstepError(
          'ERR_OPTION',
          'A stateful layer cannot stand in layers.timeDistributed: its steps are no batches',
        );
      },
    });
    return outputs.map((y) => reshape(y, [rows, steps, ...y.shape.slice(1)]));
  },
});

/**
 * Applies a layer to every step: [rows, steps, …] → [rows, steps, …result of the layer]. Weights are the layer's, under
 * the wrapper's name: `time_distributed/kernel`, and with a model inside `time_distributed/dense/kernel`.
 */
export function timeDistributed(options: TimeDistributedOptions): Layer {
  return make(options);
}
