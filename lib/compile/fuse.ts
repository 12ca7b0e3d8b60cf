/**
 * Fusion: rewrites that save passes over memory. Instructions keep their order; each rewrite replaces some by fewer.
 * In turn: on CUDA, stacks of narrow dense layers into one kernel each way; a loss and its gradient into one kernel; a residual
 * block's addition into the normalisation before it; relu into the matmul, convolution or normalisation before it; relu's
 * backward moved behind max-pooling's (onto the smaller tensor), joined with dropout's, or put into the normalisation's; a sum
 * of gradients into the kernel that can add; relu's backward, and the sums of its columns, into the product before it; on CUDA,
 * dense layers with what the ways back through them need, and both gradients of a layer, into one product each; chains of maps
 * into one; a row sum into the map before it; moving averages of one momentum into one instruction.
 */
import { accumulateSums } from './fuse_accumulate.js';
import { groupAverages } from './fuse_averages.js';
import { denseLayers } from './fuse_dense.js';
import { reluBehindDropout } from './fuse_dropout.js';
import { lossAndGradient } from './fuse_loss.js';
import { maskedProducts } from './fuse_mask.js';
import { fuseMaps, fuseRowSums } from './fuse_maps.js';
import { fuseMlps } from './fuse_mlp.js';
import { reluBehindMaxPool, reluEpilogues, reluOfNormGrad } from './fuse_relu.js';
import { reluOfResidualGrad, residualOfNorm } from './fuse_residual.js';
import type { Instruction } from './program.js';

export function fuse(instructions: readonly Instruction[], backend: 'cpu' | 'cuda'): Instruction[] {
  let list = [...instructions];
  const relus = [reluEpilogues, reluBehindMaxPool, reluBehindDropout, reluOfNormGrad, reluOfResidualGrad];
  const [stacks, dense] = backend === 'cuda' ? [[fuseMlps], [denseLayers]] : [[], []];
  const products = [accumulateSums, maskedProducts, ...dense];
  const passes = [...stacks, lossAndGradient, residualOfNorm, ...relus, ...products, fuseMaps, fuseRowSums, groupAverages];
  for (const pass of passes) list = pass(list);
  return list;
}
