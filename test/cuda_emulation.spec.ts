/**
 * The emulation itself: kernels with one mistake each (broken_kernels.cu and broken_meetings.cu in test/native/cuda_emulation), and uses of memory by
 * streams and the host (broken_uses.cu), under several thread orders. Every mistake must be noticed, none may end the process,
 * and what is sound must come out right in every order. Then kernels of which every access is looked at (racing_kernels.cu):
 * whatever nothing orders must be told in every order.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { pluginPath } from '../lib/runtime/native.js';

interface Outcome {
  error: string;
  values: (number | null)[];
}

const ORDERS = [0, 1, 2, 3, 4];
const rising = Array.from({ length: 64 }, (_, i) => i);
const falling = [...rising].reverse();

/** What the language says each lane must get: see `collectives` in broken_kernels.cu. */
const collectives = rising.map((i) => {
  const lane = i % 32;
  const up = Math.max(lane - 1, 0);
  const down = (lane % 16) + 2 < 16 ? lane + 2 : lane;
  const first = lane - (lane % 8) + 3;
  return up + 100 * down + 10000 * first + 0.5;
});

/** Rows [first, first + 8) of 1 + a·b, a [16, depth] and b [depth, 8]: see `of_a` and `of_b` in broken_kernels.cu. */
const product = (depth: number, first: number): number[] =>
  rising.map((i) => {
    const row = first + Math.floor(i / 8);
    const terms = Array.from({ length: depth }, (_, k) => (((row * 16 + k) % 29) - 14) * (((k * 8 + (i % 8)) % 23) - 11));
    return terms.reduce((sum, term) => sum + term, 1);
  });

/** What ldmatrix gives each lane of blocks 1 and 3 (PTX ISA): see `blocks_of_rows`. */
const blocks = (transposed: boolean): number[] =>
  rising.map((i) => {
    const block = i < 32 ? 1 : 3;
    const [line, pair] = [Math.floor((i % 32) / 4), 2 * (i % 4)];
    const at = (k: number): number => (transposed ? 8 * (8 * block + pair + k) + line : 8 * (8 * block + line) + pair + k);
    return at(0) + 1000 * at(1);
  });

/** Each half of 64 numbers in reverse, every second block of four zeros: see `copy_in_reverse`. */
const copied = rising.map((i) => {
  const from = (i < 32 ? 31 : 95) - i;
  return Math.floor(from / 4) % 2 === 0 ? from : 0;
});

/** In bfloat16 ties go to the even number, in TF32 away from zero: see `round_operands`. */
const roundings = [128, 130, -130, null, 1025, -1027, 1024, null];

/** What one of the emulation's programs prints under a thread order. */
function printed<T>(program: string, order: number): T {
  const { path, sought } = pluginPath('cuda-emulated');
  if (!path) throw new Error(`The emulation is not built (looked for ${sought.join(', ')}): run npm test`);
  const env = { ...process.env, GRADSTEP_EMULATION_SEED: String(order) };
  const { status, signal, stdout } = spawnSync(join(dirname(path), program), { env, encoding: 'utf8' });
  expect({ status, signal }, `${program}, thread order ${order}`).to.deep.equal({ status: 0, signal: null });
  return JSON.parse(stdout) as T;
}

