/**
 * English text for language models: the licences that Debian's base system keeps in /usr/share/common-licenses, or any file,
 * as lines of one paragraph each in a fixed alphabet, and a split of it. Stretches from all over the texts are held out; a
 * paragraph that stands in them almost word by word (licences borrow from each other) is no training text either.
 */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The end of a paragraph, and the printable characters of ASCII: a character's number is its place here. */
export const ALPHABET = `\n${Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')}`;

const FOLDER = '/usr/share/common-licenses';
/** Of ten sections one chooses the best epoch and one is tested with. */
const CYCLE = 10;
/** Characters in a row that a paragraph must share with held-out text to be known to it, and the part of it that may be. */
const SHARED = 32;
const SHARE = 0.25;

/** Numbers of characters. Held-out text is in stretches of one length, none of which goes on where another ends. */
export interface SplitText {
  train: Int32Array;
  validation: Int32Array[];
  test: Int32Array[];
}

/** The text of a file, or of every licence once (some names are links to others), one after another. */
export function readTexts(file?: string, folder = FOLDER): string[] {
  if (file !== undefined) return [readFileSync(file, 'utf8')];
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => lstatSync(join(folder, name)).isFile());
  } catch (error) {
    const hint = "Debian's base system has its licences there; elsewhere, name some English text by --text FILE";
    throw new Error(`Cannot read the folder ${folder}: ${hint}`, { cause: error });
  }
  return names.sort().map((name) => readFileSync(join(folder, name), 'latin1'));
}

/** Paragraphs, each in one line without its line breaks and indents. What the alphabet lacks becomes its likeness or `?`. */
export function paragraphs(text: string): string[] {
  const plain = text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/[\u201c\u201d]/g, '"')
    .replace(/[\u2013\u2014]/g, '-')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\s\x20-\x7e]/gu, '?');
  return plain
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '');
}

/** Characters to their numbers. */
export function encode(text: string): Int32Array {
  return Int32Array.from(text, (character) => ALPHABET.indexOf(character));
}

/** Numbers to their characters. */
export function decode(numbers: Iterable<number>): string {
  return Array.from(numbers, (n) => ALPHABET[n]!).join('');
}

/**
 * Cuts texts at paragraphs into sections of at least `length` characters; of every ten, in their order, the fifth goes to
 * validation and the tenth to the test, each with its first `length` characters, and the rest is for training.
 */
export function splitTexts(texts: readonly string[], length: number): SplitText {
  const all = texts.flatMap((text) => sections(paragraphs(text), length));
  const held = (place: number): string[] =>
    all.filter((section, i) => i % CYCLE === place && section.length >= length).map((section) => section.slice(0, length));
  const [validation, test] = [held(CYCLE / 2 - 1), held(CYCLE - 1)];
  const known = new Set<string>();
  for (const stretch of [...validation, ...test]) for (const piece of pieces(stretch)) known.add(piece);
  const train = all
    .filter((_, i) => i % CYCLE !== CYCLE / 2 - 1 && i % CYCLE !== CYCLE - 1)
    .flatMap((section) => section.trimEnd().split('\n'))
    .filter((paragraph) => {
      const parts = pieces(paragraph);
      return parts.filter((piece) => known.has(piece)).length <= SHARE * parts.length;
    });
  return { train: encode(`${train.join('\n')}\n`), validation: validation.map(encode), test: test.map(encode) };
}

/** Lines put together until they are long enough; each ends with a line break. A line that is very long is cut. */
function sections(lines: readonly string[], length: number): string[] {
  const found: string[] = [];
  let section = '';
  for (const line of lines.flatMap((long) => long.match(new RegExp(`.{1,${length}}( |$)|.{${length}}`, 'g'))!)) {
    section += `${line}\n`;
    if (section.length < length) continue;
    found.push(section);
    section = '';
  }
  return section === '' ? found : [...found, section];
}

/** All that stands in a row somewhere in a text, of so many characters. */
function pieces(text: string): string[] {
  return Array.from({ length: Math.max(0, text.length - SHARED + 1) }, (_, i) => text.slice(i, i + SHARED));
}
