/** Files the user hands over, each with its path inside what was dropped or chosen. */
export interface HandedFile {
  path: string;
  file: File;
}

/** What an <input type="file"> holds; with `webkitdirectory` the paths are those inside the folder. */
export function chosenFiles(list: FileList | null): HandedFile[] {
  return Array.from(list ?? [], (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/**
 * What was dropped, folders walked through. Has to be called in the drop event itself.
 * @throws where nothing of it is a file
 */
export async function droppedFiles(data: DataTransfer): Promise<HandedFile[]> {
  // Nothing of an item can be asked for once the event is over.
  const dropped = Array.from(data.items, (item) => ({
    entry: item.webkitGetAsEntry(),
    file: item.kind === 'file' ? item.getAsFile() : null,
  }));
  const files: HandedFile[] = [];
  for (const { entry, file } of dropped) {
    if (entry) await walk(entry, files);
    // A picture that is dragged out of another page is a file of no folder.
    else if (file) files.push({ path: file.name, file });
  }
  if (files.length === 0) throw new Error('it holds no file.');
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
