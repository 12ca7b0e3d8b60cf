/** Lets one body run at a time, in the order of arrival: inference shares one report and its slots. */
import { abortedError, onAbort, throwIfAborted } from '../abort.js';

export class Lock {
  private last: Promise<unknown> = Promise.resolve();

  /** @param signal ends the wait: ERR_ABORTED, and `body` is not run */
  run<T>(body: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    let endWait = (): void => undefined;
    const result = this.last.then(() => {
      endWait();
      throwIfAborted(signal);
      return body();
    });
    // Not the result itself, which would live until the next one.
    const nothing = (): void => undefined;
    this.last = result.then(nothing, nothing);
    if (!signal) return result;
    return new Promise((resolve, reject) => {
      endWait = onAbort(signal, () => reject(abortedError(signal)));
      result.then(resolve, reject);
    });
  }
}
