/**
 * The way back through dense layers and convolutions with relu: a product, or the input gradient of a convolution, times step(y),
 * y being what the relu below yielded, masks as it writes; and the sums of a product's columns, the gradient of the bias below, are
 * made by the same kernel. See fuse.ts.
 */
import { convDxOp } from '../ops/conv.js';
import { matmulOp } from '../ops/matmul.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { isMapOf } from './is_map_of.js';
import type { Buffer, Instruction, Operand } from './program.js';
import { overlap, Uses } from './uses.js';

export function maskedProducts(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const mul of list) {
    const masked = maskedProduct(uses, mul);
    if (masked?.op === matmulOp) addColumnSums(uses, masked, masked.outputs.y!);
  }
  return uses.instructions;
}

/** A product, a map of the slope of an activation, and the map `mul` of both. */
interface SlopedProduct {
  readonly product: Instruction;
  readonly slope: Instruction;
  /** What the slope follows from, in the product's shape. */
  readonly of: Operand;
  /** The product with that slope, in its shape. */
  readonly result: Operand;
}

/**
 * What `mul` multiplies, where that is a product and the slope `name` and one instruction in the place of `mul` may make it
 * all; undefined where something else reads what comes between, or what is read has changed by then.
 */
export function timesSlope(uses: Uses, mul: Instruction, name: 'step' | 'geluSlope'): SlopedProduct | undefined {
  if (!isMapOf(mul, 'mul')) return undefined;
  const { in0: dx, in1: factor } = mul.inputs;
  if (!dx || !factor) return undefined;
  const [product, slope] = [uses.maker(dx.buffer), uses.maker(factor.buffer)];
  if (!product || !isPlainProduct(product) || !isMapOf(slope, name)) return undefined;
  if (uses.onlyReader(dx.buffer) !== mul || uses.onlyReader(factor.buffer) !== mul) return undefined;
  const [of, result] = [slope.inputs.in0, mul.outputs.out0!];
  // Of one size: then none of them is broadcast.
  if (of?.dtype !== 'float32' || [factor, of, result].some(({ buffer }) => buffer.bytes !== dx.buffer.bytes)) return undefined;
  const factors = buffersOf(product);
  if (uses.areWrittenBetween(factors, product, mul) || uses.areWrittenBetween([of.buffer], slope, mul)) return undefined;
  // A map may write over what it reads; a product may not.
  if ([...factors, of.buffer].some((read) => overlap(read, result.buffer))) return undefined;
  const [{ shape }] = Object.values(product.outputs) as [Operand];
  return { product, slope, of: { ...of, shape }, result: { ...result, shape } };
}

/** Puts a product that masks in the place of `mul`, where that is a product times relu's slope. */
function maskedProduct(uses: Uses, mul: Instruction): Instruction | undefined {
  const found = timesSlope(uses, mul, 'step');
  if (!found) return undefined;
  const { product, slope, of, result } = found;
  const [output] = Object.keys(product.outputs) as [string];
  const masked: Instruction = { ...product, inputs: { ...product.inputs, mask: of }, outputs: { [output]: result } };
  uses.remove(product);
  uses.remove(slope);
  uses.replace(mul, masked);
  return masked;
}

function buffersOf({ inputs }: Instruction): Buffer[] {
  return Object.values(inputs).map((o) => o.buffer);
}

function isPlainProduct({ op, inputs, attrs, accumulate }: Instruction): boolean {
  const isLinear = op === convDxOp || (op === matmulOp && attrs.activation === 'linear');
  return isLinear && !inputs.mask && accumulate.length === 0;
}

/** The sums of the columns of a product with a slope, unless the memory that they go to is in use until they are made. */
export function addColumnSums(uses: Uses, product: Instruction, result: Operand): void {
  for (const reader of uses.readersOf(result.buffer)) {
    if (!isSumOfColumns(reader, result)) continue;
    const sums = { ...reader.outputs.y!, shape: [result.shape[1]!] };
    if (buffersOf(product).some((read) => overlap(read, sums.buffer))) continue;
    if (uses.isMemoryUsedBetween([sums.buffer], product, reader, new Set())) continue;
    uses.remove(reader);
    uses.replace(product, { ...product, outputs: { ...product.outputs, sums } });
    return;
  }
}

/** Whether an instruction that reads a matrix adds up its columns. */
export function isSumOfColumns({ op, attrs, accumulate }: Instruction, { shape }: Operand): boolean {
  if (op !== reduceSum || accumulate.length > 0 || attrs.scale !== 1) return false;
  return attrs.outer === 1 && attrs.length === shape[0] && attrs.inner === shape[1];
}
