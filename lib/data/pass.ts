/**
 * One pass over a dataset: what its stages share while it runs. It ends early when its consumer leaves or its signal is aborted;
 * a stage that waits for something slow then stops waiting. Long stretches without waiting give way to the event loop.
 */
import { setImmediate } from 'node:timers/promises';
import { onAbort } from '../abort.js';
import { GradstepError } from '../errors.js';

/** Milliseconds of work between two looks at the event loop. */
const TURN_MS = 8;

export class Pass {
  private readonly waiting = new Set<(reason: unknown) => void>();
  private readonly endWait: () => void;
  private reason: GradstepError | undefined;
  private lastTurn = performance.now();
  private onStop: (() => void) | undefined;

  constructor(signal?: AbortSignal) {
    this.endWait = onAbort(signal, () => this.end(signal!.reason));
  }

  /** Ends the pass: whoever waits in it gets ERR_ABORTED. */
  stop(cause?: unknown): void {
    this.endWait();
    this.end(cause);
  }

  private end(cause: unknown): void {
    this.reason ??= new GradstepError('ERR_ABORTED', 'The pass over the dataset was aborted', { cause });
    for (const reject of this.waiting) reject(this.reason);
    this.waiting.clear();
    this.onStop?.();
  }

  /** A part of the pass that can be ended alone, and ends with it. */
  part(): Pass {
    const part = new Pass();
    if (this.reason) part.stop(this.reason);
    else {
      const end = (reason: unknown) => part.stop(reason);
      this.waiting.add(end);
      part.onStop = () => this.waiting.delete(end);
    }
    return part;
  }

  /** Fails when the pass has ended. */
  check(): void {
    if (this.reason) throw this.reason;
  }

  /** A promise's outcome, or ERR_ABORTED as soon as the pass ends. */
  race<T>(promise: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.reason) reject(this.reason);
      else this.waiting.add(reject);
      promise.then(
        (value) => {
          this.waiting.delete(reject);
          resolve(value);
        },
        (error: unknown) => {
          this.waiting.delete(reject);
          reject(error);
        },
      );
    });
  }

  /** Called once for every element that enters: a promise to wait for when it is the event loop's turn. */
  turn(): Promise<void> | undefined {
    this.check();
    if (performance.now() - this.lastTurn < TURN_MS) return undefined;
    return this.giveWay();
  }

  private async giveWay(): Promise<void> {
    await setImmediate();
    this.lastTurn = performance.now();
    this.check();
  }
}
