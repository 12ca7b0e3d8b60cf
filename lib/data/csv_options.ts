/** What `data.csv` takes, checked. */
import { optionError } from '../errors.js';
import { boolean, optional, type Check, type Checked, type SchemaOf } from '../options.js';
import { isRecord } from './structure.js';

/** What a column's fields are: numbers, integers, or words of a list, which stand for their places in it. */
export type CsvType = 'float32' | 'int32' | readonly string[];

/** Columns by their names, or by their numbers from 0. */
export type CsvColumn = string | number;

export interface CsvOptions {
  /** Columns of `x`, or of each of several inputs by name. Default: all that are no labels. */
  columns?: readonly CsvColumn[] | Readonly<Record<string, readonly CsvColumn[]>>;
  /** Column of `y`, which is a number a row, or columns, which make a vector. Default: there is no `y`. */
  label?: CsvColumn | readonly CsvColumn[];
  /** Whether the first row names the columns; or their names, where no row does. Default true. */
  header?: boolean | readonly string[];
  /** What separates fields. Default `,`. */
  delimiter?: string;
  /** Types of columns by name or number. Default: float32 all. */
  types?: Readonly<Record<CsvColumn, CsvType>>;
  /** What to do with rows in which a field is missing: fail, leave them out, or put a number in its place. Default `'error'`. */
  missing?: 'error' | 'skip' | number;
  /** Fields that count as missing. Default: empty, `NA`, `N/A`, `NaN`, `nan`, `null`, `?`. */
  missingValues?: readonly string[];
}

const words: Check<readonly string[]> = (value, name) => {
  if (!Array.isArray(value) || ![...(value as unknown[])].every((word) => typeof word === 'string'))
    throw optionError(name, 'array of strings', value);
  return [...(value as string[])];
};

/** The first that comes twice. */
export const repeated = (list: readonly string[]): string | undefined => list.find((word, i) => list.indexOf(word) !== i);

const distinctWords: Check<readonly string[]> = (value, name) => {
  const list = words(value, name);
  if (repeated(list) !== undefined) throw optionError(name, 'array of strings that differ', value);
  return list;
};

const column: Check<CsvColumn> = (value, name) => {
  const isNumber = typeof value === 'number' && Number.isInteger(value) && value >= 0;
  if (!isNumber && typeof value !== 'string') throw optionError(name, 'name or number of a column', value);
  return value;
};

const columnList: Check<readonly CsvColumn[]> = (value, name) => {
  if (!Array.isArray(value) || value.length === 0) throw optionError(name, 'array of names or numbers of columns', value);
  return [...(value as unknown[])].map((item, i) => column(item, `${name}[${i}]`));
};

const inputs: Check<readonly CsvColumn[] | Readonly<Record<string, readonly CsvColumn[]>>> = (value, name) => {
  if (!isRecord(value)) return columnList(value, name);
  if (Object.keys(value).length === 0) throw optionError(name, 'at least one input', value);
  return Object.fromEntries(Object.entries(value).map(([key, list]) => [key, columnList(list, `${name}.${key}`)]));
};

const label: Check<CsvColumn | readonly CsvColumn[]> = (value, name) =>
  Array.isArray(value) ? columnList(value, name) : column(value, name);

const header: Check<boolean | readonly string[]> = (value, name) =>
  Array.isArray(value) ? distinctWords(value, name) : boolean(value, name);

const delimiter: Check<string> = (value, name) => {
  if (typeof value !== 'string' || value.length === 0 || /["\r\n]/.test(value))
    throw optionError(name, 'what separates fields', value);
  return value;
};

const types: Check<Readonly<Record<string, CsvType>>> = (value, name) => {
  if (!isRecord(value)) throw optionError(name, 'record of types by column', value);
  return Object.fromEntries(
    Object.entries(value).map(([key, type]) => {
      if (type === 'float32' || type === 'int32') return [key, type];
      if (Array.isArray(type) && type.length > 0) return [key, distinctWords(type, `${name}.${key}`)];
      throw optionError(`${name}.${key}`, '"float32", "int32" or an array of categories', type);
    }),
  );
};

const missing: Check<'error' | 'skip' | number> = (value, name) => {
  if (value !== 'error' && value !== 'skip' && typeof value !== 'number')
    throw optionError(name, '"error", "skip" or a number', value);
  return value;
};

export const csvSchema = {
  columns: optional(inputs, undefined),
  label: optional(label, undefined),
  header: optional(header, true),
  delimiter: optional(delimiter, ','),
  types: optional(types, {} as Readonly<Record<string, CsvType>>),
  missing: optional(missing, 'error'),
  missingValues: optional(words, ['', 'NA', 'N/A', 'NaN', 'nan', 'null', '?']),
} satisfies SchemaOf<CsvOptions>;

/** The options, checked. */
export type CheckedCsv = Checked<typeof csvSchema>;
