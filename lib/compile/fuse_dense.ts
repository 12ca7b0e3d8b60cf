/**
 * Dense layers on CUDA; see fuse.ts. With relu or gelu: what a layer's activation leaves for its slope goes from its product,
 * dense, to the product of the layer above that goes back through it, denseDx: relu's as bits, gelu's as the sums before it.
 * Behind gelu alone, in a prediction, nothing is left. In bfloat16 every layer with a bias is dense, whose bias may be rounded along
 * with the weights: beside one in float32 the library does not round its result, and a pass behind it would have to. With any
 * activation: the gradients of weights and bias become one, denseDw, where no denseDx has made the bias's. In bfloat16 denseDx
 * leaves that to denseDw: with sums beside it, which are float32, the library would not store its result in bfloat16.
 */
import { bitWords, denseDwOp, denseDxOp, denseOp } from '../ops/dense.js';
import { matmulOp, type EPILOGUES } from '../ops/matmul.js';
import { addColumnSums, isSumOfColumns, timesSlope } from './fuse_mask.js';
import { isMapOf } from './is_map_of.js';
import { bytesOf, type Buffer, type Instruction, type Operand } from './program.js';
import { overlap, Uses } from './uses.js';

/**
 * Columns of the sums before gelu come in eights where they are kept, as the library wants them; other layers keep to maps.
 * Rows of bits are padded, so relu's may have any number.
 */
const GELU_COLUMNS = 8;

export function denseLayers(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const instruction of list) {
    if (isProduct(instruction, 'no', 'no') && instruction.attrs.activation === 'linear') withGelu(uses, instruction);
  }
  for (const instruction of uses.instructions) {
    if (instruction.inputs.mask && isProduct(instruction, 'no', 'yes')) byBits(uses, instruction);
    else bySumsBeforeGelu(uses, instruction);
  }
  for (const instruction of uses.instructions) {
    if (instruction.op === denseDxOp && instruction.attrs.precision === 'bfloat16') withoutSums(uses, instruction);
  }
  for (const instruction of uses.instructions) {
    if (isProduct(instruction, 'yes', 'no')) withBiasGradient(uses, instruction);
  }
  for (const instruction of uses.instructions) {
    if (isProduct(instruction, 'no', 'no') && instruction.attrs.precision === 'bfloat16') withBias(uses, instruction);
  }
  return uses.instructions;
}

function isProduct({ op, attrs, accumulate }: Instruction, transposeA: 'no' | 'yes', transposeB: 'no' | 'yes'): boolean {
  return op === matmulOp && attrs.transposeA === transposeA && attrs.transposeB === transposeB && accumulate.length === 0;
}

/** Puts dense in the place of a product that gelu reads, unless the memory that gelu writes is in use until then. */
function withGelu(uses: Uses, product: Instruction): void {
  if (product.inputs.mask) return;
  const z = product.outputs.y!;
  const readers = [...uses.readersOf(z.buffer)];
  const gelu = readers.find((reader) => isMapOf(reader, 'gelu') && reader.outputs.out0!.buffer.bytes === z.buffer.bytes);
  if (!gelu) return;
  const y = { ...z, buffer: gelu.outputs.out0!.buffer };
  const isKept = z.buffer.variable !== undefined || readers.length > 1;
  if (isKept && z.shape[1]! % GELU_COLUMNS !== 0) return;
  if ([z, ...Object.values(product.inputs)].some(({ buffer }) => overlap(buffer, y.buffer))) return;
  if (uses.areWrittenBetween([z.buffer], product, gelu)) return;
  if (uses.isMemoryUsedBetween([y.buffer], product, gelu, new Set())) return;
  uses.remove(gelu);
  uses.replace(product, dense(product, 'gelu', isKept ? { y, aux: z } : { y }));
}

/** Puts dense in the place of a product with a bias and no more. */
function withBias(uses: Uses, product: Instruction): void {
  const { inputs, outputs, attrs } = product;
  if (!inputs.bias || inputs.mask) return;
  uses.replace(product, dense(product, attrs.activation as (typeof EPILOGUES)[number], { y: outputs.y! }));
}

function dense(product: Instruction, activation: 'relu' | 'gelu' | 'linear', outputs: Record<string, Operand>): Instruction {
  const { a, b, bias } = product.inputs;
  const inputs = { x: a!, w: b!, ...(bias && { bias }) };
  return { ...product, op: denseOp, inputs, outputs, attrs: { activation, precision: product.attrs.precision! } };
}

function denseDx(product: Instruction, activation: 'relu' | 'gelu', aux: Operand, outputs: Record<string, Operand>): Instruction {
  const { a, b } = product.inputs;
  const attrs = { activation, precision: product.attrs.precision! };
  return { ...product, op: denseDxOp, inputs: { dy: a!, w: b!, aux }, outputs, attrs };
}

