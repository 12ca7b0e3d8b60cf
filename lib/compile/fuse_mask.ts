/**
 * The way back through dense layers with relu: a product times step(y), y being what the relu below yielded, masks as it
 * writes; and the sums of its columns, the gradient of the bias below, are made by the same kernel. See fuse.ts.
 */
import { matmulOp } from '../ops/matmul.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { isMapOf } from './is_map_of.js';
import type { Buffer, Instruction } from './program.js';
import { overlap, Uses } from './uses.js';

export function maskedProducts(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const mul of list) {
    const masked = maskedProduct(uses, mul);
    if (masked) addColumnSums(uses, masked);
  }
  return uses.instructions;
}

/**
 * Puts a product that masks in the place of `mul`, where everything that it reads is there; undefined where something else
 * reads what comes between, or what it reads has changed by then.
 */
function maskedProduct(uses: Uses, mul: Instruction): Instruction | undefined {
  if (!isMapOf(mul, 'mul')) return undefined;
  const { in0: dx, in1: slope } = mul.inputs;
  if (!dx || !slope) return undefined;
  const [product, step] = [uses.maker(dx.buffer), uses.maker(slope.buffer)];
  if (!product || !isPlainProduct(product) || !isMapOf(step, 'step')) return undefined;
  if (uses.onlyReader(dx.buffer) !== mul || uses.onlyReader(slope.buffer) !== mul) return undefined;
  const [y, result] = [step.inputs.in0, mul.outputs.out0!];
  // Of one size: then none of them is broadcast.
  if (y?.dtype !== 'float32' || [slope, y, result].some(({ buffer }) => buffer.bytes !== dx.buffer.bytes)) return undefined;
  const factors = buffersOf(product);
  if (uses.areWrittenBetween(factors, product, mul) || uses.areWrittenBetween([y.buffer], step, mul)) return undefined;
  // A map may write over what it reads; a product may not.
  if ([...factors, y.buffer].some((read) => overlap(read, result.buffer))) return undefined;

  const { shape } = product.outputs.y!;
  const masked: Instruction = {
    ...product,
    inputs: { ...product.inputs, mask: { ...y, shape } },
    outputs: { y: { ...result, shape } },
  };
  uses.remove(product);
  uses.remove(step);
  uses.replace(mul, masked);
  return masked;
}

function buffersOf({ inputs }: Instruction): Buffer[] {
  return Object.values(inputs).map((o) => o.buffer);
}

function isPlainProduct({ op, inputs, attrs, accumulate }: Instruction): boolean {
  return op === matmulOp && attrs.activation === 'linear' && !inputs.mask && accumulate.length === 0;
}

/** The sums of a masked product's columns, unless the memory that they go to is in use until they are made. */
function addColumnSums(uses: Uses, product: Instruction): void {
  const y = product.outputs.y!;
  const [rows, columns] = y.shape as [number, number];
  for (const reader of uses.readersOf(y.buffer)) {
    const { op, attrs, outputs, accumulate } = reader;
    if (op !== reduceSum || accumulate.length > 0 || attrs.scale !== 1) continue;
    if (attrs.outer !== 1 || attrs.length !== rows || attrs.inner !== columns) continue;
    const sums = { ...outputs.y!, shape: [columns] };
    if (buffersOf(product).some((read) => overlap(read, sums.buffer))) continue;
    if (uses.isMemoryUsedBetween([sums.buffer], product, reader, new Set())) continue;
    uses.remove(reader);
    uses.replace(product, { ...product, outputs: { y, sums } });
    return;
  }
}
