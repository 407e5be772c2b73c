// What happens to transactions, for the page in front: one stream for all who listen to the same, asked for only while
// such a page is open. Where streams are swallowed, listeners are told to read again every few seconds instead.
import { signal } from '@preact/signals';
import { query } from '../api.ts';
import { Coalescer } from '../live/coalesce.ts';
import { readStream } from '../live/stream.ts';
import { type TxnRow, WATCH } from './api.ts';

export interface TxnListener {
  changes: (rows: TxnRow[]) => void;
  /** Some of it was not told: read again. */
  reset: () => void;
}

/** How the page in front hears of transactions; `off` when none is. */
export const txnLine = signal<'off' | 'connecting' | 'stream' | 'poll'>('off');

/** A stream that ends sooner than this did not work, however politely it ended. */
const STREAM_MIN_MS = 2_000;
const POLL_MS = 3_000;
/** How often a poller tries the stream again. */
const STREAM_RETRY_MS = 60_000;
/** Of a busy server one may miss some all the time: lists are read again no more often than this. */
const RESET_SPACING_MS = 500;
/** Browsers allow six connections to a server: a tab nobody looks at gives this one back soon. */
const HIDDEN_MAX_MS = 5_000;

const streams = new Map<string, TxnStream>();

/** Listens to all transactions, or to the one that `id` names. Returns how to stop. */
export function watchTxns(id: string | null, listener: TxnListener): () => void {
  const path = `${WATCH}${query({ id })}`;
  const stream = streams.get(path) ?? new TxnStream(path, () => streams.delete(path));
  streams.set(path, stream);
  return stream.join(listener);
}

class TxnStream {
  readonly #path: string;
  readonly #ended: () => void;
  readonly #listeners = new Set<TxnListener>();
  readonly #over = new AbortController();
  #line = new AbortController();
  #wake: () => void = () => {};
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #resetting: ReturnType<typeof setTimeout> | undefined;
  #lastReset = 0;
  readonly #coalescer = new Coalescer<TxnRow>(
    { key: (row) => row.xid, join: (_, row) => row },
    (flush) => requestAnimationFrame(flush),
    (rows) => {
      for (const listener of this.#listeners) listener.changes(rows);
    },
    () => this.#reset(),
  );

  constructor(path: string, ended: () => void) {
    this.#path = path;
    this.#ended = ended;
    void this.#run();
  }

  join(listener: TxnListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      // Whoever leaves for another page of the same kind comes back at once.
      queueMicrotask(() => {
        if (this.#listeners.size > 0 || this.#over.signal.aborted) return;
        this.#over.abort();
        this.#line.abort();
        clearTimeout(this.#resetting);
        this.#wake();
        this.#ended();
      });
    };
  }

  #reset(): void {
    clearTimeout(this.#resetting);
    const wait = this.#lastReset + RESET_SPACING_MS - Date.now();
    if (wait > 0) {
      this.#resetting = setTimeout(() => this.#reset(), wait);
      return;
    }
    this.#lastReset = Date.now();
    for (const listener of this.#listeners) listener.reset();
  }

  async #run(): Promise<void> {
    document.addEventListener('visibilitychange', this.#seen);
    let quick = 0;
    while (!this.#over.signal.aborted) {
      if (document.hidden) await this.#pause(HIDDEN_MAX_MS);
      else if (quick >= 2) {
        await this.#poll();
        quick = 0;
      } else {
        const began = Date.now();
        await this.#follow();
        quick = Date.now() - began < STREAM_MIN_MS ? quick + 1 : 0;
        if (!this.#line.signal.aborted) await this.#pause(500 * (0.5 + Math.random()));
      }
    }
    document.removeEventListener('visibilitychange', this.#seen);
    if (streams.size === 0) txnLine.value = 'off';
  }

  async #follow(): Promise<void> {
    this.#line = new AbortController();
    txnLine.value = 'connecting';
    const open = () => {
      txnLine.value = 'stream';
    };
    try {
      // The first event is a reset: what happened before is not told.
      await readStream(this.#path, {}, this.#line.signal, {
        open,
        event: ({ event, data }) => {
          if (event === 'change') this.#coalescer.add(JSON.parse(data) as TxnRow);
          else if (event === 'reset') this.#reset();
        },
      });
    } catch {
      // What went wrong shows when the pages read; here it is only tried again.
    }
  }

  async #poll(): Promise<void> {
    txnLine.value = 'poll';
    const until = Date.now() + STREAM_RETRY_MS;
    while (Date.now() < until && !this.#over.signal.aborted && !document.hidden) {
      this.#reset();
      await this.#pause(POLL_MS);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  readonly #seen = (): void => {
    clearTimeout(this.#hiding);
    if (!document.hidden) return this.#wake();
    this.#hiding = setTimeout(() => this.#line.abort(), HIDDEN_MAX_MS);
  };
}
