/**
 * A layer as its factory in `gs.layers` makes it: a description that owns its weights. It may be called several times and
 * be part of several models; wherever it is, it has the same weights.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import type { PartialShape, Shape } from '../graph/shape.js';
import type { Constraint } from '../constraints/constraint.js';
import type { Initializer } from '../initializers/initializer.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import type { Cell } from './cell.js';
import type { Recurrence } from './recurrent.js';
import { SymbolicTensor } from './symbolic.js';
import { outputShapesOf } from './unknown_sizes.js';

/** One weight of a layer. */
export interface WeightSpec {
  /** What it is to the layer: `kernel`, `bias`. */
  readonly role: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** The matrix of inputs and outputs that its axes are to its initializer. Default: none but its shape. */
  readonly matrix?: readonly [inputs: number, outputs: number];
  /** False for what the layer itself keeps up to date, such as moving statistics. Default true. */
  readonly trainable?: boolean;
  /** Whether layers around its owner, inside a wrapper or a nested model, are frozen at the moment. Default false. */
  readonly frozen?: boolean;
  readonly regularizer?: Regularizer | undefined;
  readonly constraint?: Constraint | undefined;
  /** What the layers inside a wrapper or a nested model multiply its learning rate by. Default: its owner's factor. */
  readonly learningRateMultiplier?: number;
  /** The layer inside a wrapper or a nested model that it belongs to, and its role there; absent: the layer's own. */
  readonly owner?: { readonly layer: Layer; readonly role: string };
}

/** What a layer sees while it describes its computation. */
export interface CallContext {
  readonly training: boolean;
  /** Whether the layer is not frozen, as was said when the model was compiled; true where it has no weights. */
  readonly trainable: boolean;
  /** Whether the layers that a weight belongs to are frozen, as was said then. */
  isFrozen(role: string): boolean;
  /** The step's counters (int32 [4]), which random ops are keyed by. */
  readonly state: Value;
  /** The error flag (int32 [4]) that kernels set when data is wrong. */
  readonly flag: Value;
  /** Which steps of which samples count: 1 or 0, float32 [rows, time]; undefined where all do. Of the first masked input. */
  readonly mask: Value | undefined;
  /** The mask of each input. */
  readonly masks: readonly (Value | undefined)[];
  /** Declares the mask of a result, by default of the first. */
  setMask(mask: Value | undefined, result?: number): void;
  /** The value of one of the layer's weights. */
  weight(role: string): Value;
  /** While training: a weight that is not trainable becomes momentum · weight + (1 − momentum) · value at the end of the step. */
  update(role: string, value: Value, momentum: number): void;
  /** Adds the sum of a value's elements, float32, to the loss: while training, and where a model is evaluated. */
  addLoss(value: Value): void;
  /** The random stream of this call of the layer for a role: `dropout`. */
  stream(role: string): number;
  /** What this call of the layer carried over from the batch before, [rows, …]; zeros in the first one. */
  carried(role: string, shape: Shape): Value;
  /** Carries a value over to the next batch. */
  carry(role: string, value: Value): void;
}

/** What a layer that holds others says where sizes are not known (unknown_sizes.ts). */
export interface OpenShapes {
  weights(inputs: readonly PartialShape[]): readonly WeightSpec[];
  outputShapes(inputs: readonly PartialShape[]): readonly PartialShape[];
}

/** What a definition gives a layer. */
export interface LayerParts {
  /** Keras's class name. */
  readonly className: string;
  /** What automatic names begin with. */
  readonly baseName: string;
  /** `any`: the layer moves elements only. */
  readonly inputDtype: 'float32' | 'int32' | 'any';
  readonly passesMask: boolean;
  /** The checked options, without those that every layer has. */
  readonly options: Readonly<Record<string, unknown>>;
  weights(inputs: readonly Shape[]): readonly WeightSpec[];
  outputShapes(inputs: readonly Shape[]): readonly Shape[];
  call(inputs: readonly Value[], context: CallContext): readonly Value[];
  readonly open?: OpenShapes | undefined;
  /** Of a recurrent cell: how it runs over a sequence. */
  readonly cell?: Cell | undefined;
  /** Of a recurrent layer: what it does, for wrappers. */
  readonly recurrence?: Recurrence | undefined;
  /** Whether it, or a layer inside it, carries something from batch to batch. */
  isStateful(): boolean;
  /** The saved form, where options do not make it. */
  save?(): object;
}

export class Layer {
  /** The name given in the options; where there is none, models name the layer after its kind. */
  readonly name: string | undefined;
  readonly inputShape: PartialShape | undefined;
  /** What the learning rate is multiplied by for the layer's weights. */
  readonly learningRateMultiplier: number;
  /** What its results add to the loss. */
  readonly activityRegularizer: Regularizer | undefined;
  #trainable: boolean;

  /** @internal */
  constructor(
    /** @internal */
    readonly parts: LayerParts,
    common: {
      readonly name: string | undefined;
      readonly inputShape: PartialShape | undefined;
      readonly trainable: boolean;
      readonly learningRateMultiplier: number;
      readonly activityRegularizer?: Regularizer | undefined;
    },
  ) {
    this.name = common.name;
    this.inputShape = common.inputShape;
    this.learningRateMultiplier = common.learningRateMultiplier;
    this.activityRegularizer = common.activityRegularizer;
    this.#trainable = common.trainable;
  }

  /** Keras's class name. */
  get className(): string {
    return this.parts.className;
  }

  /** The checked options, without those that every layer has. */
  get options(): Readonly<Record<string, unknown>> {
    return this.parts.options;
  }

  /** Whether training changes the layer's weights. A change counts from the next `compile` on. */
  get trainable(): boolean {
    return this.#trainable;
  }

  set trainable(value: boolean) {
    if (typeof value !== 'boolean') throw optionError('layer.trainable', 'boolean', value);
    this.#trainable = value;
  }

  /**
   * Calls the layer on symbolic tensors, for `gs.model`: one tensor, or an array of them where the layer takes several.
   * ERR_SHAPE when it cannot take them.
   */
  apply(input: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    const outputs = this.applyAll(input);
    if (outputs.length === 1) return outputs[0]!;
    throw new GradstepError('ERR_OPTION', `Expected one result but ${this.#label} has ${outputs.length}: use applyAll`);
  }

  /** Calls the layer as `apply` does; returns all its results. */
  applyAll(input: SymbolicTensor | readonly SymbolicTensor[]): readonly SymbolicTensor[] {
    const inputs: unknown = input instanceof SymbolicTensor ? [input] : input;
    if (!Array.isArray(inputs) || inputs.length === 0 || [...inputs].some((t) => !(t instanceof SymbolicTensor))) {
      throw optionError(
        `${this.#label}.apply`,
        'symbolic tensor (gs.input, or what another layer returned) or array of them',
        input,
      );
    }
    const symbolic = inputs as readonly SymbolicTensor[];
    try {
      const given = symbolic.map((t) => t.shape);
      const shapes = outputShapesOf(this.parts, given);
      const call = { layer: this, inputs: symbolic };
      return shapes.map((shape, index) => new SymbolicTensor(shape, { call, index }));
    } catch (error) {
      if (!(error instanceof GradstepError) || error.layer !== undefined) throw error;
      throw new GradstepError(error.code, `${error.message} (in ${this.#label})`, { layer: this.#label, cause: error });
    }
  }

  get #label(): string {
    return this.name ?? this.parts.baseName;
  }
}
