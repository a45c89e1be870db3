/** Reads test data on either host: from disk in Node, from Vite's server in a browser. */

const inBrowser = typeof window !== 'undefined';

/** @param path below the repository root, such as `tests/golden/libero-l1/io.safetensors`. */
export async function loadFixture(path: string): Promise<ArrayBuffer> {
  if (inBrowser) {
    const response = await fetch(`/${path}`);
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
    return response.arrayBuffer();
  }
  const { readFile } = await import('node:fs/promises');
  const bytes = await readFile(path);
  return new Uint8Array(bytes).buffer;
}

/** The fixture parsed as JSON; the caller states its type. */
export async function loadJson<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await loadFixture(path))) as T;
}
