// Between a stream that may bring thousands of changes a second and a page that paints sixty times: keeps the
// latest change of each thing and hands them over together, once a frame. Pure but for the scheduler it is given.
import type { Change } from '../api.ts';

export const keyOf = (of: { service: string; id: string }) => `${of.service}/${of.id}`;

/** More pending things than this (a sleeping tab) are not worth keeping: reading again is cheaper. */
const PENDING_MAX = 5_000;

/** What changes, and what two changes of it in one frame come to. */
export interface Kind<T> {
  key: (change: T) => string;
  join: (before: T, change: T) => T;
}

/** Instances. Whoever did not see an addition must still learn that it was one. */
export const REGISTRY: Kind<Change> = {
  key: keyOf,
  join: (before, change) => (before.kind === 'added' && change.kind === 'modified' ? { ...change, kind: 'added' } : change),
};

export class Coalescer<T> {
  #pending = new Map<string, T>();
  #scheduled = false;
  #overflown = false;
  #kind: Kind<T>;
  #schedule: (flush: () => void) => void;
  #deliver: (changes: T[]) => void;
  #overflow: () => void;

  /** `overflow` is called instead of `deliver` when too much piled up: everything on screen must be read again. */
  constructor(kind: Kind<T>, schedule: (flush: () => void) => void, deliver: (changes: T[]) => void, overflow: () => void) {
    this.#kind = kind;
    this.#schedule = schedule;
    this.#deliver = deliver;
    this.#overflow = overflow;
  }

  add(change: T): void {
    if (!this.#overflown) this.#keep(change);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#flush());
  }

  #keep(change: T): void {
    const key = this.#kind.key(change);
    const before = this.#pending.get(key);
    this.#pending.delete(key);
    this.#pending.set(key, before === undefined ? change : this.#kind.join(before, change));
    if (this.#pending.size > PENDING_MAX) {
      this.#overflown = true;
      this.#pending.clear();
    }
  }

  #flush(): void {
    const changes = [...this.#pending.values()];
    const overflown = this.#overflown;
    this.#pending.clear();
    this.#scheduled = false;
    this.#overflown = false;
    if (overflown) this.#overflow();
    else this.#deliver(changes);
  }
}
