/** The value of the logs that a callback watches, and what counts as better. */
import { describeValue, GradstepError, optionError } from '../../errors.js';
import { oneOf, optional, unknownName, type Check } from '../../options.js';
import type { TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';

/** Whether less or more is better; `auto`: by the name of what is watched. */
export type MonitorMode = 'auto' | 'min' | 'max';

const monitorName: Check<string> = (value, name) => {
  if (typeof value !== 'string' || value === '') throw optionError(name, 'key of the logs, such as "val_loss"', value);
  return value;
};

/** The options `monitor` and `mode`. */
export const monitorSchema = {
  monitor: optional(monitorName, 'val_loss'),
  mode: optional(oneOf(['auto', 'min', 'max']), 'auto' as const),
};

/** Ends of the names of what is better the larger, and the smaller, it is; a number may follow where a name occurs twice. */
const MORE =
  /(acc|accuracy|auc|precision|recall|sensitivity|specificity|score|io_?u|dice|similarity|(true_?(positives|negatives)))(_\d+)?$/i;
const LESS =
  /(loss|error|crossentropy|perplexity|divergence|poisson|hinge|mse|mae|mape|msle|bce|kld|(false_?(positives|negatives)))(_\d+)?$/i;

export class Monitor {
  private readonly sign: 1 | -1;

  /** @param where the callback, for messages: `callbacks.earlyStopping` */
  constructor(
    private readonly where: string,
    readonly key: string,
    mode: MonitorMode,
  ) {
    const isMore = mode === 'max' || (mode === 'auto' && MORE.test(key));
    if (mode === 'auto' && !isMore && !LESS.test(key)) {
      throw new GradstepError('ERR_OPTION', `Expected "min" or "max" for ${where}.mode, as ${JSON.stringify(key)} does not tell`);
    }
    this.sign = isMore ? 1 : -1;
  }

  /**
   * The value in logs; undefined where it is one of validation, and no validation has come before these logs. ERR_OPTION where
   * there never will be such a value, or it is no number.
   */
  read(logs: Logs, context: TrainingContext): number | undefined {
    const { key, where } = this;
    if (Object.hasOwn(logs, key)) {
      const value: unknown = logs[key];
      if (typeof value === 'number') return value;
      const found = !Array.isArray(value) ? describeValue(value) : Array.isArray(value[0]) ? 'a matrix' : 'a list of numbers';
      throw new GradstepError('ERR_OPTION', `Expected the key of a number for ${where}.monitor but ${key} is ${found}`);
    }
    const found = Object.keys(logs);
    if (key.startsWith('val_') && context.validates && found.includes(key.slice('val_'.length))) return undefined;
    const isLacking = key.startsWith('val_') && !context.validates && found.includes(key.slice('val_'.length));
    if (isLacking) throw new GradstepError('ERR_OPTION', `${where}.monitor is ${key}, but fit has no validation data`);
    const later = context.validates ? found.filter((k) => !k.startsWith('val_')).map((k) => `val_${k}`) : [];
    throw unknownName('key of the logs', key, `${where}.monitor`, [...new Set([...found, ...later])]);
  }

  /** Whether a value is better than another by more than `minDelta`; NaN never is, and anything else is better than nothing. */
  isBetter(value: number, than: number | undefined, minDelta = 0): boolean {
    if (Number.isNaN(value)) return false;
    return than === undefined || this.sign * (value - than) > minDelta;
  }
}
