/**
 * What TensorBoard reads: records of protocol buffers. A record is its length, the length's checksum, the message and its checksum
 * (TFRecord; CRC-32C, masked). Of the messages (event.proto and summary.proto of TensorBoard) only the fields that are written stand here;
 * the encoding is that of https://protobuf.dev/programming-guides/encoding: a key of field number and wire type before each value.
 */

/** Remainders of CRC-32C (Castagnoli), reflected, for each byte. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** The CRC-32C of bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum as records carry it, so that the checksum of a record in a record is not its own. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** A message as a record. */
export function recordOf(message: Uint8Array): Uint8Array {
  const record = Buffer.alloc(message.length + 16);
  record.writeBigUInt64LE(BigInt(message.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(message, 12);
  record.writeUInt32LE(maskedCrc(message), 12 + message.length);
  return record;
}

/** A whole number >= 0, seven bits a byte, the lowest first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

type Field = readonly Buffer[];

const WIRE = { varint: 0, eightBytes: 1, bytes: 2, fourBytes: 5 } as const;
const key = (field: number, wire: keyof typeof WIRE): Buffer => varint(field * 8 + WIRE[wire]);

function integer(field: number, value: number): Field {
  return [key(field, 'varint'), varint(value)];
}

function double(field: number, value: number): Field {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [key(field, 'eightBytes'), bytes];
}

function float(field: number, value: number): Field {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return [key(field, 'fourBytes'), bytes];
}

function string(field: number, value: string): Field {
  const bytes = Buffer.from(value);
  return [key(field, 'bytes'), varint(bytes.length), bytes];
}

function doubles(field: number, values: readonly number[]): Field {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => bytes.writeDoubleLE(value, 8 * i));
  return [key(field, 'bytes'), varint(bytes.length), bytes];
}

function message(field: number, ...fields: Field[]): Field {
  const bytes = Buffer.concat(fields.flat());
  return [key(field, 'bytes'), varint(bytes.length), bytes];
}

/** How many of some numbers lie where: counts[i] from limits[i − 1] (min) to below limits[i]; the last has its limit too. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly num: number;
  readonly sum: number;
  readonly sumSquares: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** What an event says. */
export type EventContent =
  | { readonly fileVersion: string }
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly text: string }
  | { readonly tag: string; readonly histogram: Histogram };

/** Event { wall_time, step, file_version | summary { value { tag, simple_value | histo | metadata, tensor } } }. */
export function eventMessage(wallTime: number, step: number, content: EventContent): Uint8Array {
  const body =
    'fileVersion' in content
      ? string(3, content.fileVersion)
      : message(5, message(1, string(1, content.tag), ...valueFields(content)));
  return Buffer.concat([double(1, wallTime), integer(2, step), body].flat());
}

function valueFields(content: Exclude<EventContent, { fileVersion: string }>): Field[] {
  if ('scalar' in content) return [float(2, content.scalar)];
  if ('histogram' in content) {
    const { min, max, num, sum, sumSquares, limits, counts } = content.histogram;
    const sums = [double(1, min), double(2, max), double(3, num), double(4, sum), double(5, sumSquares)];
    return [message(5, ...sums, doubles(6, limits), doubles(7, counts))];
  }
  // metadata { plugin_data { plugin_name }, data_class: tensor }; tensor { dtype: string, shape: none, string_val }.
  const metadata = message(9, message(1, string(1, 'text')), integer(4, 2));
  return [metadata, message(8, integer(1, 7), message(2), string(8, content.text))];
}
