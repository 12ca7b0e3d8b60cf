/** The callback `diagnostics`: what training shows about itself, at chosen steps. */
import { checkOptions, func, integer, optional, type SchemaOf } from '../../options.js';
import type { Callback } from '../callback.js';
import type { ModelMemory } from '../memory.js';
import { Judge, type Finding } from './findings.js';
import { diagnosisOf, type Diagnosis, type WatchedStep } from './report.js';

export interface DiagnosticsReport extends Diagnosis {
  /** What is sick; empty where nothing is. */
  readonly findings: readonly Finding[];
}

export interface DiagnosticsOptions {
  /** Steps between two diagnoses, integer > 0: steps 0, every, 2·every, … of the model's training. Default 100. */
  every?: number;
  /** Hears of every diagnosis; training goes on when its promise, if any, is settled. */
  onReport?: (report: DiagnosticsReport) => void | Promise<void>;
  /** Receives the message of each finding when it first appears. Default: the standard output, without onReport. */
  printFn?: (line: string) => void;
}

const schema = {
  every: optional(integer(1), 100),
  onReport: optional(func<NonNullable<DiagnosticsOptions['onReport']>>(), undefined),
  printFn: optional(func<(line: string) => void>(), undefined),
} satisfies SchemaOf<DiagnosticsOptions>;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** What `fit` recognises the callback by. */
export class Diagnostics implements Callback {
  readonly every: number;
  private readonly onReport: DiagnosticsOptions['onReport'];
  private readonly printFn: ((line: string) => void) | undefined;
  private judge = new Judge();
  private readonly printed = new Set<string>();

  constructor(options: DiagnosticsOptions | undefined) {
    const { every, onReport, printFn } = checkOptions('callbacks.diagnostics', options, schema);
    this.every = every;
    this.onReport = onReport;
    this.printFn = printFn ?? (onReport ? undefined : print);
  }

  onTrainBegin(): void {
    this.judge = new Judge();
    this.printed.clear();
  }

  /** A step that was watched. */
  async hear(watched: WatchedStep, memory: ModelMemory): Promise<void> {
    const diagnosis = diagnosisOf(watched, memory);
    const { culprit, step } = watched;
    const findings = culprit ? [notFinite(step, culprit)] : this.judge.judge(diagnosis);
    for (const { kind, layer, message } of findings) {
      const key = `${kind} ${layer}`;
      if (!this.printed.has(key)) this.printFn?.(`Step ${step}: ${message}`);
      this.printed.add(key);
    }
    await this.onReport?.({ ...diagnosis, findings });
  }
}

function notFinite(step: number, { layer, message }: NonNullable<WatchedStep['culprit']>): Finding {
  return { kind: 'notFinite', layer, message: `Not finite in step ${step}: ${message}` };
}

/**
 * Watches training: every so many steps, norms of gradients, weights and updates and the shares of dead and saturated units
 * of each layer are computed on the device beside the step, which trains as it does without. Findings say in words what is
 * seen (vanishing or exploding gradients, dead or saturated units, a learning rate that is too high or too low) and what
 * usually helps. Where a loss becomes NaN or infinite, the op that gave the first such result is found. With gradients
 * added up over several batches, activations are those of one of them. ERR_OPTION for wrong options.
 */
export function diagnostics(options?: DiagnosticsOptions): Callback {
  return new Diagnostics(options);
}
