/** Where a package is written. Files are written in any order, so each is told its length when it is opened. */
export interface PackageTarget {
  /** Makes the file, or opens what is there of it. */
  open(path: string, byteLength: number): Promise<TargetFile>;
}

export interface TargetFile {
  write(bytes: Uint8Array<ArrayBuffer>, at: number): void | Promise<void>;
  /** What is written survives the end of this program. */
  flush(): void | Promise<void>;
  /** SHA-256 of the whole file, hex. */
  sha256(): Promise<string>;
  close(): void | Promise<void>;
}
