/**
 * Schedules against PyTorch's schedulers (golden/make_schedules.py) and against Keras's formulas in float64: computed in
 * JavaScript, and inside a step on every backend; saved forms; wrong options.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { advance } from '../lib/ops/gather.js';
import { stepCount } from '../lib/ops/step_count.js';
import { restoreSchedule, saveSchedule } from '../lib/schedules/registry.js';
import { STATE } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { compareCase } from './helpers/op_compare.js';
import { runCase } from './helpers/op_run.js';

const { schedules } = gs;

const torch = JSON.parse(readFileSync(new URL('golden/schedules.json', import.meta.url), 'utf8')) as Record<string, number[]>;

/** PyTorch's name in the fixtures, and the schedule that means the same. */
const GOLDEN: [string, gs.Schedule][] = [
  ['step', schedules.stepDecay({ initialLearningRate: 0.5, decaySteps: 7, factor: 0.3 })],
  ['exponential', schedules.exponentialDecay({ initialLearningRate: 0.5, decaySteps: 1, decayRate: 0.9 })],
  ['cosine', schedules.cosineDecay({ initialLearningRate: 0.5, decaySteps: 69, alpha: 0.1 })],
  ['restarts', schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 10, tMul: 1, alpha: 0.1 })],
  ['restarts_double', schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 5 })],
  ['restarts_triple', schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 4, tMul: 3, alpha: 0.2 })],
  ['polynomial', schedules.polynomialDecay({ initialLearningRate: 0.5, decaySteps: 40, endLearningRate: 0, power: 2.5 })],
  ['linear', schedules.warmup({ steps: 30, initialLearningRate: 0.1, after: schedules.constant({ learningRate: 0.5 }) })],
  // PyTorch changes the rate at a milestone, Keras after a boundary.
  ['piecewise', schedules.piecewiseConstantDecay({ boundaries: [10, 11, 39], values: [0.5, 0.05, 0.005, 0.0005] })],
  ['one_cycle', schedules.oneCycle({ maxLearningRate: 0.8, totalSteps: 60 })],
  [
    'one_cycle_linear',
    schedules.oneCycle({
      maxLearningRate: 0.8,
      totalSteps: 55,
      pctStart: 0.45,
      annealStrategy: 'linear',
      divFactor: 10,
      finalDivFactor: 100,
    }),
  ],
  [
    'one_cycle_three',
    schedules.oneCycle({
      maxLearningRate: 0.8,
      totalSteps: 64,
      pctStart: 0.25,
      threePhase: true,
      divFactor: 5,
      finalDivFactor: 7,
    }),
  ],
  ['one_cycle_down', schedules.oneCycle({ maxLearningRate: 0.8, totalSteps: 33, pctStart: 0 })],
];

const cosine = (part: number): number => 0.5 * (1 + Math.cos(Math.PI * part));

