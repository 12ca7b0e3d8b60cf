/** Schedules in saved form: their names and options as plain JSON, and the way back. */
import { unknownName } from '../options.js';
import {
  constant,
  cosineDecay,
  cosineDecayRestarts,
  exponentialDecay,
  inverseTimeDecay,
  oneCycle,
  piecewiseConstantDecay,
  polynomialDecay,
  stepDecay,
  warmup,
} from './index.js';
import { isSchedule, type Schedule } from './schedule.js';

const SCHEDULES = {
  constant,
  cosineDecay,
  cosineDecayRestarts,
  exponentialDecay,
  inverseTimeDecay,
  oneCycle,
  piecewiseConstantDecay,
  polynomialDecay,
  stepDecay,
  warmup,
} as const;

export interface SavedSchedule {
  name: string;
  config: unknown;
}

/** The saved form; ERR_OPTION when it is none of these. */
export function saveSchedule({ name, config }: Schedule, where: string): SavedSchedule {
  const saved = Object.entries(config).map(([key, value]): [string, unknown] => [
    key,
    isSchedule(value) ? saveSchedule(value, `${where}.${key}`) : value,
  ]);
  const form = { name, config: Object.fromEntries(saved) };
  restoreSchedule(form, where);
  return form;
}

export function isSavedSchedule(value: unknown): value is SavedSchedule {
  return typeof value === 'object' && value !== null && typeof (value as Partial<SavedSchedule>).name === 'string';
}

/** The schedule of a saved form, and of those within it; ERR_OPTION when there is none of that name. */
export function restoreSchedule({ name, config }: SavedSchedule, where: string): Schedule {
  if (!Object.hasOwn(SCHEDULES, name)) throw unknownName('schedule', name, where, Object.keys(SCHEDULES));
  const make = SCHEDULES[name as keyof typeof SCHEDULES];
  if (typeof config !== 'object' || config === null || Array.isArray(config)) return make(config as never);
  const options = Object.entries(config).map(([key, value]): [string, unknown] => [
    key,
    isSavedSchedule(value) ? restoreSchedule(value, `${where}.${key}`) : value,
  ]);
  return make(Object.fromEntries(options) as never);
}
