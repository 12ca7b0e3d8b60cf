/** Images as tensors of bytes. They are decoded by sharp, an optional package that is loaded when the first one is read. */
import { GradstepError, optionError } from '../errors.js';
import { boolean, checkOptions, oneOf, optional, pair, type Checked, type SchemaOf } from '../options.js';
import { fileError, pathOf, type FileSource } from './bytes.js';
import { Tensor } from './tensor.js';

export interface ImageOptions {
  /** Height and width of the result. Default: those of the image. */
  imageSize?: number | readonly [height: number, width: number];
  /** Channels: 3, 4 with transparency, or 1. Grey is luminance, as libvips computes it. Default `'rgb'`. */
  colorMode?: 'rgb' | 'rgba' | 'grayscale';
  /** How pixels between pixels are made; all but `nearest` average over what a smaller image leaves out. Default `'bilinear'`. */
  interpolation?: 'nearest' | 'bilinear' | 'bicubic' | 'lanczos3';
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
const KERNELS = { nearest: 'nearest', bilinear: 'linear', bicubic: 'cubic', lanczos3: 'lanczos3' } as const;

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

/** Decodes one image. */
export async function decode(source: string | Uint8Array, name: string, options: CheckedImage): Promise<Tensor<Uint8Array>> {
  const sharp = await loadSharp();
  const { imageSize, colorMode, interpolation, cropToAspectRatio, padToAspectRatio } = options;
  const channels = CHANNELS[colorMode];
  try {
    let image = sharp(source);
    if (imageSize) {
      const [height, width] = imageSize;
      const fit = cropToAspectRatio ? 'cover' : padToAspectRatio ? 'contain' : 'fill';
      image = image.resize({ height, width, fit, kernel: KERNELS[interpolation], background: { r: 0, g: 0, b: 0, alpha: 1 } });
    }
    image = colorMode === 'rgba' ? image.ensureAlpha() : image.removeAlpha();
    image = image.toColourspace(colorMode === 'grayscale' ? 'b-w' : 'srgb');
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels`);
    return new Tensor(new Uint8Array(data.buffer, data.byteOffset, data.length), [info.height, info.width, channels]);
  } catch (error) {
    throw fileError(name, `cannot be read as an image: ${(error as Error).message}`, error);
  }
}

/**
 * Decodes an image file (JPEG, PNG, WebP, GIF, TIFF, AVIF), or the bytes of one, as uint8 [height, width, channels]. Needs the
 * package sharp. ERR_LOAD where that is not there, ERR_FILE for what is no whole image.
 */
export async function decodeImage(source: FileSource, options?: ImageOptions): Promise<Tensor<Uint8Array>> {
  const where = 'data.decodeImage';
  const checked = checkOptions(where, options, imageSchema);
  checkImageOptions(checked, where);
  if (source instanceof Uint8Array) return decode(source, where, checked);
  const path = pathOf(source, `${where}.path`);
  return decode(path, path, checked);
}