/** What PyTorch does not have: Keras's formulas. */
const FORMULAS: [string, gs.Schedule, (step: number) => number][] = [
  ['constant', schedules.constant({ learningRate: 0.3 }), () => 0.3],
  ['stepDecay by default', schedules.stepDecay({ initialLearningRate: 2, decaySteps: 20 }), (s) => 2 * 0.1 ** Math.floor(s / 20)],
  [
    'exponentialDecay over several steps',
    schedules.exponentialDecay({ initialLearningRate: 2, decaySteps: 12, decayRate: 0.6 }),
    (s) => 2 * 0.6 ** (s / 12),
  ],
  [
    'exponentialDecay in stairs',
    schedules.exponentialDecay({ initialLearningRate: 2, decaySteps: 12, decayRate: 0.6, staircase: true }),
    (s) => 2 * 0.6 ** Math.floor(s / 12),
  ],
  [
    'inverseTimeDecay',
    schedules.inverseTimeDecay({ initialLearningRate: 2, decaySteps: 12, decayRate: 0.6 }),
    (s) => 2 / (1 + (0.6 * s) / 12),
  ],
  [
    'inverseTimeDecay in stairs',
    schedules.inverseTimeDecay({ initialLearningRate: 2, decaySteps: 12, decayRate: 0.6, staircase: true }),
    (s) => 2 / (1 + 0.6 * Math.floor(s / 12)),
  ],
  [
    'polynomialDecay by default',
    schedules.polynomialDecay({ initialLearningRate: 0.5, decaySteps: 25 }),
    (s) => (0.5 - 0.0001) * (1 - Math.min(s, 25) / 25) + 0.0001,
  ],
  [
    'polynomialDecay in cycles',
    schedules.polynomialDecay({ initialLearningRate: 0.5, decaySteps: 9, endLearningRate: 0.1, power: 0.5, cycle: true }),
    (s) => {
      const n = 9 * (s === 0 ? 1 : Math.ceil(s / 9));
      return (0.5 - 0.1) * Math.sqrt(1 - s / n) + 0.1;
    },
  ],
  [
    'cosineDecay with a warm-up',
    schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 40, alpha: 0.05, warmupTarget: 0.7, warmupSteps: 15 }),
    (s) => (s < 15 ? 0.1 + (0.6 * s) / 15 : 0.7 * (0.95 * cosine(Math.min(s - 15, 40) / 40) + 0.05)),
  ],
  [
    'cosineDecay with a target and no steps to it',
    schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 40, warmupTarget: 0.7 }),
    (s) => 0.7 * cosine(Math.min(s, 40) / 40),
  ],
  [
    'cosineDecay with steps and no target',
    schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 40, warmupSteps: 15 }),
    (s) => 0.1 * cosine(Math.min(s, 40) / 40),
  ],
  [
    'cosineDecayRestarts, longer and lower',
    schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 8, tMul: 1.5, mMul: 0.8, alpha: 0.1 }),
    (s) => {
      let [begin, length, cycle] = [0, 8, 0];
      while (s >= begin + length) [begin, length, cycle] = [begin + length, length * 1.5, cycle + 1];
      return 0.5 * (0.9 * 0.8 ** cycle * cosine((s - begin) / length) + 0.1);
    },
  ],
  [
    'a warm-up before a decay',
    schedules.warmup({ steps: 10, after: schedules.inverseTimeDecay({ initialLearningRate: 0.4, decaySteps: 5, decayRate: 1 }) }),
    (s) => (s < 10 ? 0.04 * s : 0.4 / (1 + (s - 10) / 5)),
  ],
  [
    'many boundaries',
    schedules.piecewiseConstantDecay({
      boundaries: Array.from({ length: 30 }, (_, i) => 2 * i),
      values: Array.from({ length: 31 }, (_, i) => 1 / (i + 1)),
    }),
    (s) => 1 / (Math.min(30, Math.ceil(s / 2)) + 1),
  ],
];

const STEPS = Array.from({ length: 70 }, (_, i) => i);
const ALL: [string, gs.Schedule, (step: number) => number][] = [
  ...GOLDEN.map(([name, schedule]): [string, gs.Schedule, (step: number) => number] => [
    `PyTorch: ${name}`,
    schedule,
    (s) => torch[name]![s]!,
  ]),
  ...FORMULAS,
];

describe('schedules in JavaScript', () => {
  for (const [name, schedule, expected] of ALL) {
    it(name, () => {
      for (const step of STEPS) expect(schedule.at(step), `step ${step}`).to.be.closeTo(expected(step), 1e-12);
    });
  }

  it('go on to any number of updates', () => {
    const far = 16_777_216;
    expect(schedules.cosineDecay({ initialLearningRate: 1, decaySteps: 10, alpha: 0.25 }).at(far)).to.equal(0.25);
    expect(schedules.oneCycle({ maxLearningRate: 1, totalSteps: 10, divFactor: 2, finalDivFactor: 4 }).at(far)).to.equal(0.125);
    expect(schedules.cosineDecay({ initialLearningRate: 1, decaySteps: 2 * far }).at(far)).to.be.closeTo(0.5, 1e-12);
  });
});

