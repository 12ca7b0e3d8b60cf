/**
 * The one error class of gradstep. Every failure a caller can meet carries a stable `code`, a message that names the
 * place and the remedy, and, where there is one, the path of the layer concerned.
 */

/** Every code an error of gradstep can carry. Codes are stable: messages may be reworded, codes may not. */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_BUSY'
  | 'ERR_DATA'
  | 'ERR_DEVICE_FAILED'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_DISPOSED'
  | 'ERR_DTYPE'
  | 'ERR_FILE'
  | 'ERR_INDEX_RANGE'
  | 'ERR_INTERNAL'
  | 'ERR_LABEL_RANGE'
  | 'ERR_LOAD'
  | 'ERR_NAN'
  | 'ERR_NOT_COMPILED'
  | 'ERR_NOT_DIFFERENTIABLE'
  | 'ERR_OOM'
  | 'ERR_OPTION'
  | 'ERR_PROGRAM'
  | 'ERR_SHAPE';

/** Where and why an operation failed. */
export interface ErrorDetails {
  /** Path of the layer concerned, for example `dense_1`. */
  layer?: string;
  /** The lower-level error behind this one. */
  cause?: unknown;
}

/** How much of a stack an error tells: Node.js's ten frames end within `fit`, before what has called it. */
const FRAMES = 40;

function limitStackTraces(frames: number): void {
  Reflect.set(Error, 'stackTraceLimit', frames); // no assignment: that throws where intrinsics are frozen
}

/** The error class of every failure in gradstep. */
export class GradstepError extends Error {
  readonly code: ErrorCode;
  readonly layer?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const limit = Error.stackTraceLimit;
    if (limit > 0) limitStackTraces(Math.max(limit, FRAMES));
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    limitStackTraces(limit);
    this.name = 'GradstepError';
    this.code = code;
    if (details.layer !== undefined) this.layer = details.layer;
  }
}

/** Of nested arrays in messages: one that holds itself would have no end. */
const DESCRIBED_DEPTHS = 6;

/** A short rendering of any value for an error message: `-1`, `"adamm"`, `object`. */
export function describeValue(value: unknown, depths = DESCRIBED_DEPTHS): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) {
    if (depths === 0) return '[…]';
    return `[${[...(value as unknown[])].map((part) => describeValue(part, depths - 1)).join(', ')}]`;
  }
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
}

/** `Expected integer > 0 for layers[2].units but received -1 of type number`. */
export function optionError(name: string, expected: string, received: unknown): GradstepError {
  const type =
    received === undefined || received === null ? '' : ` of type ${Array.isArray(received) ? 'array' : typeof received}`;
  return new GradstepError('ERR_OPTION', `Expected ${expected} for ${name} but received ${describeValue(received)}${type}`);
}
