// Between a stream that may bring thousands of changes a second and a page that paints sixty times: keeps the
// latest change of each instance and hands them over together, once a frame. Pure but for the scheduler it is given.
import type { Change } from '../api.ts';

export const keyOf = (of: { service: string; id: string }) => `${of.service}/${of.id}`;

/** More pending instances than this (a sleeping tab) are not worth keeping: reading again is cheaper. */
const PENDING_MAX = 5_000;

export class Coalescer {
  #pending = new Map<string, Change>();
  #scheduled = false;
  #overflown = false;
  #schedule: (flush: () => void) => void;
  #deliver: (changes: Change[]) => void;
  #overflow: () => void;

  /** `overflow` is called instead of `deliver` when too much piled up: everything on screen must be read again. */
  constructor(schedule: (flush: () => void) => void, deliver: (changes: Change[]) => void, overflow: () => void) {
    this.#schedule = schedule;
    this.#deliver = deliver;
    this.#overflow = overflow;
  }

  add(change: Change): void {
    if (!this.#overflown) this.#keep(change);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#schedule(() => this.#flush());
  }

  #keep(change: Change): void {
    const key = keyOf(change);
    const before = this.#pending.get(key);
    // Whoever did not see the addition must still learn that it was one.
    const kind = before?.kind === 'added' && change.kind === 'modified' ? 'added' : change.kind;
    this.#pending.delete(key);
    this.#pending.set(key, { ...change, kind });
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
