/** Weights from a file into a model that is there already: the same architecture, or parts of another by their names. */
import { pathOf } from '../data/bytes.js';
import { GradstepError } from '../errors.js';
import { formatShape, sameShape } from '../graph/shape.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import type { ModelCore } from './model_core.js';
import { readHeader, readingFile, readTensor } from './safetensors.js';

export interface LoadWeightsOptions {
  /** Whether only weights are taken whose name and shape the file has; the others stay. Default false: all must be there. */
  byName?: boolean;
}

/** What `loadWeights` did. */
export interface LoadedWeights {
  /** Names of weights that were taken. */
  readonly loaded: readonly string[];
  /** Names of weights of the model that the file does not have. */
  readonly missing: readonly string[];
  /** Names of weights that the file has with another shape. */
  readonly differing: readonly string[];
}

export async function loadWeights(
  core: ModelCore,
  from: string | URL,
  options: LoadWeightsOptions | undefined,
): Promise<LoadedWeights> {
  const schema = { byName: optional(boolean, false) } satisfies SchemaOf<LoadWeightsOptions>;
  const { byName } = checkOptions('loadWeights', options, schema);
  const path = pathOf(from, 'loadWeights.path');
  core.checkFree('loadWeights');
  const { weights } = core.network;
  return readingFile(path, async (file) => {
    const header = await readHeader(file, path);
    const missing: string[] = [];
    const differing: string[] = [];
    const loaded: string[] = [];
    const values: (Float32Array | undefined)[] = [];
    for (const { name, shape } of weights) {
      const entry = header.tensors.get(name);
      const fits = entry && sameShape(entry.shape, shape);
      if (!entry) missing.push(name);
      else if (!fits) differing.push(`${name} ${formatShape(entry.shape)} instead of ${formatShape(shape)}`);
      else loaded.push(name);
      values.push(fits ? (await readTensor(file, path, entry, name)).data : undefined);
    }
    const wrong = [...missing.map((m) => `it lacks ${m}`), ...differing.map((d) => `it has ${d}`)];
    if (!byName && wrong.length > 0) throw new GradstepError('ERR_FILE', `${path} does not fit the model: ${wrong.join(', ')}`);
    await core.replaceWeights(values);
    return { loaded, missing, differing };
  });
}
