/** `model.profile`: where a step goes. Whole steps and steps with a clock between instructions take turns. */
import { writeFile } from 'node:fs/promises';
import { costOf } from '../../compile/cost.js';
import type { Program } from '../../compile/program.js';
import { rowsOf, type Samples } from '../../data/samples.js';
import { GradstepError } from '../../errors.js';
import { boolean, checkOptions, integer, optional, type SchemaOf } from '../../options.js';
import { native } from '../../runtime/native.js';
import { Session } from '../../runtime/session.js';
import { filePath } from '../callbacks/path_template.js';
import { inputsOf, samplesOf } from '../inputs.js';
import type { ModelCore } from '../model_core.js';
import type { DataLike, Labels } from '../run_options.js';
import { limitsOf, type Limits } from './limits.js';
import { Profile, type ProfiledInstruction } from './report.js';
import { copyOf, TimedBatch } from './timed_batch.js';

export interface ProfileOptions {
  /** How many steps are timed. Integer > 0. Default: as many as half a second has, at least 5 and at most 200. */
  steps?: number;
  /** Whether the table is printed. Default true. */
  print?: boolean;
  /** A file for the trace, for chrome://tracing or Perfetto: replaced where it is there. */
  trace?: string;
}

const schema = {
  steps: optional(integer(1), undefined),
  print: optional(boolean, true),
  trace: optional(filePath, undefined),
} satisfies SchemaOf<ProfileOptions>;

const WARM_UP = 3;
const SECONDS = 0.5;
const [MIN_STEPS, MAX_STEPS] = [5, 200];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Times of whole steps and, for each step, of its instructions; in seconds. */
async function timeSteps(batch: TimedBatch, wanted: number | undefined): Promise<{ whole: number[]; parts: number[][] }> {
  await batch.run(1);
  const { seconds } = await batch.run(WARM_UP);
  const steps = wanted ?? Math.max(MIN_STEPS, Math.min(MAX_STEPS, Math.round(SECONDS / 2 / seconds)));
  const [whole, parts]: [number[], number[][]] = [[], []];
  while (parts.length < steps) {
    const plain = await batch.run(steps - parts.length);
    whole.push(...Array.from({ length: plain.steps }, () => plain.seconds));
    parts.push(...(await batch.time(steps - parts.length)));
  }
  return { whole, parts };
}

function describe({ instructions }: Program, parts: readonly number[][], limits: Limits): ProfiledInstruction[] {
  const taken = instructions.map((_, at) => median(parts.map((step) => step[at]!)));
  const total = taken.reduce((a, b) => a + b, 0);
  return instructions.map((instruction, at) => {
    const seconds = taken[at]!;
    const { bytes, flops } = costOf(instruction);
    const { op, scope, inputs, outputs } = instruction;
    const shown = Object.keys(outputs).length > 0 ? outputs : inputs;
    // A GPU's clock has a resolution of half a microsecond: what is shorter may have taken none.
    const over = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
    return {
      op: op.name,
      layer: scope,
      shapes: Object.values(shown).map((o) => o.shape),
      milliseconds: seconds * 1e3,
      share: total > 0 ? seconds / total : 0,
      gflops: over(flops / 1e9),
      gbs: over(bytes / 1e9),
      roofline: over(Math.max(flops / 1e9 / limits.gflops, bytes / 1e9 / limits.gbs)),
    };
  });
}

async function writeTrace(path: string, profile: Profile): Promise<void> {
  try {
    await writeFile(path, JSON.stringify(profile.chromeTrace()));
  } catch (error) {
    throw new GradstepError('ERR_FILE', `${path} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** A step of training where there are labels, of prediction where there are none. */
export async function profile(core: ModelCore, x: DataLike, y: Labels, options: ProfileOptions | undefined): Promise<Profile> {
  const { steps, print, trace } = checkOptions('profile', options, schema);
  core.checkUsable();
  core.prepareFor(x);
  const samples: Samples = y === undefined ? { x: inputsOf(core, x), y: [], weights: [] } : samplesOf(core, x, y);
  const copy = await core.withEngine((engine) => engine.inference.run(() => copyOf(engine)));
  const compiled = copy.memory.training?.options;
  const [asked, precision] = [compiled?.threads ?? 0, compiled?.precision ?? 'float32'];
  const limits = await limitsOf(copy.device, asked, precision);
  const session = await Session.open(copy.device, asked, copy.memory.layout.bytes, compiled?.deterministic);
  try {
    const batch = await TimedBatch.open(session, copy, samples, y === undefined ? 'predict' : 'train');
    const { whole, parts } = await timeSteps(batch, steps);
    const threads = session.backend === 'cpu' ? asked || native().threads : 0;
    const result = new Profile(
      copy.device,
      precision,
      threads,
      rowsOf(samples),
      parts.length,
      median(whole) * 1e3,
      describe(batch.program, parts, limits),
      limits,
    );
    if (print) process.stdout.write(`${result.table()}\n`);
    if (trace !== undefined) await writeTrace(trace, result);
    return result;
  } finally {
    await session.dispose();
  }
}
