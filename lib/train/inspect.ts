/** A model's programs as text and as bytes, without running them: for snapshots and for tests of the native core. */
import { encodeProgram } from '../compile/encode.js';
import { printProgram, type Program } from '../compile/program.js';
import { anyOf } from '../layers/unknown_sizes.js';
import { initialWeight } from './initial_weights.js';
import { ModelMemory } from './memory.js';
import type { Model } from './model.js';
import { coreOf } from './model_core.js';
import { buildProgram, type BatchSpec } from './programs.js';
import { slotsOf } from './slots.js';

/** The batch of a program: by default data of the inputs' own types and labels of the loss's; `x` where shapes are not known. */
export type InspectBatch = Pick<BatchSpec, 'kind' | 'rows'> & Partial<BatchSpec>;

/** A program of a model, and where it keeps what. */
export function programOf(model: Model, batch: InspectBatch, backend: 'cpu' | 'cuda') {
  const core = coreOf(model);
  const { network } = core;
  const options = core.isCompiled ? core.compiled : undefined;
  const memory = new ModelMemory(network, options, core.trainables);
  const x = batch.x ?? network.inputs.map(({ dtype, shape }) => ({ dtype, row: anyOf(shape) }));
  const outputs = network.outputsFor(x.map((d) => d.row));
  const labels = (options?.compared ?? []).map(({ name, loss }) => {
    const output = outputs[network.outputNames.indexOf(name)]!;
    return { dtype: loss!.labels, row: loss!.labelShape(output, output), weights: undefined };
  });
  const y = batch.kind === 'predict' ? [] : labels;
  const purpose = batch.kind === 'predict' || batch.kind === 'evaluate' ? batch.kind : 'train';
  const spec: BatchSpec = { purpose, x, y, shuffled: batch.kind === 'train', ...batch };
  const program: Program = buildProgram(memory, spec, backend);
  return {
    memory,
    program,
    slots: slotsOf(spec.purpose, x.length, batch.kind === 'predict' ? outputs.length : y.length),
  };
}

/** What a program of a model does, one line an instruction. */
export function describeProgram(model: Model, batch: InspectBatch, backend: 'cpu' | 'cuda' = 'cpu'): string {
  return printProgram(programOf(model, batch, backend).program);
}

/**
 * An encoded program with what must be written before it can run: [offset, bytes] pairs for the persistent region (zero
 * elsewhere). Data goes to `slots`: x, y and, where the batch is shuffled, int32 row numbers.
 */
export async function exportProgram(model: Model, batch: InspectBatch, backend: 'cpu' | 'cuda' = 'cpu') {
  const core = coreOf(model);
  const { memory, program, slots } = programOf(model, batch, backend);
  const bytesOf = (a: Float32Array) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength);
  const writes: [offset: number, data: Uint8Array][] = [[memory.inference.range.offset, memory.inference.fresh(0, core.seed)]];
  for (const weight of core.network.weights) {
    writes.push([memory.layout.offsetOf(memory.variableOf(weight)), bytesOf(await initialWeight(weight, core.seed))]);
  }
  if (memory.training) {
    const { learningRate, report } = memory.training;
    writes.push([memory.layout.offsetOf(learningRate), bytesOf(new Float32Array([core.stateKind!.learningRate]))]);
    writes.push([report.range.offset, report.fresh(0, core.seed)]);
  }
  const report = memory.training && batch.kind === 'train' ? memory.training.report.range : memory.inference.range;
  return { program: encodeProgram(program), persistentBytes: memory.layout.bytes, writes, report, slots };
}
