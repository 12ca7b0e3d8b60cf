/** progressBar: shows in a terminal how far training is; drawn by cli-progress. */
import { SingleBar } from 'cli-progress';
import { boolean, checkOptions, optional, type Check, type SchemaOf } from '../../options.js';
import { optionError } from '../../errors.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs, Progress } from '../history.js';

/** What a bar is drawn in: a stream of Node.js. */
export interface TextStream {
  write(text: string): unknown;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean;
}

export interface ProgressBarOptions {
  /** Where the bar goes. Default: the standard error output. */
  stream?: TextStream;
  /** Whether a stream that is no terminal gets one line after each epoch; otherwise it gets nothing. Default false. */
  epochLines?: boolean;
}

const streamOption: Check<TextStream> = (value, name) => {
  if (typeof value !== 'object' || value === null || typeof (value as Partial<TextStream>).write !== 'function')
    throw optionError(name, 'stream that can be written to', value);
  return value as TextStream;
};

const schema = {
  stream: optional(streamOption, undefined),
  epochLines: optional(boolean, false),
} satisfies SchemaOf<ProgressBarOptions>;

/** Entries of a progress that are shown in places of their own. */
const OWN = new Set(['epoch', 'epochs', 'step', 'steps', 'samplesPerSecond', 'secondsLeft']);

/** `loss: 0.1234 - accuracy: 0.9876`; lists and matrices are left out. */
function textOf(logs: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(logs).filter(([key, value]) => !OWN.has(key) && typeof value === 'number');
  return shown.map(([key, value]) => `${key}: ${digits(value as number)}`).join(' - ');
}

/** Four places, or the power of ten where these would show too little. */
function digits(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(3) : value.toFixed(4);
}

/** `1:05`, or `2:03:09` from an hour on. */
function duration(seconds: number): string {
  const all = Math.round(seconds);
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/**
 * One bar for each epoch: steps, loss and metrics, samples in a second, the time left of the whole run. In a stream that is no
 * terminal nothing is written, or with epochLines a line for each epoch. Training does not come back more often for it.
 */
export function progressBar(options?: ProgressBarOptions): Callback {
  const { stream: given, epochLines } = checkOptions('callbacks.progressBar', options, schema);
  const stream: TextStream = given ?? process.stderr;
  const isTerminal = stream.isTTY === true;
  const title = (epoch: number, { epochs }: TrainingContext): string => `Epoch ${epoch + 1}/${epochs}`;

  if (!isTerminal) {
    if (!epochLines) return {};
    return {
      onEpochEnd: (epoch, logs, context) => void stream.write(`${title(epoch, context)} - ${textOf(logs)}\n`),
    };
  }

  let bar: SingleBar | undefined;
  /** Draws the last state and moves on to the next line. */
  function end(payload: Readonly<Record<string, string>> = {}): void {
    bar?.update({ ...payload, left: '' });
    bar?.stop();
    bar = undefined;
  }
  return {
    onEpochBegin(epoch: number, context: TrainingContext) {
      const { steps } = context;
      const format = steps === undefined ? '{title} {count} {text}{left}' : '{title} {bar} {count}/{total} {text}{left}';
      bar = new SingleBar({
        stream: stream as NodeJS.WritableStream,
        format,
        barsize: 20,
        barCompleteChar: '━',
        barIncompleteChar: '─',
        emptyOnZero: true,
      });
      bar.start(steps ?? 0, 0, { title: title(epoch, context), count: '0', text: '', left: '' });
    },
    onProgress(progress: Progress) {
      const { step, samplesPerSecond, secondsLeft } = progress;
      const rate = ` - ${Math.round(samplesPerSecond)} samples/s`;
      const left = Number.isFinite(secondsLeft) ? `${rate} - ${duration(secondsLeft)} left` : rate;
      bar?.update(step, { count: String(step), text: textOf(progress), left });
    },
    onEpochEnd: (_epoch: number, logs: Logs) => end({ text: textOf(logs) }),
    onTrainEnd: () => end(),
    onTrainError: () => end(),
  };
}
