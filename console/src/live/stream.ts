// Reads server-sent events until the server ends them. The browser's EventSource hides heartbeats and status codes, and
// both are needed to say honestly whether the line is alive.
import { heard } from '../contact.ts';
import { type SseEvent, SseParser } from './sse.ts';

/** The server sends a heartbeat each 15 s: two and a half of them missing is a dead line. */
const SILENCE_MAX_MS = 40_000;

export interface Ears {
  open: () => void;
  event: (event: SseEvent) => void;
}

/** Throws when the stream cannot be had or falls silent. */
export async function readStream(path: string, headers: Record<string, string>, signal: AbortSignal, ears: Ears): Promise<void> {
  const line = new AbortController();
  const abort = () => line.abort();
  signal.addEventListener('abort', abort);
  let watchdog = setTimeout(abort, SILENCE_MAX_MS);
  try {
    if (signal.aborted) abort();
    const response = await fetch(path, { headers: { accept: 'text/event-stream', ...headers }, signal: line.signal, cache: 'no-store' });
    if (!response.ok || !response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw new Error(`the change stream answered ${response.status}`);
    }
    ears.open();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, SILENCE_MAX_MS);
      heard();
      parser.push(value).forEach(ears.event);
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', abort);
    line.abort();
  }
}
