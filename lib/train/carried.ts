/**
 * What stateful layers carry from batch to batch, by `layer/role`: row i of a batch goes on with row i of the one before. Each
 * course has numbers of its own: training, validation (which begins with zeros each time), and inference (evaluate and predict).
 * They take memory when the first batch comes; a course's batches have one number of rows until it is begun anew.
 */
import { GradstepError } from '../errors.js';
import { Graph, type Variable } from '../graph/graph.js';
import type { DType } from '../graph/dtype.js';
import type { Shape } from '../graph/shape.js';
import type { Layout } from '../runtime/layout.js';
import type { Network } from './network.js';
import type { Purpose } from './slots.js';

export const COURSES = ['train', 'validation', 'inference'] as const;
export type Course = (typeof COURSES)[number];

export function courseOf(purpose: Purpose): Course {
  return purpose === 'train' || purpose === 'validation' ? purpose : 'inference';
}

/** Numbers that are carried over, with their shape: rows first. */
export interface Carried {
  readonly shape: Shape;
  readonly data: Float32Array;
}

interface CourseState {
  /** Rows of its batches; undefined before the first. */
  rows: number | undefined;
  /** Whether the next batch may have another number of rows. */
  isFree: boolean;
}

/** The error of batches that do not have the rows of those before. */
function rowsError(expected: number, received: number): GradstepError {
  return new GradstepError(
    'ERR_SHAPE',
    `Expected batches of ${expected} rows for a stateful model, whose rows go on from batch to batch, but received ${received}: ` +
      'choose a batchSize that divides the rows, and call resetStates before the number changes',
  );
}

export class CarriedMemory {
  private readonly places = new Map<string, { course: Course; path: string; variable: Variable }>();
  private readonly courses = new Map<Course, CourseState>(COURSES.map((c) => [c, { rows: undefined, isFree: true }]));

  constructor(private readonly layout: Layout) {}

  /** Where a course keeps what is carried over, [rows, …]. */
  variableOf(course: Course, path: string, shape: Shape): Variable {
    const key = `${course} ${shape[0]} ${path}`;
    const found = this.places.get(key)?.variable;
    if (found) return found;
    const variable = this.layout.variable(`${course}/${path}`, 'float32', shape);
    this.places.set(key, { course, path, variable });
    return variable;
  }

  /** What a course carries, by path; nothing before its first batch. */
  of(course: Course): { path: string; variable: Variable }[] {
    const { rows } = this.courses.get(course)!;
    return [...this.places.values()].filter((p) => p.course === course && p.variable.shape[0] === rows);
  }

  /**
   * Says how many rows the next batches of a course have; returns what must be zero for them.
   * ERR_SHAPE where they are not equally many, or not as many as before.
   */
  admit(course: Course, rows: readonly number[]): Variable[] {
    const state = this.courses.get(course)!;
    const [first] = rows;
    const expected = state.isFree ? first! : state.rows!;
    const other = rows.find((r) => r !== expected);
    if (other !== undefined) throw rowsError(expected, other);
    const isNew = expected !== state.rows;
    Object.assign(state, { rows: expected, isFree: false });
    return isNew ? this.of(course).map((p) => p.variable) : [];
  }

  /** Lets a course's next batch have any number of rows; returns what must be zero. */
  release(course: Course): Variable[] {
    this.courses.get(course)!.isFree = true;
    return this.of(course).map((p) => p.variable);
  }
}

/** ERR_SHAPE unless so many rows make batches of one size, where the model is stateful. */
export function checkWholeBatches(network: Network, rows: number, batchSize: number): void {
  if (network.isStateful && rows > batchSize && rows % batchSize !== 0) throw rowsError(batchSize, rows % batchSize);
}

/** Shapes of one sample that all layers can take, the smallest of powers of two where they are not known. */
function smallestInputs(network: Network): readonly Shape[] {
  const inputs = network.inputs.map((i) => i.shape);
  for (let size = 1; ; size *= 2) {
    const shapes = inputs.map((shape) => shape.map((d) => d ?? size));
    try {
      network.outputsFor(shapes);
      return shapes;
    } catch (error) {
      if (size > LARGEST_TRIED) throw error;
    }
  }
}

const LARGEST_TRIED = 1 << 16;

/** What a network carries over, by path, with the shape for one sample. */
export function carriedShapes(network: Network): Map<string, Shape> {
  const found = new Map<string, Shape>();
  if (!network.isStateful) return found;
  const step = {
    state: { name: 'state', dtype: 'int32', shape: [4] },
    flag: { name: 'flag', dtype: 'int32', shape: [4] },
  } as const;
  const graph = new Graph(step);
  const read = (name: string, dtype: DType, shape: Shape) => graph.read({ name, dtype, shape });
  const shapes = smallestInputs(network);
  const xs = network.inputs.map(({ name, dtype }, i) => read(name, dtype, [1, ...shapes[i]!]));
  network.forward(graph, xs, {
    state: graph.read(step.state),
    flag: graph.read(step.flag),
    training: false,
    isFrozen: () => false,
    variableOf: ({ name, shape }) => ({ name, dtype: 'float32', shape }),
    carried(path, shape) {
      found.set(path, shape.slice(1));
      return { name: path, dtype: 'float32', shape };
    },
  });
  return found;
}
