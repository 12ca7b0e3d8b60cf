/**
 * Stacks of narrow dense layers on CUDA: all of them forward in one instruction, mlp, and all that goes back through them in
 * another, mlpGrad; see fuse.ts. Taken is a stack whose values between layers nobody reads but the next layer and the
 * gradients that become part of mlpGrad; the last layer's value is anyone's.
 */
import type { Tape } from '../graph/define_op.js';
import { sameShape } from '../graph/shape.js';
import { matmulOp } from '../ops/matmul.js';
import { IMMEDIATE, map } from '../ops/map.js';
import { MLP_ACTIVATIONS, MLP_INPUTS, MLP_LAYERS, MLP_WIDTH, mlpGradOp, mlpOp, type MlpActivation } from '../ops/mlp.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { isMapOf } from './is_map_of.js';
import type { Buffer, Instruction, Operand } from './program.js';
import { Uses } from './uses.js';

/**
 * Rows up to which a stack becomes mlp and mlpGrad. Whether a stack of so many is one launch or several is decided where the
 * kernels are (native/ops/mlp.cu); beyond, one launch has no chance, and layers on their own take part in other rewrites.
 */
const ROWS = 256;

/** A layer: a product, and the activation that alone reads it. */
interface Dense {
  readonly product: Instruction;
  readonly activation: Instruction | undefined;
  readonly kind: MlpActivation;
  /** [rows, width] */
  readonly y: Operand;
}

/** What goes back through a stack: the instructions that make it, and what mlpGrad reads and yields instead. */
interface Backward {
  readonly replaced: Set<Instruction>;
  readonly dz: Operand;
  readonly outputs: Record<string, Operand>;
}

export function fuseMlps(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (let at = 0; at < list.length; at++) {
    const first = uses.at(at);
    const layers = first ? stackFrom(uses, first) : [];
    for (let count = layers.length; count >= 2; count--) {
      if (fuseStack(uses, layers.slice(0, count))) break;
    }
  }
  return uses.instructions;
}

/** The layers that begin with an instruction and lead from one to the next, as many as one launch takes. */
function stackFrom(uses: Uses, first: Instruction): Dense[] {
  const layers: Dense[] = [];
  let next: Instruction | undefined = first;
  while (next && layers.length < MLP_LAYERS) {
    const layer = denseAt(uses, next, layers.length === 0 ? MLP_INPUTS : MLP_WIDTH);
    if (!layer || layer.y.shape[0]! > ROWS || next.attrs.precision !== first.attrs.precision) break;
    layers.push(layer);
    const products: Instruction[] = [...uses.readersOf(layer.y.buffer)].filter((reader) => isProductOf(reader, layer.y));
    next = products.length === 1 ? products[0] : undefined;
  }
  return layers;
}

function isMatmul({ op, attrs }: Instruction, transposeA: 'no' | 'yes', transposeB: 'no' | 'yes'): boolean {
  return op === matmulOp && attrs.transposeA === transposeA && attrs.transposeB === transposeB;
}

/** Whether both are one value in one shape: a view of it may have other rows. */
function isSame(a: Operand, b: Operand): boolean {
  return a.buffer === b.buffer && sameShape(a.shape, b.shape);
}

function isProductOf(instruction: Instruction, x: Operand): boolean {
  return isMatmul(instruction, 'no', 'no') && isSame(instruction.inputs.a!, x) && instruction.inputs.b!.buffer !== x.buffer;
}

function denseAt(uses: Uses, product: Instruction, mostInputs: number): Dense | undefined {
  if (!isMatmul(product, 'no', 'no')) return undefined;
  const [inputs, width] = product.inputs.b!.shape as [number, number];
  if (inputs > mostInputs || width > MLP_WIDTH || product.attrs.activation !== 'linear') return undefined;
  const z = product.outputs.y!;
  const activation = uses.onlyReader(z.buffer);
  const kind = MLP_ACTIVATIONS.find((name) => name !== 'linear' && isMapOf(activation, name));
  if (!activation || !kind) return { product, activation: undefined, kind: 'linear', y: z };
  return { product, activation, kind, y: { ...z, buffer: activation.outputs.out0!.buffer } };
}

