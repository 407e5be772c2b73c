// The changes page's one list: what the node remembers of arrivals and departures, and the status changes that came
// by while somebody watched. Pure.
import type { Change, Recent } from '../api.ts';

export interface Entry {
  kind: 'registered' | 'cancelled' | 'expired' | 'modified';
  at: number;
  service: string;
  id: string;
  /** Its status after a modification. */
  status: Change['status'] | null;
}

/** As many modifications as the node remembers arrivals. */
const MODIFIED_MAX = 1_000;

/** Newest first. Additions and removals are left to the node's own record, which knows when and why. */
export function noteModified(seen: Entry[], changes: Change[]): Entry[] {
  const fresh = changes
    .filter((change) => change.kind === 'modified' && change.instance)
    .map((change): Entry => ({ kind: 'modified', at: change.instance?.updated_ms ?? 0, service: change.service, id: change.id, status: change.status }));
  return fresh.length ? [...fresh.reverse(), ...seen].slice(0, MODIFIED_MAX) : seen;
}

export function joinRecent(recent: Recent, modified: Entry[]): Entry[] {
  const registered = recent.registered.map((one): Entry => ({ kind: 'registered', at: one.at_ms, service: one.service, id: one.id, status: null }));
  const removed = recent.removed.map((one): Entry => ({ kind: one.reason, at: one.at_ms, service: one.service, id: one.id, status: null }));
  return [...registered, ...removed, ...modified].sort((a, b) => b.at - a.at);
}

export type Wanted = 'all' | 'registered' | 'removed' | 'modified';

export function select(entries: Entry[], wanted: Wanted, text: string): Entry[] {
  const lower = text.toLowerCase();
  return entries.filter((entry) => {
    const group = entry.kind === 'cancelled' || entry.kind === 'expired' ? 'removed' : entry.kind;
    if (wanted !== 'all' && wanted !== group) return false;
    return !lower || entry.service.toLowerCase().includes(lower) || entry.id.toLowerCase().includes(lower);
  });
}
