/**
 * A machine whose GPUs are emulated: the emulation takes the CUDA plugin's place, so that `cuda:0` and `cuda:1` are its
 * devices. What the machine is like: test/native/cuda_emulation/machine.h.
 */
import { pluginPath } from '../../lib/runtime/native.js';

interface Machine {
  /** How many GPUs it has. Default 1. */
  devices?: number;
  /** Their compute capabilities; the last one is that of all further GPUs. */
  capability?: string;
  /** The CUDA version that its driver supports, such as 12040; 0: it has none. */
  driver?: number;
  /** What is wrong with its cuBLAS. */
  cublas?: string;
  /** The algorithms that its cuBLAS has for products, `forward` and `backward`; the last one is the fastest. */
  products?: string;
  /** Bytes of memory of each GPU. */
  memory?: number;
}

/** Runs `body` on such a machine. */
export async function withGpus<T>(machine: Machine, body: () => Promise<T>): Promise<T> {
  const { path, sought } = pluginPath('cuda-emulated');
  if (!path) throw new Error(`The emulated CUDA plugin is not built (looked for ${sought.join(', ')}): run npm test`);
  const settings = Object.entries(machine).map(([name, value]) => [`GRADSTEP_EMULATION_${name.toUpperCase()}`, String(value)]);
  const variables = { ...(Object.fromEntries(settings) as Record<string, string>), GRADSTEP_CUDA_PLUGIN: path };
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await body();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
  }
}
