/** Which file of lib/ops declares which ops: what the generators list, in the order of the op codes. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Files of a folder that match, by stem, in alphabetical order. */
export function stems(folder: string, declares: RegExp): { stem: string; text: string }[] {
  return readdirSync(root + folder)
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => ({ stem: name.slice(0, -'.ts'.length), text: readFileSync(root + folder + name, 'utf8') }))
    .filter(({ text }) => declares.test(text));
}

/** The exported ops of a file that have a kernel, in the order of their declaration. */
function opsOf(text: string): string[] {
  const declarations = text.split(/^(?=export const \w+ = defineOp\()/m).slice(1);
  return declarations
    .filter((d) => !/^ {2}view: true/m.test(d.split(/^\}\);/m)[0]!))
    .map((d) => /^export const (\w+)/.exec(d)![1]!);
}

/** Files that declare ops, with the names they export them under. */
export function opFiles(): { stem: string; ops: string[] }[] {
  return stems('lib/ops/', /^export const \w+ = defineOp\(/m).map(({ stem, text }) => ({ stem, ops: opsOf(text) }));
}
