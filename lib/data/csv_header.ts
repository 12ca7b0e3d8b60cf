/** The columns that a file of CSV (RFC 4180) has by its first record, of which only the file's beginning need be there. */

/** The fields of the first record; none where the text does not begin with one. */
export async function csvHeader(text: string, delimiter: string): Promise<readonly string[]> {
  const { CsvError, parse } = await import('csv-parse');
  try {
    for await (const record of parse(text, { delimiter, to: 1 }) as AsyncIterable<string[]>) return record;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
  }
  return [];
}
