import { existsSync } from 'node:fs';
export function findChromium(): string | null {
  return existsSync('/usr/bin/chromium') ? '/usr/bin/chromium' : null;
}
