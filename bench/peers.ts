/**
 * The libraries that the bench compares with: how to tell that one is installed, which variants of it are tried on a workload,
 * and how one is run. Each is a script in bench/peers/ that makes one measurement and prints a row. Python is
 * GRADSTEP_PEER_PYTHON, or python3.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runChild } from './child.js';
import type { Outcome } from './row.js';

export const PEERS = ['pytorch', 'jax', 'keras', 'tfjs'] as const;
export type Peer = (typeof PEERS)[number];

export interface Setting {
  workload: string;
  device: string;
  precision: 'float32' | 'bfloat16';
  seconds: number;
}

/** One way to run a peer: its options, and how the row says so. */
interface Variant {
  readonly mode: string;
  readonly variant: string;
  readonly args: readonly string[];
}

const CONVOLUTIONAL: readonly string[] = ['cnn_mnist', 'resnet20', 'resnet20_512', 'lrcn'];

const PYTHON = process.env.GRADSTEP_PEER_PYTHON ?? 'python3';
const pathOf = (path: string): string => fileURLToPath(new URL(`./peers/${path}`, import.meta.url));

/** Modules whose presence makes a peer available, and its script. */
const PYTHON_PEERS: Readonly<Record<Exclude<Peer, 'tfjs'>, { modules: readonly string[]; script: string }>> = {
  pytorch: { modules: ['torch', 'numpy'], script: 'pytorch.py' },
  jax: { modules: ['jax', 'optax'], script: 'jax_peer.py' },
  keras: { modules: ['keras', 'tensorflow'], script: 'keras_peer.py' },
};

export function isInstalled(peer: Peer): boolean {
  if (peer === 'tfjs') return existsSync(pathOf('tfjs/node_modules/@tensorflow/tfjs'));
  const search = 'import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))';
  return spawnSync(PYTHON, ['-c', search, ...PYTHON_PEERS[peer].modules]).status === 0;
}

/** Every combination of one variant of each list. */
function combine(...lists: readonly (readonly Variant[])[]): Variant[] {
  return lists.reduce<Variant[]>(
    (all, list) =>
      all.flatMap((a) =>
        list.map((b) => ({
          mode: a.mode || b.mode,
          variant: [a.variant, b.variant].filter((v) => v !== '').join(', '),
          args: [...a.args, ...b.args],
        })),
      ),
    [{ mode: '', variant: '', args: [] }],
  );
}

const mode = (name: string, ...args: string[]): Variant => ({ mode: name, variant: '', args });
const also = (name: string, ...args: string[]): Variant => ({ mode: '', variant: name, args });

/** All threads; and one, which wins only where a step is short, so not where it is full of convolutions. */
function threads({ workload, device }: Setting): Variant[] {
  if (device !== 'cpu') return [also('')];
  const all = availableParallelism();
  const counts = all > 1 && !CONVOLUTIONAL.includes(workload) ? [1, all] : [all];
  return counts.map((n) => also(`${n} thread${n > 1 ? 's' : ''}`, '--threads', String(n)));
}

export function variantsOf(peer: Peer, setting: Setting): Variant[] {
  const convolutional = CONVOLUTIONAL.includes(setting.workload);
  const layouts = convolutional ? [also('channels first'), also('channels last', '--channels-last')] : [also('')];
  switch (peer) {
    case 'pytorch':
      return [
        ...combine(
          [mode('eager'), mode('compile', '--compile')],
          threads(setting),
          // Two ways to run the update; where it is a small part of a step, one.
          [also('fused'), ...(setting.workload.startsWith('resnet20') ? [] : [also('foreach', '--foreach')])],
          layouts,
        ),
        // What an expert does on a GPU: the whole step in a graph, captured by hand.
        ...(setting.device === 'cpu'
          ? []
          : combine([mode('graph', '--graph'), mode('compile graph', '--compile', '--graph')], [also('fused')], layouts)),
      ];
    case 'jax':
      // XLA runs convolutions inside a loop many times slower on the CPU.
      return combine(
        [mode('jit'), ...(convolutional && setting.device === 'cpu' ? [] : [mode('jit of scanned steps', '--scan')])],
        threads(setting),
      );
    case 'keras':
      return combine([mode('tf.function'), mode('jit', '--jit')], threads(setting));
    case 'tfjs':
      if (setting.device !== 'cpu' || setting.precision !== 'float32') return [];
      return (['node', 'wasm', 'cpu'] as const).map((backend) => mode(backend, '--backend', backend));
  }
}

/** The peer's rows for one workload, each as it comes. */
export async function* runPeer(peer: Peer, setting: Setting): AsyncGenerator<Outcome> {
  const { workload, device, precision, seconds } = setting;
  const common = ['--workload', workload, '--seconds', String(seconds)];
  const kind = device.startsWith('cuda') ? 'cuda' : 'cpu';
  for (const { mode, variant, args } of variantsOf(peer, setting)) {
    const known = { workload, implementation: `${peer} ${mode}`, variant, device, precision };
    if (peer === 'tfjs')
      yield await runChild(process.execPath, [...process.execArgv, pathOf('tfjs/tfjs_peer.mjs'), ...common, ...args], known);
    else {
      const script = pathOf(PYTHON_PEERS[peer].script);
      yield await runChild(PYTHON, [script, ...common, '--device', kind, '--precision', precision, ...args], known);
    }
  }
}