function fuseStack(uses: Uses, layers: readonly Dense[]): boolean {
  const backward = backwardOf(uses, layers);
  const kept = layers.map(({ y }, i) => [...uses.readersOf(y.buffer)].filter((reader) => reader !== layers[i + 1]?.product));
  const isClosed = layers.slice(0, -1).every(({ y }, i) => {
    return !y.buffer.variable && kept[i]!.every((reader) => backward?.replaced.has(reader));
  });
  if (!isClosed) return false;

  const replaced = layers.flatMap(({ product, activation }) => (activation ? [product, activation] : [product]));
  const [begin, end] = [replaced[0]!, replaced.at(-1)!];
  const isRead = (i: number): boolean => i === layers.length - 1 || kept[i]!.length > 0;
  const forward = forwardInstruction(layers, isRead);
  if (uses.areWrittenBetween(buffersOf(forward.inputs), begin, end)) return false;
  if (backward && !replaceBackward(uses, layers, backward, end)) return false;
  for (const instruction of replaced.slice(0, -1)) uses.remove(instruction);
  uses.replace(end, forward);
  return true;
}

/**
 * Puts mlpGrad where the first of what it replaces was, behind `forward`. False, and nothing is changed, where something that
 * it reads changes before the last of them, or the memory of its results is in use until then.
 */
function replaceBackward(uses: Uses, layers: readonly Dense[], backward: Backward, forward: Instruction): boolean {
  const replaced = [...backward.replaced].sort((a, b) => uses.positionOf(a) - uses.positionOf(b));
  const [begin, end] = [replaced[0]!, replaced.at(-1)!];
  const grad = gradInstruction(layers, backward);
  if (uses.positionOf(begin) < uses.positionOf(forward)) return false;
  if (uses.areWrittenBetween(buffersOf(grad.inputs), begin, end)) return false;
  if (uses.isMemoryUsedBetween(buffersOf(grad.outputs), begin, end, backward.replaced)) return false;
  for (const instruction of replaced.slice(1)) uses.remove(instruction);
  uses.replace(begin, grad);
  return true;
}

function buffersOf(operands: Readonly<Record<string, Operand>>): Buffer[] {
  return Object.values(operands).map((o) => o.buffer);
}

function forwardInstruction(layers: readonly Dense[], isRead: (layer: number) => boolean): Instruction {
  const inputs: Record<string, Operand> = { x: layers[0]!.product.inputs.a! };
  const outputs: Record<string, Operand> = {};
  layers.forEach(({ product, y }, i) => {
    const { b: w, bias } = product.inputs;
    inputs[`w${i + 1}`] = w!;
    if (bias) inputs[`bias${i + 1}`] = bias;
    if (isRead(i)) outputs[`y${i + 1}`] = y;
  });
  return { op: mlpOp, inputs, outputs, attrs: attrsOf(layers, MLP_LAYERS), accumulate: [], scope: scopeOf(layers) };
}

function attrsOf(layers: readonly Dense[], activations: number): Instruction['attrs'] {
  const kinds = Array.from({ length: activations }, (_, i) => [`activation${i + 1}`, layers[i]?.kind ?? 'linear'] as const);
  return { ...Object.fromEntries(kinds), precision: layers[0]!.product.attrs.precision! };
}

function scopeOf(layers: readonly Dense[]): string {
  return [...new Set(layers.map(({ product }) => product.scope))].join('+');
}

function gradInstruction(layers: readonly Dense[], { dz, outputs }: Backward): Instruction {
  const inputs: Record<string, Operand> = { dz, x: layers[0]!.product.inputs.a! };
  layers.forEach(({ product, y }, i) => {
    if (i < layers.length - 1) inputs[`y${i + 1}`] = y;
    if (i > 0 || outputs.dx) inputs[`w${i + 1}`] = product.inputs.b!;
  });
  const hidden = layers.slice(0, -1);
  return { op: mlpGradOp, inputs, outputs, attrs: attrsOf(hidden, MLP_LAYERS - 1), accumulate: [], scope: scopeOf(layers) };
}

/** Goes down the layers from the last; undefined where nothing goes back, or it is mixed with something else. */
function backwardOf(uses: Uses, layers: readonly Dense[]): Backward | undefined {
  const replaced = new Set<Instruction>();
  const outputs: Record<string, Operand> = {};
  const top = lastGradient(uses, layers.at(-1)!);
  let dz = top;
  for (let l = layers.length - 1; dz; l--) {
    const { dw, dbias, dx } = gradientsBy(uses, layers[l]!, dz);
    const found = [dw, dbias, dx].filter((i) => i !== undefined);
    if (found.some((i) => i.op === matmulOp && i.attrs.precision !== layers[l]!.product.attrs.precision)) return undefined;
    const isShared = dz.buffer.variable || [...uses.readersOf(dz.buffer)].some((reader) => !found.includes(reader));
    if (dz !== top && isShared) return undefined;
    for (const instruction of found) replaced.add(instruction);
    if (dw) outputs[`dw${l + 1}`] = dw.outputs.y!;
    if (dbias) outputs[`dbias${l + 1}`] = { ...dbias.outputs.y!, shape: dbias.outputs.y!.shape.slice(-1) };
    if (!dx) break;
    const back = dx.outputs.y!;
    if (l === 0) {
      outputs.dx = back;
      break;
    }
    const below = layers[l - 1]!;
    dz = back;
    if (below.activation) {
      const slope = throughActivation(uses, below, back.buffer);
      if (!slope) return undefined;
      for (const instruction of slope) replaced.add(instruction);
      dz = { ...back, buffer: slope[0]!.outputs.out0!.buffer };
    }
  }
  return top && replaced.size > 0 ? { replaced, dz: top, outputs } : undefined;
}

