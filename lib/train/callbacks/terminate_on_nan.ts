/** terminateOnNaN: ends training, without an error, once the loss is NaN or infinite. */
import { checkOptions } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';

/**
 * Ends training as soon as a run reports a loss that is NaN or infinite: within about a tenth of a second, so that training need
 * not come back after every step for it. For models compiled with `onNaN: 'continue'`: by default `fit` rejects with ERR_NAN.
 */
export function terminateOnNaN(options?: Record<string, never>): Callback {
  checkOptions('callbacks.terminateOnNaN', options, {});
  const look = ({ loss }: { readonly loss: number }, context: TrainingContext): void => {
    if (!Number.isFinite(loss)) context.stop();
  };
  return {
    onProgress: look,
    onEpochEnd: (_epoch: number, logs: Logs, context: TrainingContext) => look(logs, context),
  };
}
