/** learningRateScheduler: a function of the user's own says the learning rate of each epoch. */
import { GradstepError } from '../../errors.js';
import { checkOptions, func, number, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';

export interface LearningRateSchedulerOptions {
  /** The rate, number >= 0, for an epoch (from 0); `learningRate` is the one before. May return a promise. */
  schedule: (epoch: number, learningRate: number) => number | Promise<number>;
}

const schema = {
  schedule: func<LearningRateSchedulerOptions['schedule']>(),
} satisfies SchemaOf<LearningRateSchedulerOptions>;

const WHERE = 'callbacks.learningRateScheduler';
const rate = number('number >= 0', (v) => v >= 0);

/** ERR_OPTION where the optimizer has a schedule of its own, which leaves no rate to set. */
export function refuseSchedule(where: string, { hasSchedule }: TrainingContext): void {
  if (!hasSchedule) return;
  throw new GradstepError(
    'ERR_OPTION',
    `${where} cannot set the learning rate, as the optimizer's is a schedule: give the optimizer a number, or leave the callback out`,
  );
}

/**
 * Sets the learning rate at the beginning of each epoch. Logs and history get `learning_rate`. An epoch that is resumed goes on
 * with the rate it had. For rates that change from step to step, give the optimizer one of `gs.schedules`.
 */
export function learningRateScheduler(options: LearningRateSchedulerOptions): Callback {
  const { schedule } = checkOptions(WHERE, options, schema);
  return {
    onTrainBegin: (context) => refuseSchedule(WHERE, context),
    async onEpochBegin(epoch: number, context: TrainingContext) {
      if (context.isResumed) return;
      const wanted = await schedule(epoch, await context.readLearningRate());
      await context.setLearningRate(rate(wanted, `the result of ${WHERE}.schedule`));
    },
    async onEpochEnd(_epoch: number, logs: Logs, context: TrainingContext) {
      logs.learning_rate = await context.readLearningRate();
    },
  };
}
