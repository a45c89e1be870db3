/** SHA-256 in hex. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // Browsers hash for secure pages only, not for one on a LAN address over http.
  if (!globalThis.crypto?.subtle) return (await import('hash-wasm')).sha256(bytes);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
