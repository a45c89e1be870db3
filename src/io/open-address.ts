import { ModelError } from '../base/errors.ts';
import { fileFolder } from './file-folder.ts';
import type { Folder } from './folder.ts';
import type { HttpOptions } from './http.ts';
import { httpFolder, parseAddress } from './http-folder.ts';
import { httpReader } from './http-reader.ts';
import { hubAddress, hubFolder } from './hub-folder.ts';
import { zipFolder } from './zip-folder.ts';

export interface AddressOptions extends HttpOptions {
  /** Which kind of repository `owner/name` means. */
  readonly hubType?: 'dataset' | 'model';
  /** Hub access token; it is kept in memory only, and sent to the Hub only. */
  readonly hubToken?: string;
  /** Where the Hub is; default https://huggingface.co. */
  readonly hubUrl?: string;
}

/**
 * What a person may type: a Hub repository (`owner/name`, or its page's address), the address of a zip or an HDF5 file, or that of a folder on
 * a web server.
 * @throws ModelError `bad-input` for anything else, `download-failed`, `bad-file`
 */
export async function openAddress(address: string, options: AddressOptions = {}): Promise<Folder> {
  const hub = hubAddress(address, options.hubType ?? 'dataset', options.hubUrl);
  if (hub) return hubFolder(hub, options);
  const url = parseAddress(address);
  const kind = /\.(zip|hdf5|h5)$/i.exec(url.pathname)?.[1]?.toLowerCase();
  if (kind === undefined) return httpFolder(url.href, options);
  const name = decodeURIComponent(url.pathname.split('/').at(-1)!);
  const file = await httpReader(url.href, name, options);
  if (file) return kind === 'zip' ? zipFolder(name, file) : fileFolder(file);
  throw new ModelError('download-failed', `${address} has no file there.`, 'Check the address.');
}
