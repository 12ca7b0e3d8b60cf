/** Images as tensors of bytes. They are decoded by sharp, an optional package that is loaded when the first one is read. */
import { GradstepError, optionError } from '../errors.js';
import { boolean, checkOptions, oneOf, optional, pair, type Checked, type SchemaOf } from '../options.js';
import { fileError, pathOf, type FileSource } from './bytes.js';
import { resample, type AxisWindow, type Interpolation, type Pixels } from './resample.js';
import { allocate, Tensor } from './tensor.js';

export interface ImageOptions {
  /** Height and width of the result. Default: those of the image. */
  imageSize?: number | readonly [height: number, width: number];
  /** Channels: 3, 4 with transparency, or 1. Grey is luminance, as libvips computes it. Default `'rgb'`. */
  colorMode?: 'rgb' | 'rgba' | 'grayscale';
  /**
   * How pixels between pixels are made, with their centres at (i + 0.5) / size; all but `nearest` average over what a smaller image
   * leaves out. Default `'bilinear'`.
   */
  interpolation?: Interpolation;
  /** Whether proportions are kept, and what is too wide or too high is cut off on both sides. Default false. */
  cropToAspectRatio?: boolean;
  /** Whether proportions are kept, and what is missing is black. Default false. */
  padToAspectRatio?: boolean;
}

export const imageSchema = {
  imageSize: optional(pair, undefined),
  colorMode: optional(oneOf(['rgb', 'rgba', 'grayscale']), 'rgb' as const),
  interpolation: optional(oneOf(['nearest', 'bilinear', 'bicubic', 'lanczos3']), 'bilinear' as const),
  cropToAspectRatio: optional(boolean, false),
  padToAspectRatio: optional(boolean, false),
} satisfies SchemaOf<ImageOptions>;

export type CheckedImage = Checked<typeof imageSchema>;

const CHANNELS = { rgb: 3, rgba: 4, grayscale: 1 } as const;
const KERNELS = { bilinear: 'linear', bicubic: 'cubic', lanczos3: 'lanczos3' } as const;

async function loadSharp() {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    const message = `Images are decoded by the package sharp, which cannot be loaded (${why}): run npm install sharp`;
    throw new GradstepError('ERR_LOAD', message, { cause: error });
  }
}

/** Fails when images cannot be decoded here. */
export async function checkDecoder(): Promise<void> {
  await loadSharp();
}

/** What `checkOptions` cannot tell of single options. */
export function checkImageOptions({ cropToAspectRatio, padToAspectRatio }: CheckedImage, where: string): void {
  if (cropToAspectRatio && padToAspectRatio) {
    throw optionError(`${where}.padToAspectRatio`, 'false where cropToAspectRatio is true', padToAspectRatio);
  }
}

/** What an image becomes: as a whole in another size, of which a part is taken, or that lies within black. */
interface Placement {
  readonly rows: AxisWindow;
  readonly columns: AxisWindow;
}

/** An image of another size that keeps its proportions: the smallest that covers what is asked for, or the largest that fits in. */
function inProportion(height: number, width: number, scale: number, [rows, columns]: readonly [number, number]): Placement {
  const axis = (from: number, to: number): AxisWindow => {
    const size = Math.max(1, Math.round(from * scale));
    const count = Math.min(size, to);
    return { size, begin: Math.floor((size - count + 1) / 2), count };
  };
  return { rows: axis(height, rows), columns: axis(width, columns) };
}

/** Pixels in the middle of black. */
function onBlack({ data, height, width, channels }: Pixels, [rows, columns]: readonly [number, number]): Uint8Array {
  if (height === rows && width === columns) return data;
  const all = allocate('uint8', rows * columns * channels) as Uint8Array;
  if (channels === 4) for (let i = 3; i < all.length; i += 4) all[i] = 255;
  const [top, left] = [Math.floor((rows - height) / 2), Math.floor((columns - width) / 2)];
  for (let y = 0; y < height; y++) {
    all.set(data.subarray(y * width * channels, (y + 1) * width * channels), ((top + y) * columns + left) * channels);
  }
  return all;
}

/** Decodes one image. */
export async function decode(source: string | Uint8Array, name: string, options: CheckedImage): Promise<Tensor<Uint8Array>> {
  const sharp = await loadSharp();
  const { imageSize, colorMode, interpolation, cropToAspectRatio, padToAspectRatio } = options;
  const channels = CHANNELS[colorMode];
  const keepsProportions = cropToAspectRatio || padToAspectRatio;
  try {
    let image = sharp(source);
    // What sharp makes larger lies half a pixel off, so that it only makes images smaller.
    let scale = 0;
    if (imageSize && interpolation !== 'nearest') {
      const [height, width] = imageSize;
      if (keepsProportions) {
        const found = await image.metadata();
        const scales = [height / found.height, width / found.width];
        scale = cropToAspectRatio ? Math.max(...scales) : Math.min(...scales);
      }
      if (scale <= 1) {
        const fit = cropToAspectRatio ? 'cover' : padToAspectRatio ? 'contain' : 'fill';
        const background = { r: 0, g: 0, b: 0, alpha: 1 };
        const kernel = KERNELS[interpolation];
        image = image.resize({ height, width, fit, kernel, background, withoutEnlargement: !keepsProportions });
      }
    }
    image = colorMode === 'rgba' ? image.ensureAlpha() : image.removeAlpha();
    image = image.toColourspace(colorMode === 'grayscale' ? 'b-w' : 'srgb');
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels`);
    const { height, width } = info;
    const pixels = { data: new Uint8Array(data.buffer, data.byteOffset, data.length), height, width, channels };
    const [rows, columns] = imageSize ?? [height, width];
    if (height === rows && width === columns) return new Tensor(pixels.data, [rows, columns, channels]);
    return new Tensor(await enlarged(pixels, [rows, columns], options), [rows, columns, channels]);
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw fileError(name, `cannot be read as an image: ${(error as Error).message}`, error);
  }
}

/** Brings pixels to a size that is larger along an axis, or any size by the nearest ones. */
async function enlarged(pixels: Pixels, size: readonly [number, number], options: CheckedImage): Promise<Uint8Array> {
  const { interpolation, cropToAspectRatio, padToAspectRatio } = options;
  const { height, width } = pixels;
  const whole = (count: number): AxisWindow => ({ size: count, begin: 0, count });
  const scales = [size[0] / height, size[1] / width];
  const { rows, columns } = cropToAspectRatio
    ? inProportion(height, width, Math.max(...scales), size)
    : padToAspectRatio
      ? inProportion(height, width, Math.min(...scales), size)
      : { rows: whole(size[0]), columns: whole(size[1]) };
  const data = await resample(pixels, rows, columns, interpolation);
  return onBlack({ ...pixels, data, height: rows.count, width: columns.count }, size);
}

/**
 * Decodes an image file (JPEG, PNG, WebP, GIF, TIFF, AVIF), or the bytes of one, as uint8 [height, width, channels]. Needs the
 * package sharp. ERR_LOAD where that is not there, ERR_FILE for what is no whole image, ERR_OOM where there is no room for its pixels.
 */
export async function decodeImage(source: FileSource, options?: ImageOptions): Promise<Tensor<Uint8Array>> {
  const where = 'data.decodeImage';
  const checked = checkOptions(where, options, imageSchema);
  checkImageOptions(checked, where);
  if (source instanceof Uint8Array) return decode(source, where, checked);
  const path = pathOf(source, `${where}.path`);
  return decode(path, path, checked);
}
