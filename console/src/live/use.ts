// Data of the page in front: read once, kept fresh by changes, by a slow timer while somebody looks, and by resets.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Change, Page } from '../api.ts';
import { listen } from './link.ts';
import type { Merged, Stale } from './merge.ts';

type Spacing = Record<Exclude<Stale, 'no'>, number>;
/** At least this long between two readings, however many changes come in. */
const SPACING_MS: Spacing = { hard: 400, soft: 1_000 };
/** Rows keep their mark of change this long. */
const TOUCHED_MS = 1_600;

export interface Live<T> {
  data: T | null;
  error: Error | null;
  /** The first reading for the present key is still under way; `data` may be of the key before. */
  loading: boolean;
  reload: () => void;
}

export interface Options<T, C> {
  /** Reads again this often, while the tab is visible. */
  everyMs?: number;
  /** Where changes come from; the registry's unless said. What it is may depend on the key alone. */
  listen?: (listener: { changes: (changes: C[]) => void; reset: () => void }) => () => void;
  /** Applies changes to what is on screen and says whether it must be read again. */
  merge?: (data: T, changes: C[]) => { data: T; stale: Stale };
  /** Another spacing of readings. */
  spacingMs?: Spacing;
}

/** Reads `load` for `key`, and again when it should. What an older key still answers is dropped. */
export function useLive<T, C = Change>(key: string, load: (signal: AbortSignal) => Promise<T>, options: Options<T, C> = {}): Live<T> {
  const [state, setState] = useState<{ key: string; data: T | null; error: Error | null }>({ key: '', data: null, error: null });
  const latest = useRef({ load, options, data: state.data });
  latest.current.load = load;
  latest.current.options = options;
  const reload = useRef(() => {});

  useEffect(() => {
    const reader = new Reader<T, C>(key, latest.current, (data, error) => {
      latest.current.data = data;
      setState({ key, data, error });
    });
    reload.current = () => reader.schedule(0);
    reader.schedule(0);
    const registry = listen as NonNullable<Options<T, C>['listen']>;
    const stop = (options.listen ?? registry)({ changes: (changes) => reader.apply(changes), reset: () => reader.schedule(0) });
    const timer = options.everyMs ? setInterval(() => document.hidden || reader.schedule(0), options.everyMs) : undefined;
    return () => {
      stop();
      clearInterval(timer);
      reader.close();
    };
  }, [key, options.everyMs]);

  return { data: state.data, error: state.key === key ? state.error : null, loading: state.key !== key, reload: () => reload.current() };
}

interface Source<T, C> {
  load: (signal: AbortSignal) => Promise<T>;
  options: Options<T, C>;
  data: T | null;
}

/** One key's readings: one at a time, spaced, with the changes that overtook a reading applied to its answer. */
class Reader<T, C> {
  #key: string;
  #source: Source<T, C>;
  #show: (data: T | null, error: Error | null) => void;
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due = Infinity;
  #last = 0;
  #busy = false;
  #again = Infinity;
  #own = false;
  #failed = false;
  #overtook: C[] = [];

  constructor(key: string, source: Source<T, C>, show: (data: T | null, error: Error | null) => void) {
    this.#key = key;
    this.#source = source;
    this.#show = show;
  }

  /** Reads after `spacing` since the last reading began, or sooner if that was arranged already. */
  schedule(spacing: number): void {
    if (this.#abort.signal.aborted) return;
    if (this.#busy) {
      this.#again = Math.min(this.#again, spacing);
      return;
    }
    const due = Math.max(Date.now(), this.#last + spacing);
    if (due >= this.#due) return;
    this.#due = due;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(), due - Date.now());
  }

  apply(changes: C[]): void {
    const spacing = this.#source.options.spacingMs ?? SPACING_MS;
    if (this.#busy && !this.#abort.signal.aborted) this.#overtook.push(...changes);
    // What could not be read may be there now: an instance that registers, for one.
    if (this.#failed) this.schedule(spacing.soft);
    // Data left over from another key must not be changed by this one's rules.
    if (!this.#own || this.#source.data === null || !this.#source.options.merge) return;
    const { data, stale } = this.#source.options.merge(this.#source.data, changes);
    if (data !== this.#source.data) this.#show(data, null);
    if (stale !== 'no') this.schedule(spacing[stale]);
  }

  async #read(): Promise<void> {
    this.#due = Infinity;
    this.#busy = true;
    this.#last = Date.now();
    try {
      const data = await this.#source.load(this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      this.#own = true;
      this.#failed = false;
      this.#show(data, null);
      if (this.#overtook.length) this.apply(this.#overtook.splice(0));
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failed = true;
      this.#show(this.#own ? this.#source.data : null, error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#busy = false;
      this.#overtook = [];
      const again = this.#again;
      this.#again = Infinity;
      if (again !== Infinity) this.schedule(again);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort(new DOMException(this.#key, 'AbortError'));
  }
}

export interface LiveList<T> extends Live<Page<T>> {
  /** Keys of rows that changed a moment ago. */
  touched: ReadonlySet<string>;
}

/** A page of a list, with a mark on the rows that change. */
export function useLiveList<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<Page<T>>,
  everyMs: number,
  merge: (page: Page<T>, changes: Change[]) => Merged<T>,
): LiveList<T> {
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const live = useLive(key, load, {
    everyMs,
    merge: (page, changes) => {
      const merged = merge(page, changes);
      if (merged.touched.length) {
        setTouched(new Set(merged.touched));
        clearTimeout(timer.current);
        timer.current = setTimeout(() => setTouched(new Set()), TOUCHED_MS);
      }
      return { data: merged.page, stale: merged.stale };
    },
  });
  return { ...live, touched };
}
