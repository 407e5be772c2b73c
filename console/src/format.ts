// Numbers, times and links as people read them. Pure.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const grouped = new Intl.NumberFormat('en');

/** `12345` as `12,345`; a fraction keeps one digit, and none when it is zero. */
export function number(value: number): string {
  return grouped.format(Number.isInteger(value) ? value : Math.round(value * 10) / 10);
}

/** `1 instance`, `2,000 instances`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${number(n)} ${n === 1 ? one : many}`;
}

/** A length of time in its two largest units: `850 ms`, `12 s`, `3 min 5 s`, `2 h 4 min`, `5 d 3 h`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  const [unit, name, below, lesser] =
    ms < HOUR ? ([MINUTE, 'min', SECOND, 's'] as const) : ms < DAY ? ([HOUR, 'h', MINUTE, 'min'] as const) : ([DAY, 'd', HOUR, 'h'] as const);
  const rest = Math.floor((ms % unit) / below);
  return `${Math.floor(ms / unit)} ${name}${rest ? ` ${rest} ${lesser}` : ''}`;
}

/** How long ago, in one unit: `now`, `12 s ago`, `4 min ago`. */
export function ago(ms: number): string {
  if (ms < SECOND) return 'now';
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}

const two = (n: number) => String(n).padStart(2, '0');

/** Time of day here, `10:42:07`. */
export function clock(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** Date and time here, `2026-11-22 10:42:07`. */
export function moment(ms: number): string {
  const at = new Date(ms);
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(ms)}`;
}

/** How far the server's clock is ahead of ours. Its Date header has whole seconds, so less than two says nothing. */
export function skewFrom(date: string, nowMs: number): number {
  const skew = Date.parse(date) - nowMs;
  return Number.isNaN(skew) || Math.abs(skew) < 2 * SECOND ? 0 : skew;
}

/**
 * The link of an instance when it is one that may be followed. Instances name their own pages, so anything but
 * http and https (`javascript:` for one) is shown as text only.
 */
export function safeLink(url: string | null): string | null {
  if (!url) return null;
  try {
    const parsed = new URL(url);
    return parsed.protocol === 'http:' || parsed.protocol === 'https:' ? parsed.href : null;
  } catch {
    return null;
  }
}
