/**
 * Which devices are here, and what a device's name means. Only `auto` ever falls back to the CPU: a device that was
 * asked for by name and cannot be used is an error that says why.
 */
import { GradstepError, optionError } from '../errors.js';
import { native, pluginPath } from './native.js';

/** A device, or a kind of device that cannot be used here. */
export interface DeviceInfo {
  /** What `compile({ device })` takes: `cpu`, `cuda:0`; `cuda` where no GPU can be used. */
  name: string;
  /** The processor's or the GPU's name. */
  description: string;
  /** Memory of the device in bytes; 0 where it is not available. */
  memoryBytes: number;
  /** CPU only: threads that the process may run at once, by its affinity and its control group's quota. */
  threads?: number;
  available: boolean;
  /**
   * What becomes of `precision: 'bfloat16'`: `native` where the device has units for such products (AMX, AVX-512 BF16, tensor cores);
   * `emulated` where operands are rounded all the same and multiplied as float32: the same results, and no faster.
   * Absent where the device is not available.
   */
  bfloat16?: 'native' | 'emulated';
  /** Why it is not available. */
  reason?: string;
}

/** A device's full name, and the library that serves it. */
export interface ResolvedDevice {
  name: string;
  plugin?: string;
}

/** Usable GPUs, or the reason why there are none. */
function cuda(): { plugin?: string; devices: Omit<DeviceInfo, 'available'>[]; why: string } {
  const { path, sought } = pluginPath('cuda');
  if (path === undefined) {
    return { devices: [], why: `gradstep's CUDA library is not part of this installation (sought: ${sought.join(', ')})` };
  }
  return { plugin: path, ...native().pluginDevices(path) };
}

/**
 * The devices of this machine: the CPU, every usable GPU, and, where there is none, an entry `cuda` whose `reason` says
 * what is missing. Rejects with ERR_LOAD when the native addon cannot be loaded.
 */
export async function devices(): Promise<DeviceInfo[]> {
  const found: DeviceInfo[] = [{ ...native().cpuDevice(), threads: native().threads, available: true }];
  const gpus = cuda();
  for (const gpu of gpus.devices) found.push({ ...gpu, available: true });
  if (gpus.devices.length === 0) {
    found.push({ name: 'cuda', description: 'NVIDIA GPU', memoryBytes: 0, available: false, reason: gpus.why });
  }
  return found;
}

/**
 * From `auto`, `cpu`, `cuda` (the first GPU), `cuda:N` or `cuda-emulated` (tests only) to a device. Throws ERR_OPTION for
 * another name and ERR_DEVICE_UNAVAILABLE, with the reason, when the device cannot be used.
 */
export function resolveDevice(device: string): ResolvedDevice {
  if (device === 'cpu') return { name: 'cpu' };
  if (device === 'cuda-emulated') {
    const { path, sought } = pluginPath('cuda-emulated');
    if (path === undefined) throw unavailable(device, `its library was not found (sought: ${sought.join(', ')})`);
    return { name: device, plugin: path };
  }
  if (device !== 'auto' && !/^cuda(:\d{1,3})?$/.test(device)) {
    throw optionError('device', `'auto', 'cpu', 'cuda' or 'cuda:N'`, device);
  }
  const { plugin, devices: gpus, why } = cuda();
  const name = device.startsWith('cuda:') ? device : 'cuda:0';
  if (plugin !== undefined && gpus.some((gpu) => gpu.name === name)) return { name, plugin };
  if (device === 'auto') return { name: 'cpu' };
  const usable = gpus.length > 0 ? `this machine has ${gpus.map((gpu) => gpu.name).join(', ')}` : '';
  throw unavailable(device, [usable, why].filter((text) => text).join('. '));
}

function unavailable(device: string, why: string): GradstepError {
  return new GradstepError('ERR_DEVICE_UNAVAILABLE', `The device '${device}' cannot be used: ${why}`);
}
