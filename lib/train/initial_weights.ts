/** The first values of a weight: a function of the seed, its name, its shape and its initializer. */
import { setImmediate } from 'node:timers/promises';
import { allocate } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import { sizeOf } from '../graph/shape.js';
import type { WeightSpec } from '../layers/layer.js';
import { RandomStream, streamOf } from '../random.js';

/** Elements made between two looks at the event loop: a few milliseconds of work. */
const SLICE = 1 << 15;

/** ERR_DISPOSED as soon as nobody wants them any more. */
export async function initialWeight(
  weight: WeightSpec & { readonly name: string },
  seed: number,
  isWanted: () => boolean = () => true,
): Promise<Float32Array> {
  const { name, shape, initializer, matrix } = weight;
  const check = () => {
    if (!isWanted())
      throw new GradstepError('ERR_DISPOSED', `The model was disposed while the first values of ${name} were made`);
  };
  const pause = async () => {
    await setImmediate();
    check();
  };
  check();
  const values = allocate('float32', sizeOf(shape));
  const random = new RandomStream(seed, streamOf(name));
  const sample = initializer.sampler(matrix ?? shape);
  await sample.prepare?.(random, pause);
  for (let k = 0; k < values.length; k++) {
    values[k] = sample(random);
    if (k % SLICE === SLICE - 1) await pause();
  }
  return values;
}
