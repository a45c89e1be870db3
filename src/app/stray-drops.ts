/** A file that misses its place would be opened by the browser in place of the page, with all that is not saved: it is let fall instead. */
export function ignoreStrayDrops(on: Pick<Window, 'addEventListener'> = window): void {
  for (const type of ['dragover', 'drop'] as const) {
    on.addEventListener(type, (event) => {
      // Whoever takes it has said so already; a button that chooses files takes them by itself; into a text one may drop text.
      if (event.defaultPrevented || !event.dataTransfer?.types.includes('Files')) return;
      if ((event.target as Element | null)?.matches?.('input[type=file]')) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'none';
    });
  }
}
