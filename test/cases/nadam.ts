/** nadam over several steps: the momentum schedule early, when it has run out, and with a slow decay; a set flag stops it. */
import { nadamOp } from '../../lib/ops/nadam.js';
import { optimizerCase, RATE, usualCases, type Rule } from './optimizer_case.js';

const [fast, slow, beta2, epsilon] = [0.9, 0.9999, 0.999, 1e-7].map(Math.fround) as [number, number, number, number];

const rule =
  (beta1: number): Rule =>
  (w, g, s, t) => {
    const mu = (i: number): number => beta1 * (1 - 0.5 * 0.96 ** i);
    let product = 1;
    for (let i = 1; i <= t; i++) product *= mu(i);
    s.m = beta1 * s.m! + (1 - beta1) * g;
    s.v = beta2 * s.v! + (1 - beta2) * g * g;
    const ahead = (mu(t + 1) * s.m) / (1 - product * mu(t + 1)) + ((1 - mu(t)) * g) / (1 - product);
    return w - (RATE * ahead) / (Math.sqrt(s.v / (1 - beta2 ** t)) + epsilon);
  };

const slots = { m: [-1, 1], v: [0.1, 1] } as const;
const attrs = { beta2, epsilon };

export const cases = [
  ...usualCases(nadamOp, { ...attrs, beta1: fast }, slots, rule(fast)),
  optimizerCase('a slow decay', nadamOp, { size: 37, firstStep: 20, slots, attrs: { ...attrs, beta1: slow } }, rule(slow)),
  optimizerCase(
    'a slow decay, later',
    nadamOp,
    { size: 37, firstStep: 3000, slots, attrs: { ...attrs, beta1: slow } },
    rule(slow),
  ),
];
