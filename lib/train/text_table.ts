/** Tables for the terminal: columns as wide as their widest cell, three spaces in between. */

export interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
}

/** The lines of a table: head, rule, rows, rule, and what comes `below`. */
export function textTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  below: readonly (readonly string[])[] = [],
): string[] {
  const heads = columns.map((c) => c.head);
  const widths = heads.map((head, i) => Math.max(head.length, ...[...rows, ...below].map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (columns[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('   ')
      .trimEnd();
  const rule = '─'.repeat(widths.reduce((n, w) => n + w + 3, -3));
  return [line(heads), rule, ...rows.map(line), rule, ...below.map(line)];
}
