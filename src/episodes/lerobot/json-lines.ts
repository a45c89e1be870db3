import { readText, type Folder } from '../../io/folder.ts';
import { ModelError } from '../../base/errors.ts';

/** @throws ModelError `bad-file` for a line that is not a JSON object */
export async function jsonLines(folder: Folder, path: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  for (const [i, line] of (await readText(folder, path)).split('\n').entries()) {
    if (line.trim() === '') continue;
    rows.push(objectOf(line, path, i + 1));
  }
  return rows;
}

function objectOf(line: string, path: string, number: number): Record<string, unknown> {
  let value: unknown = null;
  let cause: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    cause = error;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new ModelError(
    'bad-file',
    `${path}: line ${number} is not a JSON object.`,
    'Copy the dataset again.',
    {
      cause,
    },
  );
}
