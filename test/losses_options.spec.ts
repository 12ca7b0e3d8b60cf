/** What the factories of losses refuse. */
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { losses } = gs;

describe('losses', () => {
  it('options out of range are refused when given', async () => {
    const { huber: huberLoss, binaryCrossentropy, categoricalCrossentropy, binaryFocalCrossentropy } = losses;
    const failures: [() => unknown, string | RegExp][] = [
      [() => huberLoss({ delta: 0 }), 'Expected finite number > 0 for losses.huber.delta but received 0 of type number'],
      [
        () => binaryCrossentropy({ labelSmoothing: 1.5 }),
        'Expected number from 0 to 1 for losses.binaryCrossentropy.labelSmoothing but received 1.5 of type number',
      ],
      [
        () => categoricalCrossentropy({ labelSmoothing: -0.1 }),
        'Expected number from 0 to 1 for losses.categoricalCrossentropy.labelSmoothing but received -0.1 of type number',
      ],
      [() => binaryFocalCrossentropy({ gamma: -1 }), /Expected finite number >= 0 for losses\.binaryFocalCrossentropy\.gamma/],
      [
        () => losses.categoricalFocalCrossentropy({ alpha: 2 }),
        /number from 0 to 1 for losses\.categoricalFocalCrossentropy\.alpha/,
      ],
      [() => losses.hinge(wrong({ margin: 2 })), /Unknown option "margin" for losses\.hinge/],
      [
        () => losses.binaryFocalCrossentropy(wrong({ labelSmooting: 0.1 })),
        'Unknown option "labelSmooting" for losses.binaryFocalCrossentropy: did you mean "labelSmoothing"?',
      ],
    ];
    for (const [call, message] of failures) await expectFailure(call, 'ERR_OPTION', message);
  });
});
