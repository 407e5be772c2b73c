// The line to the server: follows the registry's changes by stream, resumes where it was after a break, and falls
// back to long polling where something between here and the server swallows streams.
import { signal } from '@preact/signals';
import { ApiError, ask, type Change, type Changes, query, type Registry } from '../api.ts';
import { missed } from '../contact.ts';
import { Coalescer, REGISTRY } from './coalesce.ts';
import type { SseEvent } from './sse.ts';
import { readStream } from './stream.ts';

/** `stream` and `poll` are live; `lost` has the moment of the next attempt. */
export type LinkState =
  | { phase: 'connecting' | 'stream' | 'poll' | 'paused' }
  | { phase: 'lost'; retryAt: number; why: string };

export interface Listener {
  changes: (changes: Change[]) => void;
  /** What is on screen may have missed something: read it again. */
  reset: () => void;
}

/** A hidden tab keeps its line this long before it frees the connection. */
const HIDDEN_MAX_MS = 30_000;
/** A stream that ends sooner than this did not work, however politely it ended. */
const STREAM_MIN_MS = 2_000;
/** How often a poller tries the stream again. */
const STREAM_RETRY_MS = 60_000;
const POLL_WAIT_S = 25;
const BACKOFF_MAX_MS = 15_000;

export const link = signal<LinkState>({ phase: 'connecting' });
export const registry = signal<Registry | null>(null);

const listeners = new Set<Listener>();

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const reset = () => {
  for (const listener of listeners) listener.reset();
};

const coalescer = new Coalescer(
  REGISTRY,
  (flush) => requestAnimationFrame(flush),
  (changes) => {
    for (const listener of listeners) listener.changes(changes);
  },
  reset,
);

/** Version up to which everything was seen; null before the first contact. */
let position: string | null = null;
let streamFailures = 0;
let pollUntil = 0;
let attempt = new AbortController();
let wake: () => void = () => {};

/** The question by which contact is judged: it costs the server next to nothing, so silence means silence. */
export async function readRegistry(signal?: AbortSignal): Promise<Registry> {
  try {
    const answer = await ask<Registry>('/v1/registry', { signal, timeoutMs: 5_000 });
    registry.value = answer;
    return answer;
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) missed();
    throw error;
  }
}

/** Ends the wait before the next attempt. */
export const retryNow = () => wake();

/** Runs for the life of the page. */
export async function startLink(): Promise<never> {
  watchVisibility();
  let failures = 0;
  for (;;) {
    attempt = new AbortController();
    try {
      await shown();
      await follow(attempt.signal);
      failures = 0;
    } catch (error) {
      if (attempt.signal.aborted) continue;
      failures += 1;
      const delay = Math.min(BACKOFF_MAX_MS, 500 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 2);
      link.value = { phase: 'lost', retryAt: Date.now() + delay, why: error instanceof Error ? error.message : String(error) };
      await pause(delay);
    }
  }
}

async function follow(signal: AbortSignal): Promise<void> {
  const fresh = await readRegistry(signal);
  if (position === null) position = fresh.version;
  else if (link.value.phase === 'lost') reset();
  if (Date.now() < pollUntil) return poll(signal);
  const began = Date.now();
  try {
    await stream(signal);
    if (Date.now() - began < STREAM_MIN_MS) throw new Error('the change stream ended at once');
    streamFailures = 0;
  } catch (error) {
    if (signal.aborted) throw error;
    streamFailures += 1;
    if (streamFailures < 2) return;
    streamFailures = 0;
    pollUntil = Date.now() + STREAM_RETRY_MS;
  }
}

const stream = (signal: AbortSignal) =>
  readStream(`/v1/watch${query({ since: position })}`, { 'last-event-id': position ?? '' }, signal, {
    open: () => {
      link.value = { phase: 'stream' };
    },
    event: take,
  });

function take(event: SseEvent): void {
  if (event.event === 'change') {
    const change = JSON.parse(event.data) as Change;
    position = event.id ?? change.version;
    coalescer.add(change);
  } else if (event.event === 'reset') {
    position = (JSON.parse(event.data) as { version: string }).version;
    reset();
  }
}

async function poll(signal: AbortSignal): Promise<void> {
  while (Date.now() < pollUntil) {
    const path = `/v1/changes${query({ since: position, wait: `${POLL_WAIT_S}s`, limit: 500 })}`;
    link.value = { phase: 'poll' };
    const answer = await ask<Changes>(path, { signal, timeoutMs: (POLL_WAIT_S + 10) * 1000 });
    position = answer.version;
    if (answer.reset) reset();
    else answer.changes.forEach((change) => coalescer.add(change));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Browsers allow six connections to a server: a tab nobody looks at gives its one back. */
function watchVisibility(): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (!document.hidden) return wake();
    timer = setTimeout(() => {
      link.value = { phase: 'paused' };
      attempt.abort();
    }, HIDDEN_MAX_MS);
  });
  window.addEventListener('online', () => wake());
  window.addEventListener('offline', missed);
}

async function shown(): Promise<void> {
  if (link.value.phase !== 'paused') return;
  while (document.hidden) await pause(HIDDEN_MAX_MS);
  link.value = { phase: 'connecting' };
}
