import type { Dataset } from '../dataset.ts';
import type { LeRobotOptions, Piece } from './options.ts';
import { leRobotPieces } from './write.ts';

/** A file as it is made: read its chunks before the next file is asked for. */
export interface StreamedFile {
  readonly path: string;
  readonly chunks: () => AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/**
 * Any dataset as the files of a LeRobot dataset, made while they are read; the whole is never in memory.
 * Leaving the loop early, or `options.signal`, ends it and gives encoders back.
 * @throws ModelError as `leRobotPieces`
 */
export function leRobotFiles(dataset: Dataset, options: LeRobotOptions): AsyncGenerator<StreamedFile> {
  return filesOf(leRobotPieces(dataset, options));
}

/** Pieces of one path in a row are a file. */
async function* filesOf(pieces: AsyncGenerator<Piece>): AsyncGenerator<StreamedFile> {
  try {
    let next = await pieces.next();
    while (!next.done) {
      const { path } = next.value;
      let read = false;
      const chunks = async function* () {
        read = true;
        while (!next.done && next.value.path === path) {
          yield next.value.bytes;
          next = await pieces.next();
        }
      };
      yield { path, chunks };
      if (!read) for await (const _ of chunks());
    }
  } finally {
    await pieces.return(undefined);
  }
}
