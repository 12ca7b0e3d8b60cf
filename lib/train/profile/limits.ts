/**
 * What a device can do at best, measured with kernels of our own at sizes that suit them: a matrix product, and a map that
 * streams through memory. Each is tried at growing sizes, so that a slow device spends no longer on it than a fast one.
 */
import { assign, lower } from '../../compile/lower.js';
import type { Program } from '../../compile/program.js';
import { Graph, type Value } from '../../graph/graph.js';
import { sizeOf, type Shape } from '../../graph/shape.js';
import { elementwise } from '../../ops/map.js';
import { matmul } from '../../ops/matmul.js';
import type { Precision } from '../../ops/precision.js';
import { Layout } from '../../runtime/layout.js';
import { Session } from '../../runtime/session.js';

/** What rooflines are drawn with. */
export interface Limits {
  /** 10⁹ floating-point operations a second, of a large matrix product. */
  readonly gflops: number;
  /** 10⁹ bytes a second, read and written, of a map over more than caches hold. */
  readonly gbs: number;
}

/** Work of growing size. */
interface Trial {
  readonly sizes: readonly number[];
  /** Which size tells the limit: the fastest, or the largest, whose data no cache holds. */
  readonly counts: 'fastest' | 'largest';
  /** Whether it is given numbers: a GPU multiplies zeros faster than others. Copies take as long whatever they copy. */
  readonly needsNumbers: boolean;
  /** How much work one size is, in what the limit counts. */
  work(size: number): number;
  inputs(size: number): readonly Shape[];
  build(values: readonly Value[]): Value;
}

const PRODUCT: Trial = {
  sizes: [64, 256, 1024, 2048, 4096],
  counts: 'fastest',
  needsNumbers: true,
  work: (n) => 2 * n ** 3,
  inputs: (n) => [
    [n, n],
    [n, n],
  ],
  build: ([a, b]) => matmul(a!, b!),
};

const STREAM: Trial = {
  sizes: [1 << 12, 1 << 20, 1 << 24],
  counts: 'largest',
  needsNumbers: false,
  work: (n) => 8 * n,
  inputs: (n) => [[n]],
  build: ([x]) => elementwise('identity', x!),
};

/** Seconds: a size that would take longer is not tried. */
const LONGEST = 0.02;
/** Seconds for each size, and how many runs that may be. */
const SECONDS = 0.005;
const [RUNS, MAX_RUNS] = [3, 200];

/** So many numbers, 101 of them repeated. */
function numbers(length: number): Float32Array {
  const all = new Float32Array(length);
  for (let i = 0; i < Math.min(101, length); i++) all[i] = 0.01 + i / 101;
  for (let made = 101; made < length; made *= 2) all.copyWithin(made, 0, made);
  return all;
}

/** Reads its inputs from the beginning of the persistent region on. */
function programOf(trial: Trial, size: number, backend: 'cpu' | 'cuda', precision: Precision): Program {
  const [graph, layout] = [new Graph(), new Layout()];
  const values = trial.inputs(size).map((shape, i) => graph.read(layout.variable(`in${i}`, 'float32', shape)));
  const result = trial.build(values);
  assign(layout.variable('out', 'float32', result.shape), result);
  return lower(graph, {
    name: 'limit',
    backend,
    precision,
    offsetOf: (v) => layout.offsetOf(v),
    persistentBytes: () => layout.bytes,
  });
}

/** Work a second at one size, in the fastest of some runs. */
async function rateAt(session: Session, trial: Trial, size: number, precision: Precision): Promise<number> {
  const program = programOf(trial, size, session.backend, precision);
  const entry = await session.loadProgram(program);
  if (trial.needsNumbers) {
    const elements = trial.inputs(size).reduce((n, shape) => n + sizeOf(shape), 0);
    await session.writeRange(0, numbers(elements), 'a trial');
  }
  const fastest = async (steps: number): Promise<number> => {
    const moments = await session.profile({ entry, steps });
    const marks = program.instructions.length + 1;
    const taken = Array.from({ length: moments.length / marks }, (_, i) => moments[(i + 1) * marks - 1]! - moments[i * marks]!);
    return Math.min(...taken);
  };
  const first = await fastest(1);
  const best = Math.min(first, await fastest(Math.max(RUNS, Math.min(MAX_RUNS, Math.round(SECONDS / first)))));
  await session.unloadProgram(entry);
  return trial.work(size) / best;
}

async function limitOf(session: Session, trial: Trial, precision: Precision): Promise<number> {
  let limit = 0;
  for (const size of trial.sizes) {
    if (limit > 0 && trial.work(size) / limit > LONGEST) break;
    const rate = await rateAt(session, trial, size, precision);
    limit = trial.counts === 'fastest' ? Math.max(limit, rate) : rate;
  }
  return limit;
}

async function measure(device: string, threads: number, precision: Precision): Promise<Limits> {
  const session = await Session.open(device, threads, 0);
  try {
    const gflops = (await limitOf(session, PRODUCT, precision)) / 1e9;
    return { gflops, gbs: (await limitOf(session, STREAM, precision)) / 1e9 };
  } finally {
    await session.dispose();
  }
}

const known = new Map<string, Promise<Limits>>();

/** The limits of a device with so many threads, measured when they are first asked for: some 100 ms, once a process. */
export function limitsOf(device: string, threads: number, precision: Precision): Promise<Limits> {
  const key = `${device} ${threads} ${precision}`;
  let limits = known.get(key);
  if (!limits) {
    limits = measure(device, threads, precision);
    known.set(key, limits);
    limits.catch(() => known.delete(key));
  }
  return limits;
}
