const binaryUnits = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Bytes as a person reads them, in powers of 1000 as file managers show them: `5.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < binaryUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${binaryUnits[unit] ?? ''}`;
}

/** A count with a short suffix: `2.2 M`, `7.5 B`. */
export function formatCount(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} B`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} M`;
  if (count >= 1e3) return `${(count / 1e3).toFixed(1)} k`;
  return String(count);
}

/** So many of something: `1 frame`, `24 frames`. */
export function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** Milliseconds with a precision that suits their size: `0.42 ms`, `12.3 ms`, `1840 ms`. */
export function formatMs(ms: number): string {
  return `${ms.toFixed(ms < 1 ? 2 : ms < 100 ? 1 : 0)} ms`;
}

/** A rate per second; `–` before there is one. */
export function formatRate(perSecond: number | null): string {
  if (perSecond === null) return '–';
  return perSecond.toFixed(perSecond < 10 ? 2 : perSecond < 100 ? 1 : 0);
}

/** An action or state value. Four decimals: a tenth of a millimetre where the unit is metres. */
export function formatValue(value: number): string {
  return value.toFixed(4);
}

/** Seconds as a person says them: `4.2 s`, `75 s`, `9 min`, `1.5 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = seconds / 60;
  return minutes < 90 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(1)} h`;
}
