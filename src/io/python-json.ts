/** JSON as Python's `json` module writes it: numbers may be NaN and ±Infinity, which JSON itself does not have. */
import { ModelError } from '../base/errors.ts';

/** A string, which is kept, or one of Python's words. */
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g;
/** Stands for a number until the text is parsed; no real text starts like this. */
const MARK = '\u0000number ';

/** @throws ModelError `bad-file` for a text that is not JSON */
export function parsePythonJson(text: string, file: string): unknown {
  const marked = text.replace(TOKEN, (token) =>
    token.startsWith('"') ? token : JSON.stringify(MARK + token),
  );
  try {
    return JSON.parse(marked, (_, value: unknown) =>
      typeof value === 'string' && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value,
    ) as unknown;
  } catch (error) {
    throw new ModelError('bad-file', `${file} is not valid JSON.`, 'Copy or download the file again.', {
      cause: error,
    });
  }
}
