// When this node was last heard from, by any answer or byte, and what its clock says: the ground for every
// "4 s ago" on the page and for saying honestly that nothing has been heard.
import { signal } from '@preact/signals';
import { skewFrom } from './format.ts';

/** This browser's time of the last answer, 0 before the first. */
export const lastHeard = signal(0);
/** True from a failed attempt until the next answer. */
export const silent = signal(false);
/** This browser's time, once a second: what relative times are counted from. */
export const now = signal(Date.now());

let skewMs = 0;

/** Lets the relative times run, while anybody looks. */
export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) now.value = Date.now();
  }, 1000);
}

/** An answer came; `date` is its Date header. */
export function heard(date: string | null = null): void {
  lastHeard.value = Date.now();
  silent.value = false;
  if (date) skewMs = skewFrom(date, Date.now());
}

/** An attempt got no answer. */
export function missed(): void {
  silent.value = true;
}

/** What the server's clock says. */
export const serverNow = () => now.value + skewMs;

/** How long until a moment of the server's clock; never negative. */
export function until(serverMs: number): number {
  return Math.max(0, serverMs - serverNow());
}

/** How long ago a moment of the server's clock was; never negative. */
export function since(serverMs: number): number {
  return Math.max(0, serverNow() - serverMs);
}