/** The gradient by a layer's sums, seen from what is made of it: the weights' gradient, or else the input's. */
function lastGradient(uses: Uses, { product }: Dense): Operand | undefined {
  const { a: x, b: w } = product.inputs;
  const ofWeights = [...uses.readersOf(x!.buffer)].filter((i) => isMatmul(i, 'yes', 'no') && isSame(i.inputs.a!, x!));
  const ofInput = [...uses.readersOf(w!.buffer)].filter((i) => isMatmul(i, 'no', 'yes') && isSame(i.inputs.b!, w!));
  const found = ofWeights.length > 0 ? ofWeights.map((i) => i.inputs.b!) : ofInput.map((i) => i.inputs.a!);
  return found.length === 1 ? found[0] : undefined;
}

/** What a layer makes of the gradient by its sums. */
function gradientsBy(uses: Uses, { product }: Dense, dz: Operand): Partial<Record<'dw' | 'dbias' | 'dx', Instruction>> {
  const { a: x, b: w } = product.inputs;
  const [rows, width] = product.outputs.y!.shape;
  const found: Partial<Record<'dw' | 'dbias' | 'dx', Instruction>> = {};
  for (const reader of uses.readersOf(dz.buffer)) {
    const { op, attrs, inputs } = reader;
    const reads = (a: Operand, b: Operand): boolean => isSame(inputs.a!, a) && isSame(inputs.b!, b);
    if (isMatmul(reader, 'yes', 'no') && reads(x!, dz)) found.dw = reader;
    else if (isMatmul(reader, 'no', 'yes') && reads(dz, w!)) found.dx = reader;
    else if (op === reduceSum && attrs.outer === 1 && attrs.length === rows && attrs.inner === width && attrs.scale === 1) {
      found.dbias = reader;
    }
  }
  return found;
}

/** The maps that multiply a gradient by the slope of a layer's activation, the product first. */
function throughActivation(uses: Uses, { kind, y }: Dense, gradient: Buffer): Instruction[] | undefined {
  const times = uses.onlyReader(gradient);
  if (!isMapOf(times, 'mul') || times.inputs.in0!.buffer !== gradient || !times.inputs.in1) return undefined;
  if (times.outputs.out0!.buffer.bytes !== gradient.bytes || y.buffer.bytes !== gradient.bytes) return undefined;
  const made = slopeOf(uses, kind, y.buffer, times.inputs.in1.buffer);
  const isOnlyHere = made?.every((maps, i) => {
    return uses.onlyReader(maps.outputs.out0!.buffer) === (i === 0 ? times : made[i - 1]);
  });
  return made && isOnlyHere ? [times, ...made] : undefined;
}

/** The maps that make a slope of an activation's value y, the last first. */
function slopeOf(uses: Uses, kind: MlpActivation, y: Buffer, slope: Buffer): Instruction[] | undefined {
  const maker = uses.maker(slope);
  if (kind === 'relu') return isMapOf(maker, 'step') && maker.inputs.in0!.buffer === y ? [maker] : undefined;
  if (kind === 'tanh') {
    const square = isOneMinus(maker) ? uses.maker(maker.inputs.in0!.buffer) : undefined;
    return isMapOf(square, 'square') && square.inputs.in0!.buffer === y ? [maker!, square] : undefined;
  }
  if (!isMapOf(maker, 'mul') || maker.inputs.in0!.buffer !== y || !maker.inputs.in1) return undefined;
  const rest = uses.maker(maker.inputs.in1.buffer);
  return isOneMinus(rest) && rest.inputs.in0!.buffer === y ? [maker, rest] : undefined;
}

function isOneMinus(instruction: Instruction | undefined): instruction is Instruction {
  if (instruction?.op !== map || !isMapOf(instruction, 'sub')) return false;
  const { code, immediates } = instruction.attrs.tape as Tape;
  return code[0]![1] === IMMEDIATE && code[0]![2] === 0 && immediates[0] === 1;
}