/** A product that masks by what a dense layer with relu yields masks by bits, which that layer then leaves for it. */
function byBits(uses: Uses, masked: Instruction): void {
  const { mask, bias } = masked.inputs;
  const aux = bias ? undefined : bitsOf(uses, mask!);
  if (!aux) return;
  const { y, sums } = masked.outputs;
  uses.replace(masked, denseDx(masked, 'relu', aux, { dx: y!, ...(sums && { sums }) }));
}

/** The bits of a layer's result; undefined where no product of the same shape with relu makes that. */
function bitsOf(uses: Uses, { buffer, shape }: Operand): Operand | undefined {
  const layer = uses.maker(buffer);
  if (!layer || layer.attrs.activation !== 'relu' || layer.outputs.y?.buffer !== buffer) return undefined;
  const [rows, columns] = layer.outputs.y.shape as [number, number];
  if (rows !== shape[0] || columns !== shape[1]) return undefined;
  if (layer.op === denseOp) return layer.outputs.aux;
  if (!isProduct(layer, 'no', 'no')) return undefined;
  const words = [rows, bitWords(columns)];
  const bits: Buffer = { bytes: bytesOf('int32', words), region: 'scratch', offset: -1 };
  const aux: Operand = { buffer: bits, dtype: 'int32', shape: words };
  uses.replace(layer, dense(layer, 'relu', { y: layer.outputs.y, aux }));
  return aux;
}

/** The same through gelu: a product times gelu's slope, which follows from the sums before it. */
function bySumsBeforeGelu(uses: Uses, mul: Instruction): void {
  const found = timesSlope(uses, mul, 'geluSlope');
  if (!found) return;
  const { product, slope, of, result } = found;
  if (product.inputs.bias || !isProduct(product, 'no', 'yes') || of.shape[1]! % GELU_COLUMNS !== 0) return;
  const back = denseDx(product, 'gelu', of, { dx: result });
  uses.remove(product);
  uses.remove(slope);
  uses.replace(mul, back);
  addColumnSums(uses, back, result);
}

/**
 * A weight's gradient and, where no product has made it yet, that of the bias: the sums of what both are made from, in the place
 * of whichever came first.
 */
function withBiasGradient(uses: Uses, product: Instruction): void {
  const { a: x, b: dy } = product.inputs;
  const { y: dw } = product.outputs;
  if (!isPlain(product)) return;
  const sum = [...uses.readersOf(dy!.buffer)].find((reader) => isSumOfColumns(reader, dy!));
  if (!sum) return;
  const dbias = { ...sum.outputs.y!, shape: [dy!.shape[1]!] };
  const [first, last] = uses.positionOf(sum) < uses.positionOf(product) ? [sum, product] : [product, sum];
  const later = last === sum ? dbias : dw!;
  if ([x!, dy!, first === sum ? dbias : dw!].some(({ buffer }) => overlap(buffer, later.buffer))) return;
  if (overlap(x!.buffer, dbias.buffer)) return;
  if (uses.areWrittenBetween(last === sum ? [dy!.buffer] : [x!.buffer, dy!.buffer], first, last)) return;
  if (uses.isMemoryUsedBetween([later.buffer], first, last, new Set())) return;
  uses.remove(last);
  uses.replace(first, denseDw(product, dbias));
}

function isPlain({ inputs, attrs }: Instruction): boolean {
  return !inputs.bias && !inputs.mask && attrs.activation === 'linear';
}

function denseDw(product: Instruction, dbias: Operand): Instruction {
  const { a, b } = product.inputs;
  const attrs = { precision: product.attrs.precision! };
  return { ...product, op: denseDwOp, inputs: { x: a!, dy: b! }, outputs: { dw: product.outputs.y!, dbias }, attrs };
}

/** Leaves the sums of a denseDx to the weight's gradient that is made of the same, where nothing reads them before that. */
function withoutSums(uses: Uses, instruction: Instruction): void {
  const { dx, sums } = instruction.outputs;
  if (!sums) return;
  const isGradientOf = (reader: Instruction): boolean =>
    isProduct(reader, 'yes', 'no') && isPlain(reader) && reader.inputs.b!.buffer === dx!.buffer;
  const product = [...uses.readersOf(dx!.buffer)].find(isGradientOf);
  if (!product || product.inputs.b!.shape[1] !== dx!.shape[1]) return;
  const isEarlier = (reader: Instruction): boolean => {
    const at = uses.positionOf(reader);
    return uses.positionOf(instruction) < at && at <= uses.positionOf(product);
  };
  if ([...uses.readersOf(sums.buffer)].some(isEarlier)) return;
  if ([product.inputs.a!, product.outputs.y!].some(({ buffer }) => overlap(buffer, sums.buffer))) return;
  if (uses.areWrittenBetween([dx!.buffer], instruction, product)) return;
  if (uses.isMemoryUsedBetween([sums.buffer], instruction, product, new Set())) return;
  uses.replace(instruction, { ...instruction, outputs: { dx: dx! } });
  uses.replace(product, denseDw(product, sums));
}
