/**
 * A trial trains a model and leaves it as it was: a second model over the same layers has its own optimizer, counters and
 * memory, and the weights are put back at the end, whatever happened.
 */
import type { Compiled, CompileOptions } from '../compile_options.js';
import { Model } from '../model.js';
import { coreOf, ModelCore } from '../model_core.js';
import type { Network } from '../network.js';
import { homeOf } from '../weight_home.js';

/** The network of another model. */
class TrialCore extends ModelCore {
  readonly className = 'Functional';

  constructor(
    private readonly base: ModelCore,
    device: string,
  ) {
    super(device);
  }

  get network(): Network {
    return this.base.network;
  }

  get outputNames(): readonly string[] {
    return this.base.outputNames;
  }
}

/** Options that compile to the same, without metrics. */
function optionsOf({ optimizer, outputs, ...rest }: Compiled, seed: number): CompileOptions {
  const { device, precision, deterministic, threads, onNaN } = rest;
  const loss = outputs.map((o) => o.loss ?? null);
  const lossWeights = outputs.map((o) => o.weight);
  return { optimizer, loss, lossWeights, device, precision, deterministic, threads, onNaN, seed };
}

/**
 * Calls `body` with a model that is compiled as `model` is, but for `changes`. Meanwhile the model is busy.
 * ERR_NOT_COMPILED, ERR_BUSY, ERR_DISPOSED.
 */
export async function withTrial<T>(
  model: Model,
  what: string,
  changes: (compiled: Compiled) => Partial<CompileOptions>,
  body: (trial: Model) => Promise<T>,
): Promise<T> {
  const core = coreOf(model);
  return core.whileBusy(what, async () => {
    const { compiled, seed, network } = core;
    const { weights } = await core.snapshot();
    const trial = new Model(new TrialCore(core, compiled.device), { name: undefined, inputShape: undefined });
    try {
      trial.compile({ ...optionsOf(compiled, seed), ...changes(compiled) });
      return await body(trial);
    } finally {
      await trial.dispose();
      network.weights.forEach((weight, i) => homeOf(weight).set(Promise.resolve(weights[i]!)));
    }
  });
}
