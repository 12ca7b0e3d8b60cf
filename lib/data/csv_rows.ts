/** Rows of a CSV file as tensors: which columns go where, and how their fields are read. */
import { describeValue, GradstepError, optionError } from '../errors.js';
import { unknownName } from '../options.js';
import { fileError } from './bytes.js';
import type { CheckedCsv, CsvColumn, CsvType } from './csv_options.js';
import type { Structure } from './structure.js';
import { allocate, Tensor } from './tensor.js';

/** Reads a field: a number, or undefined where it is missing. */
type FieldReader = (field: string, row: number) => number | undefined;

/** Columns that make one tensor. */
interface Group {
  readonly columns: readonly { readonly index: number; readonly read: FieldReader }[];
  readonly dtype: 'float32' | 'int32';
  /** Whether a row of it is a single number rather than a vector. */
  readonly isScalar: boolean;
}

/** Rows of a file turned into tensors, once it is known which columns there are. */
export class RowParser {
  private readonly x: Group | Readonly<Record<string, Group>>;
  private readonly y: Group | undefined;
  private row = 0;

  constructor(
    private readonly names: readonly string[] | undefined,
    private readonly count: number,
    private readonly options: CheckedCsv,
    private readonly file: string,
  ) {
    const { columns, label } = options;
    for (const key of Object.keys(options.types))
      this.indexOf(/^\d+$/.test(key) && !names?.includes(key) ? Number(key) : key, 'types');
    const labels = label === undefined ? [] : Array.isArray(label) ? (label as readonly CsvColumn[]) : [label as CsvColumn];
    if (labels.length > 0) this.y = this.group(labels, 'label', !Array.isArray(label));
    const taken = new Set(this.y?.columns.map(({ index }) => index));
    const rest = Array.from({ length: count }, (_, index) => index).filter((index) => !taken.has(index));
    if (columns === undefined && rest.length === 0) throw fileError(file, 'has no column that is not a label');
    if (columns === undefined || Array.isArray(columns))
      this.x = this.group((columns as readonly CsvColumn[] | undefined) ?? rest, 'columns', false);
    else {
      const entries = Object.entries(columns as Readonly<Record<string, readonly CsvColumn[]>>);
      this.x = Object.fromEntries(entries.map(([key, list]) => [key, this.group(list, `columns.${key}`, false)]));
    }
  }

  private indexOf(column: CsvColumn, option: string): number {
    const where = `data.csv.${option}`;
    if (typeof column === 'number') {
      if (column < this.count) return column;
      throw new GradstepError('ERR_OPTION', `Expected a column below ${this.count} for ${where} but received ${column}`);
    }
    const index = this.names?.indexOf(column) ?? -1;
    if (index < 0) throw unknownName('column', column, where, this.names ?? ['the numbers of columns: there is no header']);
    return index;
  }

  private group(columns: readonly CsvColumn[], option: string, isScalar: boolean): Group {
    const found = columns.map((column) => {
      const index = this.indexOf(column, option);
      const name = this.names?.[index];
      const type = this.typeOf(name ?? index) ?? this.typeOf(index) ?? 'float32';
      return { index, read: this.fieldReader(type, name ?? String(index)), isInteger: type !== 'float32' };
    });
    return { columns: found, dtype: found.every(({ isInteger }) => isInteger) ? 'int32' : 'float32', isScalar };
  }

  private typeOf(column: CsvColumn): CsvType | undefined {
    const { types } = this.options;
    return Object.hasOwn(types, column) ? types[column] : undefined;
  }

  private fieldReader(type: CsvType, name: string): FieldReader {
    const isMissing = new Set(this.options.missingValues);
    const fail = (field: string, row: number, expected: string) => {
      const place = `${this.file}, row ${row}, column ${JSON.stringify(name)}`;
      throw new GradstepError('ERR_DATA', `Expected ${expected} in ${place} but received ${describeValue(field)}`);
    };
    const standIn = (field: string, row: number): number | undefined => {
      const { missing } = this.options;
      if (missing === 'error') fail(field, row, 'a value');
      if (missing === 'skip') return undefined;
      const number = missing as number;
      const isHeld = type === 'float32' ? Number.isNaN(number) || Number.isFinite(Math.fround(number)) : (number | 0) === number;
      if (isHeld) return number;
      throw optionError(
        'data.csv.missing',
        `number that column ${JSON.stringify(name)} of ${type === 'float32' ? type : 'int32'} holds`,
        number,
      );
    };
    if (typeof type !== 'string') {
      const numbers = new Map(type.map((category, i) => [category, i]));
      return (field, row) => {
        const number = numbers.get(field);
        if (number !== undefined) return number;
        return isMissing.has(field) ? standIn(field, row) : fail(field, row, `one of ${type.join(', ')}`);
      };
    }
    return (field, row) => {
      if (isMissing.has(field)) return standIn(field, row);
      const value = Number(field);
      if (field === '' || Number.isNaN(value)) return fail(field, row, 'a number');
      if (type === 'int32' && (value | 0) !== value) return fail(field, row, 'a 32-bit integer');
      if (!Number.isFinite(Math.fround(value))) return fail(field, row, 'a number that float32 holds');
      return value;
    };
  }

  /** The rows as tensors; undefined where all are left out. */
  parse(records: readonly (readonly string[])[]): Structure | undefined {
    const groups = this.y ? { x: this.x, y: this.y } : { x: this.x };
    const list = [this.x, this.y].flatMap((part) => (part === undefined ? [] : isGroup(part) ? [part] : Object.values(part)));
    const arrays = new Map(list.map((group) => [group, allocate(group.dtype, group.columns.length * records.length)]));
    let kept = 0;
    for (const record of records) {
      this.row++;
      if (list.every((group) => this.parseRow(record, group, arrays.get(group)!, kept))) kept++;
    }
    if (kept === 0) return undefined;
    const tensorOf = (group: Group): Tensor => {
      const size = group.columns.length;
      return new Tensor(arrays.get(group)!.subarray(0, kept * size), group.isScalar ? [kept] : [kept, size]);
    };
    const built = (part: Group | Readonly<Record<string, Group>>): Structure =>
      isGroup(part) ? tensorOf(part) : Object.fromEntries(Object.entries(part).map(([key, group]) => [key, tensorOf(group)]));
    return Object.fromEntries(Object.entries(groups).map(([key, part]) => [key, built(part)]));
  }

  /** Writes one row; whether it is kept. */
  private parseRow(record: readonly string[], { columns }: Group, into: Tensor['data'], row: number): boolean {
    for (let i = 0; i < columns.length; i++) {
      const { index, read } = columns[i]!;
      const value = read(record[index]!, this.row);
      if (value === undefined) return false;
      into[row * columns.length + i] = value;
    }
    return true;
  }
}

function isGroup(part: Group | Readonly<Record<string, Group>>): part is Group {
  return Array.isArray(part.columns);
}
