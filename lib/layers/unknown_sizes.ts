/**
 * Axes whose size data tell: null in the shape of a model's inputs. Layers never see them. While a model is described its layers are
 * asked twice, with two sizes for all such axes, and what differs between the answers depends on them; when there is a batch
 * they are asked once more, with the sizes that it has. Layers that hold others ask those one by one.
 */
import { GradstepError } from '../errors.js';
import { formatShape, isKnown, MAX_SIZE, sameShape, sizeOf, type PartialShape, type Shape } from '../graph/shape.js';
import type { LayerParts, WeightSpec } from './layer.js';

/**
 * Pairs of sizes that many numbers divide. The larger they are, the more windows fit into them, and the fewer results are the same for
 * both by chance; but an axis that all elements of a shape go to must be no longer than an axis may be.
 */
const STAND_INS = [
  [1_612_800, 3_225_600],
  [100_800, 201_600],
  [10_080, 20_160],
  [480, 960],
] as const;

function standInsFor(shapes: readonly PartialShape[]): readonly [number, number] {
  const fits = (size: number) => shapes.every((shape) => sizeOf(filled(shape, size)) <= MAX_SIZE);
  return STAND_INS.find(([, larger]) => fits(larger)) ?? STAND_INS.at(-1)!;
}

function filled(shape: PartialShape, size: number): Shape {
  return shape.map((d) => d ?? size);
}

/** Answers for each of the two sizes; one where all is known. */
function answers<T>(inputs: readonly PartialShape[], ask: (inputs: readonly Shape[]) => T): readonly T[] {
  if (inputs.every(isKnown)) return [ask(inputs)];
  try {
    return standInsFor(inputs).map((size) => askWith(size, inputs, ask));
  } catch (error) {
    // Layers of several inputs that are alike: what one does not know another does.
    const agreed = inputs.map((shape) => shape.map((d, axis) => d ?? knownSize(inputs, shape.length, axis)));
    if (agreed.every((shape, i) => isKnown(shape) === isKnown(inputs[i]!))) throw error;
    try {
      return answers(agreed, ask);
    } catch {
      throw error;
    }
  }
}

function knownSize(inputs: readonly PartialShape[], rank: number, axis: number): number | null {
  return inputs.find((other) => other.length === rank && other[axis] !== null)?.[axis] ?? null;
}

function askWith<T>(size: number, inputs: readonly PartialShape[], ask: (inputs: readonly Shape[]) => T): T {
  try {
    return ask(inputs.map((shape) => filled(shape, size)));
  } catch (error) {
    if (!(error instanceof GradstepError)) throw error;
    const { code, layer, message } = error;
    const where = `${message}, where ${size} stands for a size that is not known`;
    throw new GradstepError(code, where, { ...(layer !== undefined && { layer }), cause: error });
  }
}

/** What differs is not known. */
function unlike(one: Shape, other: Shape): PartialShape {
  if (one.length === other.length) return one.map((d, i) => (d === other[i] ? d : null));
  const ranks = `${one.length} or ${other.length}`;
  throw new GradstepError('ERR_SHAPE', `Expected a number of axes that no unknown size changes but received ${ranks}`);
}

/** Shapes that follow from others. */
function shapesFrom(
  inputs: readonly PartialShape[],
  follow: (inputs: readonly Shape[]) => readonly Shape[],
): readonly PartialShape[] {
  const [one, other] = answers(inputs, follow);
  return other ? one!.map((shape, i) => unlike(shape, other[i]!)) : one!;
}

/** What follows from shapes and has shapes itself, which must be known: ERR_SHAPE where they depend on what is not. */
function knownFrom<T extends { readonly role: string; readonly shape: Shape }>(
  inputs: readonly PartialShape[],
  follow: (inputs: readonly Shape[]) => readonly T[],
): readonly T[] {
  const [one, other] = answers(inputs, follow);
  other?.forEach(({ role, shape }, i) => {
    const before = one![i]!.shape;
    if (sameShape(before, shape)) return;
    const received = `${formatShape(unlike(before, shape))} of inputs of shape ${inputs.map(formatShape).join(', ')}`;
    throw new GradstepError('ERR_SHAPE', `Expected a ${role} whose shape is known but received ${received}`);
  });
  return one!;
}

/** Checks that a number which follows from a shape's last axis is known: ERR_SHAPE for `what` where it is not. */
export function checkKnown(shape: PartialShape, what: string, follow: (last: Shape) => number): void {
  const [one, other] = answers([shape.slice(-1)], ([known]) => follow(known!));
  if (other === undefined || one === other) return;
  throw new GradstepError(
    'ERR_SHAPE',
    `${what} needs a last axis of known size but the output has ${formatShape([null, ...shape])}`,
  );
}

/** A shape that stands for all it could be, where only what is known of it matters. */
export function anyOf(shape: PartialShape): Shape {
  return filled(shape, 64);
}

/** Shapes of a layer's results. */
export function outputShapesOf(parts: LayerParts, inputs: readonly PartialShape[]): readonly PartialShape[] {
  if (parts.open && !inputs.every(isKnown)) return parts.open.outputShapes(inputs);
  return shapesFrom(inputs, (known) => parts.outputShapes(known));
}

/** A layer's weights. */
export function weightsOf(parts: LayerParts, inputs: readonly PartialShape[]): readonly WeightSpec[] {
  if (parts.open && !inputs.every(isKnown)) return parts.open.weights(inputs);
  return knownFrom(inputs, (known) => parts.weights(known));
}
