/** adam, its AMSGrad form and AdamW's decay over several steps, early and late; a set flag stops it. */
import { adamOp } from '../../lib/ops/adam.js';
import { optimizerCase, RATE, usualCases, type Rule } from './optimizer_case.js';

const [beta1, beta2, epsilon, weightDecay] = [0.9, 0.999, 1e-7, 0.0625].map(Math.fround) as [number, number, number, number];

/** Decay first, then the move: as the papers write AdamW. */
const rule =
  (decay: number): Rule =>
  (w, g, s, t) => {
    s.m = beta1 * s.m! + (1 - beta1) * g;
    s.v = beta2 * s.v! + (1 - beta2) * g * g;
    if (s.vMax !== undefined) s.vMax = Math.max(s.vMax, s.v);
    const decayed = w - RATE * decay * w;
    const rate = (RATE * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
    return decayed - (rate * s.m) / (Math.sqrt(s.vMax ?? s.v) + epsilon);
  };

const attrs = { beta1, beta2, epsilon };
const slots = { m: [-1, 1], v: [0.1, 1] } as const;
const both = { m: [-1, 1], v: [0.1, 1], vMax: [0.1, 1] } as const;

export const cases = [
  ...usualCases(adamOp, attrs, slots, rule(0)),
  ...usualCases(adamOp, attrs, both, rule(0), 'amsgrad, '),
  ...usualCases(adamOp, { ...attrs, weightDecay }, slots, rule(weightDecay), 'weight decay, '),
  optimizerCase(
    'amsgrad and weight decay',
    adamOp,
    { size: 37, firstStep: 3, slots: both, attrs: { ...attrs, weightDecay } },
    rule(weightDecay),
  ),
];
