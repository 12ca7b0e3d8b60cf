/**
 * Axes whose size data tell: null in the shape of a model's inputs. Layers never see them. While a model is described its layers are
 * asked twice, with two sizes for all such axes, and what differs between the answers depends on them; when there is a batch
 * they are asked once more, with the sizes that it has.
 */
import { GradstepError } from '../errors.js';
import { formatShape, isKnown, sameShape, type PartialShape, type Shape } from '../graph/shape.js';

/** Sizes that windows fit into and that powers of two and three divide; three such axes together are still a size of an axis. */
const STAND_INS = [960, 1152] as const;

function filled(shape: PartialShape, size: number): Shape {
  return shape.map((d) => d ?? size);
}

/** Answers for each of the two sizes; one where all is known. */
function answers<T>(inputs: readonly PartialShape[], ask: (inputs: readonly Shape[]) => T): readonly T[] {
  if (inputs.every(isKnown)) return [ask(inputs)];
  try {
    return STAND_INS.map((size) => askWith(size, inputs, ask));
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
export function shapesFrom(
  inputs: readonly PartialShape[],
  follow: (inputs: readonly Shape[]) => readonly Shape[],
): readonly PartialShape[] {
  const [one, other] = answers(inputs, follow);
  return other ? one!.map((shape, i) => unlike(shape, other[i]!)) : one!;
}

/** What follows from shapes and has shapes itself, which must be known: ERR_SHAPE where they depend on what is not. */
export function knownFrom<T extends { readonly role: string; readonly shape: Shape }>(
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

/** A number that follows from a shape and must be known: ERR_SHAPE for `what` where it is not. */
export function numberFrom(shape: PartialShape, what: string, follow: (shape: Shape) => number): number {
  const [one, other] = answers([shape], ([known]) => follow(known!));
  if (other === undefined || one === other) return one!;
  throw new GradstepError(
    'ERR_SHAPE',
    `${what} needs a last axis of known size but the output has ${formatShape([null, ...shape])}`,
  );
}

/** A shape that stands for all it could be, where only what is known of it matters. */
export function anyOf(shape: PartialShape): Shape {
  return filled(shape, STAND_INS[0]);
}