describe('the CUDA emulation', () => {
  const outcomes = new Map<number, Record<string, Outcome>>();

  before(() => {
    for (const order of ORDERS) outcomes.set(order, printed<Record<string, Outcome>>('gradstep_broken_kernels', order));
  });

  const all = (name: string): Outcome[] => ORDERS.map((order) => outcomes.get(order)![name]!);

  describe('sound kernels come out right in every order', () => {
    const sound: Record<string, readonly (number | null)[]> = {
      reverse: falling,
      'reverse again': falling,
      sum: rising.map(() => 2016),
      'sum in dynamic shared memory': [2016, ...rising.slice(1)],
      'all of dynamic shared memory': [2016, ...rising.slice(1)],
      'variables beside dynamic shared memory': rising.map(() => 1),
      'as much shared memory as a T4 has': [2016, ...rising.slice(1)],
      'as much shared memory as an H100 has': [2016, ...rising.slice(1)],
      collectives,
      'product in bfloat16': product(16, 0),
      'product in bfloat16, lower rows': product(16, 8),
      'product in TF32': product(8, 0),
      'product in TF32, lower rows': product(8, 8),
      'small terms of products': [2 ** 25, 2 ** 24 + 16, -(2 ** 25), 2 ** 25, ...rising.slice(4)],
      'blocks of rows': blocks(false),
      'blocks of rows, transposed': blocks(true),
      'blocks of rows on a T4': blocks(false),
      rounding: [...roundings, ...rising.slice(8)],
      'copies beside the thread': copied,
      'copy that is read too early': [...copied.slice(0, 32), ...rising.slice(32).map(() => null)],
      'copy over what is read': [null, 1, 1, 1, ...rising.slice(4)],
      'pass around': [11, 12, 13, 10, ...rising.slice(4)],
      'swap in groups': [2, 1, 6, 5, ...rising.slice(4)],
      'dynamic shared memory of blocks at once': [0.5, 1.5, 2.5, 3.5, ...rising.slice(4)],
      'pass in clusters': [
        ...[2, 0, 1, 5, 3, 4].flatMap((block) => [100, 101, 102, 103].map((x) => x + 4 * block)),
        ...rising.slice(24),
      ],
      'a cluster that some have left': [1, 1, 1, 1, 1, 1, ...rising.slice(6)],
      replay: [0, 2, 4, 6], // two increments a replay, none while capturing
      'copies and reads in turns': [0.5, 1.5, 2.5],
      'copies of two streams in turns': rising.map(() => 2),
      'pinned memory reused in time': rising.map(() => 2),
      'pinned memory read in time': [null, 5], // not before the host has waited
      'host that waits for a copy': rising.map(() => 0),
    };
    for (const [name, values] of Object.entries(sound)) {
      it(name, () => {
        for (const outcome of all(name)) expect(outcome).to.deep.equal({ error: '', values });
      });
    }
  });

  describe('mistakes are told', () => {
    const launched = String.raw`ERR_DEVICE_FAILED .*cudaErrorLaunchFailure: the kernel launched at broken_kernels\.cu:\d+ `;
    const meeting = launched.replace('broken_kernels', 'broken_meetings');
    const block = String.raw`block \(\d+, 0, 0\)`;
    const thread = String.raw`thread \(\d+, 0, 0\)`;
    const mistakes: Record<string, string> = {
      'past dynamic shared memory': `${launched}reached past its 256 bytes of dynamic shared memory, in ${thread}`,
      'store after the end': `${launched}reached 0 bytes after a device allocation of 256 bytes, in ${thread}`,
      'store before the begin': `${launched}wrote 4 bytes before a device allocation of 256 bytes`,
      'read far away': String.raw`${launched}reached \d+ bytes after a device allocation of 256 bytes`,
      'null store': `${launched}reached address 0x4, which is nobody's`,
      'barrier for some': String.raw`${launched}stopped: divergent barrier: ${thread} waits at \S+, ${thread} has returned`,
      'barriers in branches': String.raw`${launched}stopped: divergent barrier: ${thread} waits at (\S+), ${thread} waits at (?!\1)`,
      'shuffle after return': String.raw`${launched}stopped: ${thread} waits at \S+ for lane 7, which has returned`,
      'sum in half a warp': String.raw`${launched}stopped: ${thread} waits at \S+ for lane 16, which the block does not have`,
      'shuffle from outside the mask': String.raw`${launched}warp collective at \S+ reads lane \d+, which is not in its mask`,
      'product in half a warp': String.raw`${launched}stopped: ${thread} waits at broken_kernels\.cu:\d+ for lane \d+, which has returned`,
      'product in bfloat16 on a T4': String.raw`${launched}multiplies bfloat16 at broken_kernels\.cu:\d+, which compute capability 7\.5 does not have`,
      'product in TF32 on a T4': `${launched}multiplies TF32 at`,
      'copies beside the thread on a T4': `${launched}copies to shared memory beside its work at`,
      'block at an odd place': String.raw`${launched}ldmatrix of a row that does not divide by 16 at broken_kernels\.cu:\d+`,
      'copy nobody waits for': String.raw`${launched}returned while copies of it were under way, in thread \(3, 0, 0\)`,
      'copy from an odd place': String.raw`${launched}a copy of 16 bytes whose addresses do not divide by them at broken_kernels\.cu:\d+`,
      'barrier in a plain kernel': String.raw`${launched}__syncthreads at \S+ in a kernel that was started by launch\(\)`,
      'load from an odd place': String.raw`${launched}used address 0x\w+4, which does not divide by 16 at vec\.h:\d+, in ${thread}`,
      'past an array in shared memory': String.raw`${launched}used index 64 of an array that does not have it at broken_kernels\.cu:\d+, in thread \(63, 0, 0\)`,
      overflow: String.raw`${launched}overflowed an integer in an addition at broken_kernels\.cu:\d+`,
      'divide by zero': `${launched}divided an integer by zero`,
      'time that has not come': 'ERR_DEVICE_FAILED cudaEventElapsedTime failed with cudaErrorNotReady',
      'too many threads': String.raw`ERR_DEVICE_FAILED launch_cooperating failed with cudaErrorInvalidConfiguration: .*broken_kernels\.cu:\d+`,
      'too much dynamic shared memory': 'ERR_DEVICE_FAILED launch_cooperating failed with cudaErrorInvalidValue',
      'variables beside all of dynamic shared memory': `${launched}needs 256 bytes of shared memory for its variables beside 48912 of dynamic shared memory: a block has 49152`,
      'more shared memory than a T4 has': 'ERR_DEVICE_FAILED cudaFuncSetAttribute failed with cudaErrorInvalidValue',
      'more shared memory than an RTX 4090 has': 'ERR_DEVICE_FAILED cudaFuncSetAttribute failed with cudaErrorInvalidValue',
      'grid barrier for some blocks': String.raw`${meeting}stopped: ${block} waits at group_barrier\.h:\d+ for a count of 4, which is 3`,
      'grid barrier for some threads': String.raw`${meeting}stopped: divergent barrier: ${thread} waits at \S+, ${thread} has returned`,
      'grid barrier in blocks apart': String.raw`${meeting}waits for a count at \S+ in a kernel whose blocks need not run at once`,
      'shared variable in blocks at once': `${meeting}used __shared__ variables`,
      'parts of warps at once': `${meeting}has blocks of 40 threads`,
      'too many blocks at once': 'ERR_DEVICE_FAILED launch_at_once failed with cudaErrorCooperativeLaunchTooLarge',
      'store before the cluster has begun': String.raw`${meeting}stored in the shared memory of block [0-2] of its cluster before it had waited for that block to begin at broken_meetings\.cu:\d+, in thread \(3, 0, 0\)`,
      'store in a block that may have ended': String.raw`${meeting}(stored in the shared memory of block [0-2] of its cluster, which has returned|returned before it had waited for what others of its cluster stored in its block's shared memory)`,
      "store past a block's shared memory": String.raw`${meeting}a store of 16 bytes in the shared memory of a cluster's block, 16 after the beginning of 16 at broken_meetings\.cu:\d+`,
      "store before a block's shared memory": String.raw`${meeting}a store of 16 bytes in the shared memory of a cluster's block, -16 after the beginning of 16 at broken_meetings\.cu:\d+`,
      'store at an odd place of a block': String.raw`${meeting}a store of 16 bytes in the shared memory of a cluster's block whose address does not divide by them at broken_meetings\.cu:\d+`,
      'store in a block that is not in the cluster': String.raw`${meeting}a store of 16 bytes in the shared memory of a cluster's block 3, which it does not have, at broken_meetings\.cu:\d+`,
      'cluster barrier for some threads': String.raw`${meeting}stopped: ${block} waits at broken_meetings\.cu:\d+ for its cluster, of which ${thread} of ${block} has not arrived, which waits at broken_meetings\.cu:\d+`,
      'cluster barrier in blocks apart': String.raw`${meeting}arrives at a cluster's barrier at broken_meetings\.cu:\d+ in a kernel that was not started by launch_clusters\(\)`,
      "arrive twice at a cluster's barrier": String.raw`${meeting}arrived at its cluster's barrier again before it had waited at broken_meetings\.cu:\d+`,
      "wait at a cluster's barrier without arriving": String.raw`${meeting}waited at its cluster's barrier before it had arrived at broken_meetings\.cu:\d+`,
      "arrive at a cluster's barrier and leave": `${meeting}returned between arriving at its cluster's barrier and waiting`,
      'too many blocks in a cluster': 'ERR_DEVICE_FAILED launch_clusters failed with cudaErrorInvalidClusterSize',
      'a cluster in part': 'ERR_DEVICE_FAILED launch_clusters failed with cudaErrorInvalidConfiguration',
      'a read that does not wait for the copy': `${launched.replace('broken_kernels', 'broken_uses')}used a device allocation of 4 bytes that another stream wrote, and nothing says which comes first, in ${thread}`,
      'a copy that does not wait for the read': String.raw`ERR_DEVICE_FAILED .*cudaErrorLaunchFailure: a copy to the device wrote a device allocation of 4 bytes that another stream read, and nothing says which comes first`,
      'copies of two streams at once': String.raw`ERR_DEVICE_FAILED .*cudaErrorLaunchFailure: a copy to the device used a device allocation of 256 bytes that another stream wrote, and nothing`,
      'host that does not wait for a copy': String.raw`ERR_DEVICE_FAILED .*cudaErrorLaunchFailure: the host used a device allocation of 256 bytes that another stream wrote, and nothing`,
      'pinned memory reused too early': String.raw`ERR_DEVICE_FAILED cudaStreamSynchronize failed with cudaErrorLaunchFailure: the host changed 256 bytes before it had waited for their copy`,
      'allocate while capturing': 'ERR_DEVICE_FAILED cudaStreamEndCapture failed with cudaErrorStreamCaptureInvalidated',
      'copy past the end': 'ERR_DEVICE_FAILED cudaMemcpyAsync failed with cudaErrorInvalidValue',
      'too much memory': String.raw`ERR_OOM Out of GPU memory: a test needs 1125899906842624 bytes, \d+ of \d+ are in use and \d+ are free`,
    };
    for (const [name, message] of Object.entries(mistakes)) {
      it(name, () => {
        for (const { error } of all(name)) expect(error).to.match(new RegExp(`^${message}`));
      });
    }
  });

  describe('what depends on the order differs between orders', () => {
    it('a missing barrier reads what nobody wrote yet', () => {
      for (const { error, values } of all('reverse without a barrier')) {
        expect(error).to.equal('');
        expect(values).to.include(null);
      }
      expect(new Set(all('reverse without a barrier').map(({ values }) => values.join())).size).to.equal(ORDERS.length);
    });

    it('lanes that rely on running in order do so only in the natural order', () => {
      const [natural, ...others] = all('scan in order');
      expect(natural!.values).to.deep.equal(rising);
      for (const { values } of others) expect(values).to.not.deep.equal(rising);
    });

    it('blocks at once that lack a barrier between them', () => {
      for (const { error, values } of all('pass around without a barrier')) {
        expect(error).to.equal('');
        expect(values.slice(0, 4)).to.not.deep.equal([11, 12, 13, 10]);
      }
    });

    it('blocks of a cluster that read what is stored in them before they meet', () => {
      const found = all('read before the cluster meets').map(({ error, values }) => [error, ...values.slice(0, 24)].join());
      for (const one of found) expect(one).to.match(/^,/);
      expect(new Set(found).size).to.be.greaterThan(2);
    });

    it('groups of blocks that read each other', () => {
      const found = all('a group reads the other one').map(({ error, values }) => [error, ...values.slice(0, 4)].join());
      expect(new Set(found).size).to.be.greaterThan(2);
    });

    it('blocks that write the same place', () => {
      const [natural, ...others] = all('last block wins').map(({ values }) => values[0]);
      expect(natural).to.equal(999);
      expect(new Set(others).size).to.be.greaterThan(1);
    });

    it('fresh device memory is NaN', () => {
      for (const { values } of all('fresh memory')) expect(values.slice(0, 5)).to.deep.equal([null, null, null, null, 4]);
    });
  });
});

