import { useEffect, useState } from 'react';

/** Said where things are kept, in a browser that keeps no files for this page. */
export function KeptNowhere() {
  const [nowhere, setNowhere] = useState(false);
  useEffect(() => void keepsFiles().then((keeps) => setNowhere(!keeps)), []);
  if (!nowhere) return null;
  return (
    <p className="section-hint" role="note">
      This browser keeps no files for this page, as in a private window or over http: what is loaded and
      taught here is gone when the page is closed.
    </p>
  );
}

/** As the worker finds out too (`browserShardStore`). */
async function keepsFiles(): Promise<boolean> {
  // Both are missing on pages that are not secure.
  if (!navigator.storage?.getDirectory || !navigator.locks) return false;
  try {
    await navigator.storage.getDirectory();
    return true;
  } catch (error) {
    return error instanceof DOMException && error.name === 'QuotaExceededError';
  }
}
