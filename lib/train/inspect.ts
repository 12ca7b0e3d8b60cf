/** A model's programs as text and as bytes, without running them: for snapshots and for tests of the native core. */
import { encodeProgram } from '../compile/encode.js';
import { printProgram, type Program } from '../compile/program.js';
import { initialWeights } from './initial_weights.js';
import { ModelMemory } from './memory.js';
import { coreOf } from './model_core.js';
import { buildProgram, SLOTS, type BatchSpec } from './programs.js';
import type { Sequential } from './sequential.js';

/** The batch of a program: by default float32 data and labels of the loss's own type. */
export type InspectBatch = Pick<BatchSpec, 'kind' | 'rows'> & Partial<BatchSpec>;

function programOf(model: Sequential, batch: InspectBatch, backend: 'cpu' | 'cuda'): { memory: ModelMemory; program: Program } {
  const core = coreOf(model);
  const memory = new ModelMemory(core.network, core.isCompiled ? core.compiled : undefined);
  const { loss } = core.isCompiled ? core.compiled : {};
  const y = loss && { dtype: loss.labels, row: loss.labelShape(core.network.output) ?? core.network.output };
  const spec: BatchSpec = { x: 'float32', y, shuffled: batch.kind === 'train', ...batch };
  return { memory, program: buildProgram(memory, spec, backend) };
}

/** What a program of a model does, one line an instruction. */
export function describeProgram(model: Sequential, batch: InspectBatch, backend: 'cpu' | 'cuda' = 'cpu'): string {
  return printProgram(programOf(model, batch, backend).program);
}

/**
 * An encoded program with what must be written before it can run: [offset, bytes] pairs for the persistent region (zero
 * elsewhere). Data goes to the slots of `SLOTS.train`: x, y and, where the batch is shuffled, int32 row numbers.
 */
export async function exportProgram(model: Sequential, batch: InspectBatch, backend: 'cpu' | 'cuda' = 'cpu') {
  const core = coreOf(model);
  const { memory, program } = programOf(model, batch, backend);
  const bytesOf = (a: Float32Array) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  const writes: [offset: number, data: Uint8Array][] = [
    [memory.layout.offsetOf(memory.params.whole), bytesOf(await initialWeights(core.network, core.seed))],
    [memory.inference.range.offset, memory.inference.fresh(0, core.seed)],
  ];
  if (memory.training) {
    const { learningRate, options, report } = memory.training;
    writes.push([memory.layout.offsetOf(learningRate), bytesOf(new Float32Array([options.optimizer.learningRate]))]);
    writes.push([report.range.offset, report.fresh(0, core.seed)]);
  }
  const report = memory.training && batch.kind === 'train' ? memory.training.report.range : memory.inference.range;
  return { program: encodeProgram(program), persistentBytes: memory.layout.bytes, writes, report, slots: SLOTS.train };
}
