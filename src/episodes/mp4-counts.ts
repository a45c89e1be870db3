/**
 * Counts in an MP4's sample tables (ISO/IEC 14496-12), checked before mediabunny believes them: it makes a list of as many samples as they
 * say, and a damaged file of some kilobytes can say four billion.
 */
import type { ByteReader } from '../io/byte-reader.ts';
import { ModelError } from '../base/errors.ts';

/** The index of an hour of video at 50 Hz has about 3 MB. */
const MOST_INDEX_BYTES = 2 ** 27;
const MOST_TOP_BOXES = 10_000;
const CONTAINERS: ReadonlySet<string> = new Set(['trak', 'mdia', 'minf', 'stbl', 'edts']);
/** Tables that hold so many bytes for each entry after the count at byte 4 of the box. */
const ENTRY_BYTES: Readonly<Record<string, number>> = {
  stts: 8,
  ctts: 8,
  stsc: 12,
  stco: 4,
  co64: 8,
  stss: 4,
};

/**
 * Nothing for another kind of file.
 * @throws ModelError `bad-file` for a table that claims more samples than the file has bytes
 */
export async function checkMp4Counts(file: ByteReader): Promise<void> {
  const movie = await findMovie(file);
  if (!movie) return;
  const wrong = (what: string) =>
    new ModelError('bad-file', `${file.name}: ${what}.`, 'The video is damaged. Copy the dataset again.');
  if (movie.end - movie.start > MOST_INDEX_BYTES) {
    throw wrong(`its index claims ${movie.end - movie.start} bytes`);
  }
  const bytes = await file.slice(movie.start, movie.end);
  const problem = wrongCount(new DataView(bytes.buffer), 0, bytes.byteLength, file.byteLength, 0);
  if (problem !== null) throw wrong(problem);
}

/** The content of the `moov` box; null where there is none, or the boxes make no sense. */
async function findMovie(file: ByteReader): Promise<{ start: number; end: number } | null> {
  let at = 0;
  for (let i = 0; i < MOST_TOP_BOXES && at + 8 <= file.byteLength; i++) {
    const head = new DataView((await file.slice(at, Math.min(file.byteLength, at + 16))).buffer);
    const box = boxAt(head, 0, file.byteLength - at);
    if (!box) return null;
    if (i === 0 && box.type !== 'ftyp' && box.type !== 'styp') return null;
    if (box.type === 'moov')
      return { start: at + box.content, end: Math.min(file.byteLength, at + box.size) };
    at += box.size;
  }
  return null;
}

function boxAt(
  view: DataView,
  at: number,
  left: number,
): { type: string; size: number; content: number } | null {
  if (at + 8 > view.byteLength) return null;
  const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
  const short = view.getUint32(at);
  const long = short === 1 && at + 16 <= view.byteLength;
  const size = long ? Number(view.getBigUint64(at + 8)) : short === 0 ? left : short;
  const content = long ? 16 : 8;
  return size >= content ? { type, size, content } : null;
}

/** What is wrong with the tables in [start, end); null for nothing. */
function wrongCount(
  view: DataView,
  start: number,
  end: number,
  fileBytes: number,
  depth: number,
): string | null {
  let samples = 0;
  let perChunk = 0;
  for (let at = start; at < end;) {
    const box = boxAt(view, at, end - at);
    if (!box) return null;
    const [from, to] = [at + box.content, Math.min(end, at + box.size)];
    const problem =
      CONTAINERS.has(box.type) && depth < CONTAINERS.size
        ? wrongCount(view, from, to, fileBytes, depth + 1)
        : wrongTable(view, box.type, from, to, fileBytes);
    if (problem !== null) return problem;
    if (box.type === 'stsz' || box.type === 'stz2') samples = numberAt(view, from + 8, to);
    if (box.type === 'stsc') perChunk = mostPerChunk(view, from, to);
    at += box.size;
  }
  // mediabunny goes through the samples of a chunk for each of its packets.
  return perChunk > Math.max(1, samples)
    ? `its index claims ${perChunk} frames in a chunk where there are ${samples} in all`
    : null;
}

const numberAt = (view: DataView, at: number, end: number): number =>
  at + 4 <= end ? view.getUint32(at) : 0;

/** Of the entries of an `stsc`: first chunk, samples in each, description. */
function mostPerChunk(view: DataView, from: number, to: number): number {
  let most = 0;
  for (let i = 0; i < numberAt(view, from + 4, to); i++) {
    most = Math.max(most, numberAt(view, from + 12 + i * ENTRY_BYTES['stsc']!, to));
  }
  return most;
}

function wrongTable(
  view: DataView,
  type: string,
  from: number,
  to: number,
  fileBytes: number,
): string | null {
  const at = (offset: number) => numberAt(view, from + offset, to);
  if (type === 'stsz' || type === 'stz2') {
    const samples = at(8);
    return samples > fileBytes ? `its index claims ${samples} frames in ${fileBytes} bytes` : null;
  }
  const entryBytes = ENTRY_BYTES[type];
  if (entryBytes === undefined) return null;
  const entries = at(4);
  if (entries > (to - from - 8) / entryBytes) {
    return `a table of its index claims ${entries} entries in ${to - from} bytes`;
  }
  if (type !== 'stts' && type !== 'ctts') return null;
  let samples = 0;
  for (let i = 0; i < entries; i++) samples += at(8 + i * entryBytes);
  return samples > fileBytes ? `its index claims ${samples} frames in ${fileBytes} bytes` : null;
}