describe('the CUDA emulation, where it looks at every access', () => {
  const said = new Map<number, Record<string, string>>();

  before(() => {
    for (const order of ORDERS) said.set(order, printed<Record<string, string>>('gradstep_racing_kernels', order));
  });

  const sound = [
    'reverse',
    'reverse twice',
    'neighbour',
    'lanes in turns',
    'blocks read one place',
    'own places',
    'own bytes',
    'own halves',
    'count atomically',
    'pass around',
    'read what the own group wrote',
    'pass in turns',
    'read what the own cluster wrote',
    'filled memory',
  ];
  for (const name of sound) {
    it(`is content: ${name}`, () => {
      for (const order of ORDERS) expect(said.get(order)![name]).to.equal('');
    });
  }

  const unordered = (memory: string): string =>
    String.raw`(wrote|read) ${memory} memory that thread \d+ of block \d+ (wrote|read), and nothing says which comes first \(code 0x\w+\)`;
  const unwritten = 'read shared memory that nobody wrote';
  const mistakes: Record<string, string> = {
    'reverse without a barrier': `(${unordered('shared')}|${unwritten})`,
    'reverse twice with one barrier': unordered('shared'),
    'neighbour after a vote': unordered('shared'),
    'another warp after a barrier of warps': `(${unordered('shared')}|${unwritten})`,
    'blocks write one place': unordered('device'),
    'threads write one place': unordered('device'),
    'next place': unordered('device'),
    'pass around without a barrier': unordered('device'),
    'write before others were waited for': unordered('device'),
    'read what another group wrote': unordered('device'),
    'pass in turns in one place': unordered('shared'),
    'pass in turns without a barrier': `(${unordered('shared')}|${unwritten})`,
    'write while the cluster meets': unordered('shared'),
    'read what another cluster wrote': unordered('device'),
    'half a tile': unwritten,
    'fresh memory': 'read device memory that nobody wrote',
  };
  for (const [name, message] of Object.entries(mistakes)) {
    it(`tells: ${name}`, () => {
      for (const order of ORDERS) {
        expect(said.get(order)![name]).to.match(new RegExp(`the kernel launched at racing_kernels.cu:\\d+ ${message}`));
      }
    });
  }

  it('has no other kernels', () => {
    expect(Object.keys(said.get(0)!).sort()).to.deep.equal([...sound, ...Object.keys(mistakes)].sort());
  });
});
