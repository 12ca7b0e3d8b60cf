/** Works out how far a run of training is, how fast, and how long it will still take. */
import type { Logs, Progress } from './history.js';

/** Epochs of a run, and the steps of each where that is known. */
export interface Course {
  /** The first epoch of the run, and the steps of it that earlier runs made. */
  readonly first: number;
  readonly stepsBefore: number;
  readonly epochs: number;
  readonly steps: number | undefined;
}

export class Clock {
  private readonly begin = performance.now();
  private epoch = -1;
  private rowsBefore = 0;
  private rows = 0;

  constructor(private readonly course: Course) {}

  /** @param rows visited in this epoch by this run @param step steps done in this epoch, by any run */
  progress(epoch: number, rows: number, step: number, logs: Logs): Progress {
    const { first, stepsBefore, epochs } = this.course;
    if (epoch !== this.epoch) this.rowsBefore += this.rows;
    this.epoch = epoch;
    this.rows = rows;
    const elapsed = (performance.now() - this.begin) / 1000;
    const steps = this.course.steps ?? NaN;
    const done = (epoch - first) * steps + step - stepsBefore;
    const secondsLeft = (((epochs - epoch) * steps - step) * elapsed) / done;
    return { ...logs, epoch, epochs, step, steps, samplesPerSecond: (this.rowsBefore + rows) / elapsed, secondsLeft };
  }
}
