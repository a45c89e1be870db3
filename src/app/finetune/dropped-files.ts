/** Files the user hands over, each with its path inside what was dropped or chosen. */
export interface HandedFile {
  path: string;
  file: File;
}

/** What an <input type="file"> holds; with `webkitdirectory` the paths are those inside the folder. */
export function chosenFiles(list: FileList | null): HandedFile[] {
  return Array.from(list ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** What was dropped, folders walked through. Has to be called in the drop event itself. */
export async function droppedFiles(data: DataTransfer): Promise<HandedFile[]> {
  const entries = Array.from(data.items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files: HandedFile[] = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry: FileSystemEntry, files: HandedFile[]): Promise<void> {
  const path = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    files.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Entries come in batches of at most a hundred.
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (batch.length === 0) return;
    for (const child of batch) await walk(child, files);
  }
}
