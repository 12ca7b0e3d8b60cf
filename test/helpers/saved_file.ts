/** What a model's file says of itself beside its tensors. */
import { readFileSync, writeFileSync } from 'node:fs';

interface Header {
  __metadata__: { gradstep: string };
}

function parts(path: string): { header: Header; tensors: Buffer } {
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE(0));
  return { header: JSON.parse(file.subarray(8, end).toString('utf8')) as Header, tensors: file.subarray(end) };
}

/** What is saved, and the names of the tensors. */
export function savedIn<T>(path: string): { saved: T; tensors: string[] } {
  const { __metadata__: metadata, ...tensors } = parts(path).header;
  return { saved: JSON.parse(metadata.gradstep) as T, tensors: Object.keys(tensors) };
}

/** Changes what a file says; its tensors stay. */
export function rewrite<T>(path: string, change: (saved: T) => void): void {
  const { header, tensors } = parts(path);
  const saved = JSON.parse(header.__metadata__.gradstep) as T;
  change(saved);
  header.__metadata__.gradstep = JSON.stringify(saved);
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([prefix, json, tensors]));
}
