/** The examples, each for a short while: what they read fits what they build, the loss falls, and they beat their baselines. */
import { expect } from 'chai';
import { main as denoise } from '../examples/denoising_autoencoder.js';
import { main as diamonds } from '../examples/diamonds.js';
import { CANVAS, CLASSES, composeScenes } from '../examples/digit_scenes.js';
import { main as digits } from '../examples/digits_cnn.js';
import { main as gan } from '../examples/gan.js';
import { SIDE } from '../examples/mnist_data.js';
import { main as penguins } from '../examples/penguins.js';
import { Random } from '../examples/random.js';
import { main as segment } from '../examples/segmentation_unet.js';

/** What is the same in all runs; `lines` has what an example printed. */
function quietly(): { seed: number; device: string; print: (line: string) => void; lines: string[] } {
  const lines: string[] = [];
  return { seed: 1, device: 'cpu', print: (line) => void lines.push(line), lines };
}

describe('examples', () => {
  it('penguins: species are told far better than by naming the most frequent', async () => {
    const { lines, ...options } = quietly();
    const { history, accuracy, baseline } = await penguins({ ...options, epochs: 20 });
    expect(history.loss).to.have.length(20);
    expect(history.loss.at(-1)).to.be.below(0.5 * history.loss[0]!);
    // 146 of the 333 penguins without gaps are Adélies; 100 are held out in the same proportions.
    expect(baseline).to.equal(0.44);
    expect(accuracy).to.be.above(0.9);
    expect(lines.at(-2)).to.equal('Held out: 100 of 333 penguins.');
  });

  it('diamonds: prices are estimated better than by the median', async () => {
    const { lines, ...options } = quietly();
    const { history, error, baseline } = await diamonds({ ...options, epochs: 4, rows: 4000 });
    expect(history.loss.at(-1)).to.be.below(0.5 * history.loss[0]!);
    expect(baseline).to.be.within(2000, 3500);
    expect(error).to.be.below(0.5 * baseline);
    expect(lines.at(-2)).to.equal('Held out: 800 of 4000 diamonds.');
  });

  it('digits_cnn: a few turned and moved digits teach to read most', async () => {
    const { lines, ...options } = quietly();
    const { history, accuracy } = await digits({ ...options, epochs: 3, rows: 640 });
    expect(history.loss.at(-1)).to.be.below(0.7 * history.loss[0]!);
    expect(accuracy).to.be.above(0.6);
    expect(lines.filter((line) => line.startsWith('epoch'))).to.have.length(3);
  });

  it('denoising_autoencoder: pictures come closer to what they were before the noise', async () => {
    const { lines: _, ...options } = quietly();
    const { history, before, after } = await denoise({ ...options, epochs: 3, rows: 960 });
    expect(history.loss.at(-1)).to.be.below(0.5 * history.loss[0]!);
    // Normal noise of deviation 0.4, cut off at 0 over the paper that is most of a picture: about half of 0.16.
    expect(before).to.be.within(10, 12);
    expect(after).to.be.above(before + 1);
  });

  it('segmentation_unet: the loss falls, and what is predicted has the shape of what is labelled', async () => {
    const { lines: _, ...options } = quietly();
    const { history, shape, accuracy, meanIoU, dice } = await segment({ ...options, epochs: 6, rows: 96, filters: 4 });
    expect(history.loss.at(-1)).to.be.below(0.8 * history.loss[0]!);
    expect(shape).to.deep.equal([CANVAS, CANVAS, CLASSES]);
    for (const value of [accuracy, meanIoU, dice]) expect(value).to.be.within(0, 1);
    expect(meanIoU).to.be.at.most(dice);
  });

  it('scenes: every labelled pixel is inked, in the class of a digit that is there', () => {
    const pixels = new Uint8Array(2 * SIDE ** 2).fill(200);
    const { x, y } = composeScenes({ pixels, labels: Int32Array.of(3, 7), count: 2 }, 5, 1, new Random(1));
    expect(x.shape).to.deep.equal([5, CANVAS, CANVAS, 1]);
    expect(y.shape).to.deep.equal([5, CANVAS, CANVAS]);
    for (let scene = 0; scene < 5; scene++) {
      const labels = y.rows(scene, scene + 1).data;
      expect(labels.filter((label) => label !== 0)).to.have.length(SIDE ** 2);
      expect([4, 8]).to.include(Math.max(...labels));
    }
    x.data.forEach((ink, i) => expect(ink > 0).to.equal(y.data[i]! > 0));
  });

  it('gan: both losses stay finite and points go where the clusters are', async () => {
    const { lines: _, ...options } = quietly();
    const { critic, generator, hits, baseline } = await gan({ ...options, epochs: 4 });
    for (const loss of [...critic, ...generator]) expect(loss).to.be.within(0, 20);
    expect(hits).to.be.above(baseline);
  });
});
