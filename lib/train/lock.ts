/** Lets one body run at a time, in the order of arrival: inference shares one report and its slots. */
export class Lock {
  private last: Promise<unknown> = Promise.resolve();

  run<T>(body: () => Promise<T>): Promise<T> {
    const result = this.last.then(body);
    // Not the result itself, which would live until the next one.
    const nothing = (): void => undefined;
    this.last = result.then(nothing, nothing);
    return result;
  }
}
