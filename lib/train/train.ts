/** `model.train`: the loop of `fit`, driven by the caller: a report after each epoch, and the next epoch when it is asked for. */
import type { Callback, TrainingContext } from './callback.js';
import type { History } from './history.js';

/** An epoch's number, from 0, and its means. Metrics that are lists or matrices have their arrays here, as in histories. */
export type EpochReport = { epoch: number; loss: number } & Record<string, number>;

/** A caller that waits for a report. */
interface Meeting {
  resolve(result: IteratorResult<EpochReport, undefined>): void;
  reject(error: unknown): void;
}

const OVER = { done: true, value: undefined } as const;

/** Runs `fit` with a callback beside the caller's own, epoch by epoch; nothing begins before the first report is asked for. */
export function epochReports(fit: (callback: Callback) => Promise<History>): AsyncIterableIterator<EpochReport, undefined> {
  let running: Promise<void> | undefined;
  let context: TrainingContext | undefined;
  let asking: Meeting | undefined;
  let goOn: (() => void) | undefined;
  let isOver = false;
  /** Settled when all reports that were asked for so far have been given. */
  let asked: Promise<unknown> = Promise.resolve();

  const callback: Callback = {
    onTrainBegin(begun) {
      context = begun;
      if (isOver) begun.stop();
    },
    onEpochEnd(epoch, logs) {
      if (isOver) return undefined;
      const report = { epoch, ...logs } as EpochReport;
      const waiting = new Promise<void>((resolve) => (goOn = resolve));
      asking?.resolve({ done: false, value: report });
      asking = undefined;
      return waiting;
    },
  };

  /** Begins training, or goes on with it. */
  function advance(): void {
    running ??= fit(callback).then(
      () => {
        isOver = true;
        asking?.resolve(OVER);
      },
      (error: unknown) => {
        const hears = asking;
        isOver = true;
        if (!hears) throw error;
        hears.reject(error);
      },
    );
    goOn?.();
    goOn = undefined;
  }

  function ask(): Promise<IteratorResult<EpochReport, undefined>> {
    return new Promise((resolve, reject) => {
      asking = { resolve, reject };
      advance();
    });
  }

  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next() {
      const report = asked.then(() => (isOver ? OVER : ask()));
      asked = report.catch(() => undefined);
      return report;
    },
    /** Ends training after the step under way; resolves when it has ended. */
    async return() {
      isOver = true;
      context?.stop();
      goOn?.();
      await running;
      return OVER;
    },
  };
}
