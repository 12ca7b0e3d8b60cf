/** Hearing of aborted signals: one listener a signal, however many wait for it, as Node.js warns of more than ten. */
import { GradstepError } from './errors.js';

interface Waiting {
  readonly bodies: Set<() => void>;
  readonly listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/** Calls `body` once when the signal is aborted, at once where it is already. Returns a function that ends the wait. */
export function onAbort(signal: AbortSignal | undefined, body: () => void): () => void {
  if (!signal) return () => undefined;
  if (signal.aborted) {
    body();
    return () => undefined;
  }
  const known = waiting.get(signal) ?? listenTo(signal);
  // Of its own, as one body may wait several times.
  const call = (): void => body();
  known.bodies.add(call);
  return () => {
    if (!known.bodies.delete(call) || known.bodies.size > 0) return;
    signal.removeEventListener('abort', known.listener);
    waiting.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Waiting {
  const bodies = new Set<() => void>();
  const listener = (): void => {
    waiting.delete(signal);
    for (const body of [...bodies]) if (bodies.delete(body)) body();
  };
  const made = { bodies, listener };
  signal.addEventListener('abort', listener, { once: true });
  waiting.set(signal, made);
  return made;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

export function abortedError({ reason }: AbortSignal): GradstepError {
  return new GradstepError('ERR_ABORTED', 'The run was aborted by its signal', { cause: reason });
}