for (const backend of backends()) {
  describe(`schedules on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const [name, schedule, expected] of ALL) {
      it(name, async () => {
        await compareCase(session, backend.kind, {
          name,
          inputs: { step: { shape: [STEPS.length], data: STEPS } },
          build: ({ step }) => ({ rate: schedule.rate(step!) }),
          reference: () => ({ rate: STEPS.map(expected) }),
          gradients: [],
        });
      });
    }

    it('keep their digits near the end of a long decay', async () => {
      const total = 10_000_000;
      const left = [1000, 100, 10, 1, 0];
      const steps = left.map((l) => total - l);
      const cosineDecay = schedules.cosineDecay({ initialLearningRate: 1, decaySteps: total });
      const test = {
        name: 'long decay',
        inputs: { step: { shape: [left.length], data: steps } },
        build: ({ step }: Record<string, gs.Value>) => ({ rate: cosineDecay.rate(step!) }),
        reference: () => ({}),
        gradients: [],
      };
      const { outputs } = await runCase(session, backend.kind, test, { step: steps }, { guardBytes: 64, fusion: true });
      left.forEach((l, i) => {
        const exact = Math.sin(((Math.PI / 2) * l) / total) ** 2;
        expect(outputs.rate![i]).to.be.closeTo(exact, 1e-6 * exact);
      });
    });

    it('follow the counter of the step', async () => {
      const schedule = schedules.cosineDecayRestarts({ initialLearningRate: 0.5, firstDecaySteps: 5 });
      for (const done of [1, 13, 14]) {
        await compareCase(session, backend.kind, {
          name: `${done} steps`,
          inputs: { state: STATE },
          build({ state }) {
            const rate = schedule.rate(stepCount(state!));
            expect(rate.shape).to.deep.equal([1]);
            advance(state!, 1, 0);
            return { rate };
          },
          reference: () => ({ rate: [torch.restarts_double![done - 1]!] }),
          gradients: [],
          steps: done,
        });
      }
    });
  });
}

describe('schedules', () => {
  it('are saved and restored with their options, and those within them', () => {
    const all = [...ALL.map(([, s]) => s), schedules.warmup({ steps: 3, after: ALL[7]![1], initialLearningRate: 0.25 })];
    for (const schedule of all) {
      const saved = saveSchedule(schedule, 'learningRate');
      const again = restoreSchedule(JSON.parse(JSON.stringify(saved)), 'learningRate');
      expect(again.name).to.equal(schedule.name);
      for (const step of STEPS) expect(again.at(step)).to.equal(schedule.at(step));
    }
    expect(saveSchedule(all.at(-1)!, 'learningRate')).to.deep.equal({
      name: 'warmup',
      config: {
        steps: 3,
        initialLearningRate: 0.25,
        after: {
          name: 'warmup',
          config: { steps: 30, initialLearningRate: 0.1, after: { name: 'constant', config: { learningRate: 0.5 } } },
        },
      },
    });
  });

  it('saved forms are checked as options are', async () => {
    const restore = (name: string, config: unknown) => () => restoreSchedule({ name, config }, 'compile.optimizer.learningRate');
    await expectFailure(restore('constant', { learningRate: 'x' }), 'ERR_OPTION', /schedules\.constant\.learningRate/);
    await expectFailure(
      restore('constnt', {}),
      'ERR_OPTION',
      'Unknown schedule "constnt" for compile.optimizer.learningRate: did you mean "constant"?',
    );
    await expectFailure(restore('toString', {}), 'ERR_OPTION', /^Unknown schedule "toString"/);
    await expectFailure(restore('constant', 5), 'ERR_OPTION', /^Expected an object of options for schedules\.constant/);
    const within = { steps: 1, after: { name: 'cosine', config: {} } };
    await expectFailure(restore('warmup', within), 'ERR_OPTION', /^Unknown schedule "cosine" for .*learningRate\.after/);
    const own: gs.Schedule = { name: 'own', config: {}, rate: (step) => step, at: (step) => step };
    await expectFailure(() => saveSchedule(own, 'learningRate'), 'ERR_OPTION', /^Unknown schedule "own" for learningRate/);
  });

  it('options out of range are refused', async () => {
    const s = schedules;
    const usual = { initialLearningRate: 1, decaySteps: 10, decayRate: 0.5 };
    const failures: [() => unknown, string | RegExp][] = [
      [
        () => s.constant({ learningRate: -1 }),
        'Expected number >= 0 for schedules.constant.learningRate but received -1 of type number',
      ],
      [() => s.constant(wrong(undefined)), /^Expected number >= 0 for schedules\.constant\.learningRate but received undefined/],
      [() => s.stepDecay({ initialLearningRate: 1, decaySteps: 0 }), /^Expected .* schedules\.stepDecay\.decaySteps/],
      [() => s.stepDecay({ initialLearningRate: NaN, decaySteps: 1 }), /schedules\.stepDecay\.initialLearningRate/],
      [() => s.stepDecay({ initialLearningRate: 1, decaySteps: 1, factor: -1 }), /schedules\.stepDecay\.factor/],
      [
        () => s.exponentialDecay({ ...usual, decayRate: -0.5 }),
        /^Expected number >= 0 for schedules\.exponentialDecay\.decayRate/,
      ],
      [() => s.exponentialDecay({ ...usual, decaySteps: 1.5 }), /schedules\.exponentialDecay\.decaySteps/],
      [
        () => s.exponentialDecay(wrong({ ...usual, staircase: 1 })),
        /^Expected boolean for schedules\.exponentialDecay\.staircase/,
      ],
      [() => s.inverseTimeDecay({ ...usual, initialLearningRate: -1 }), /schedules\.inverseTimeDecay\.initialLearningRate/],
      [() => s.inverseTimeDecay(wrong({ ...usual, power: 1 })), /^Unknown option "power" for schedules\.inverseTimeDecay/],
      [
        () => s.polynomialDecay({ initialLearningRate: 1, decaySteps: 1, power: 0 }),
        /^Expected number > 0 for schedules\.polynomialDecay\.power/,
      ],
      [
        () => s.polynomialDecay({ initialLearningRate: 1, decaySteps: 1, endLearningRate: -1 }),
        /schedules\.polynomialDecay\.endLearningRate/,
      ],
      [() => s.polynomialDecay(wrong({ initialLearningRate: 1, decaySteps: 1, cycle: 'yes' })), /polynomialDecay\.cycle/],
      [
        () => s.cosineDecay({ initialLearningRate: 1, decaySteps: 1, alpha: 2 }),
        /^Expected number in \[0, 1\] for schedules\.cosineDecay\.alpha/,
      ],
      [
        () => s.cosineDecay({ initialLearningRate: 1, decaySteps: 1, warmupTarget: 1, warmupSteps: -1 }),
        /^Expected integer from 0 to 2147483647 for schedules\.cosineDecay\.warmupSteps/,
      ],
      [() => s.cosineDecay({ initialLearningRate: 1, decaySteps: 1, warmupTarget: -1 }), /cosineDecay\.warmupTarget/],
      [
        () => s.cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 1, tMul: 0.5 }),
        /^Expected number >= 1 for schedules\.cosineDecayRestarts\.tMul/,
      ],
      [() => s.cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 1, mMul: -1 }), /cosineDecayRestarts\.mMul/],
      [() => s.cosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 0 }), /cosineDecayRestarts\.firstDecaySteps/],
      [
        () => s.piecewiseConstantDecay({ boundaries: [3, 3], values: [1, 2, 3] }),
        /^Expected array of integers >= 0, each larger than the one before for schedules\.piecewiseConstantDecay\.boundaries/,
      ],
      [() => s.piecewiseConstantDecay({ boundaries: [], values: [1] }), /piecewiseConstantDecay\.boundaries/],
      [() => s.piecewiseConstantDecay({ boundaries: [1], values: [1, -1] }), /piecewiseConstantDecay\.values/],
      [
        () => s.piecewiseConstantDecay({ boundaries: [1, 2], values: [1, 2] }),
        'Expected 3 numbers for schedules.piecewiseConstantDecay.values, one more than boundaries, but received 2',
      ],
      [
        () => s.oneCycle({ maxLearningRate: 1, totalSteps: 1 }),
        /^Expected integer from 2 to 2147483647 for .*oneCycle\.totalSteps/,
      ],
      [() => s.oneCycle({ maxLearningRate: 1, totalSteps: 9, pctStart: 2 }), /schedules\.oneCycle\.pctStart/],
      [() => s.oneCycle({ maxLearningRate: 1, totalSteps: 9, divFactor: 0 }), /schedules\.oneCycle\.divFactor/],
      [() => s.oneCycle({ maxLearningRate: 1, totalSteps: 9, finalDivFactor: -1 }), /schedules\.oneCycle\.finalDivFactor/],
      [() => s.oneCycle(wrong({ maxLearningRate: 1, totalSteps: 9, annealStrategy: 'cosine' })), /oneCycle\.annealStrategy/],
      [() => s.oneCycle(wrong({ maxLearningRate: 1, totalSteps: 9, threePhase: 3 })), /schedules\.oneCycle\.threePhase/],
      [() => s.warmup({ steps: 0, after: s.constant({ learningRate: 1 }) }), /schedules\.warmup\.steps/],
      [() => s.warmup(wrong({ steps: 1, after: 0.1 })), /^Expected schedule for schedules\.warmup\.after but received 0\.1/],
      [() => s.warmup(wrong({ steps: 1, after: s.constant({ learningRate: 1 }), initialLearningRate: -1 })), /warmup\.initial/],
      [() => s.constant({ learningRate: 1 }).at(-1), 'Expected a number of updates >= 0 but received -1'],
    ];
    for (const [call, message] of failures) await expectFailure(call, 'ERR_OPTION', message);
  });
});
