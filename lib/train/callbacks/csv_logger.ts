/** csvLogger: a line of a CSV file for each epoch. */
import { appendFile, open, writeFile } from 'node:fs/promises';
import { csvHeader } from '../../data/csv_header.js';
import { GradstepError, optionError } from '../../errors.js';
import { boolean, checkOptions, optional, type Check, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';
import { filePath } from './path_template.js';

export interface CsvLoggerOptions {
  /** Where the file is, in a folder that is there. */
  path: string;
  /** One character between columns, not a letter, a digit, a quote or a line's end. Default `,`. */
  separator?: string;
  /** Whether lines are added to a file that is there, in the columns that it has. Default false: it is replaced. */
  append?: boolean;
}

const WHERE = 'callbacks.csvLogger';

const separatorOption: Check<string> = (value, name) => {
  if (typeof value !== 'string' || !/^[^\w"'.\-\r\n]$/.test(value))
    throw optionError(name, 'one character that no number or name has', value);
  return value;
};

const schema = {
  path: filePath,
  separator: optional(separatorOption, ','),
  append: optional(boolean, false),
} satisfies SchemaOf<CsvLoggerOptions>;

async function writing<T>(path: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw new GradstepError('ERR_FILE', `${path} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** The columns of a file, and how its last line ends; undefined where the file is not there or empty. */
async function endsOf(path: string, separator: string): Promise<{ header: readonly string[]; isWhole: boolean } | undefined> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await file.stat();
    if (size === 0) return undefined;
    const first = await file.read(Buffer.alloc(Math.min(size, 1 << 16)), 0, undefined, 0);
    const last = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    const header = await csvHeader(first.buffer.toString('utf8', 0, first.bytesRead), separator);
    return { header, isWhole: last.buffer.toString('latin1') === '\n' };
  } finally {
    await file.close();
  }
}

/**
 * Writes the epoch's number and logs after each epoch. The columns are those of the first epoch, in alphabetical order, and of
 * validation where it comes later; what is missing in an epoch is `NA`; lists and matrices are JSON in quotes. ERR_FILE where
 * the file cannot be written.
 */
export function csvLogger(options: CsvLoggerOptions): Callback {
  const { path, separator, append } = checkOptions(WHERE, options, schema);
  let keys: readonly string[] | undefined;

  function cell(value: unknown): string {
    if (value === undefined) return 'NA';
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return text.includes(separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }
  const line = (cells: readonly unknown[]): string => `${cells.map(cell).join(separator)}\n`;

  /** The columns: as a file has them, else by the first logs. */
  function columns(logs: Logs, { validates }: TrainingContext): string[] {
    const found = Object.keys(logs).sort();
    const isLate = validates && !found.some((k) => k.startsWith('val_'));
    return isLate ? [...found, ...found.filter((k) => k !== 'learning_rate').map((k) => `val_${k}`)] : found;
  }

  return {
    onTrainBegin: () =>
      writing(path, async () => {
        keys = undefined;
        const ends = append ? await endsOf(path, separator) : undefined;
        if (!ends) return writeFile(path, '');
        const [epoch, ...rest] = ends.header;
        if (epoch !== 'epoch' || rest.length === 0)
          throw new GradstepError(
            'ERR_FILE',
            `${path} has no columns "epoch" and others, separated by ${JSON.stringify(separator)}`,
          );
        keys = rest;
        // A run that was killed may have left half a line.
        if (!ends.isWhole) await appendFile(path, '\n');
      }),
    onEpochEnd: (epoch: number, logs: Logs, context: TrainingContext) =>
      writing(path, async () => {
        const header = keys ? '' : line(['epoch', ...(keys = columns(logs, context))]);
        await appendFile(path, header + line([epoch, ...keys!.map((k) => (Object.hasOwn(logs, k) ? logs[k] : undefined))]));
      }),
  };
}
