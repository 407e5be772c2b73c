// A page of transactions that follows what happens, without moving under whoever reads it. Pure.
import { PAGE_ROWS } from '../api.ts';
import type { Stale } from '../live/merge.ts';
import { type TxnFilter, type TxnPage, type TxnRow, matches } from './api.ts';

export interface Held extends TxnPage {
  /** Ids of what has come since and would be above the first row. */
  fresh: ReadonlySet<string>;
}

export interface Scope {
  filter: TxnFilter;
  /** Nothing is newer than this page. */
  first: boolean;
  /** Somebody reads: rows may change, but none may come or go. */
  held: boolean;
}

/** As many newcomers are counted. */
const FRESH_MAX = 1_000;

const digits = (xid: string) => BigInt(xid.slice(xid.lastIndexOf(':') + 1));

/** Whether `a` was begun after `b`. */
export const newer = (a: string, b: string) => digits(a) > digits(b);

/** The id from below which on `xid` itself is listed. */
export const above = (xid: string) => `${xid.slice(0, xid.lastIndexOf(':') + 1)}${digits(xid) + 1n}`;

/** Whether what was told of a transaction is older than what is known: a reading may overtake a change. */
const outdated = (told: TxnRow, known: TxnRow) => !told.ended && (known.ended || (told.touched_ms ?? 0) < (known.touched_ms ?? 0));

export interface MergedTxns {
  page: Held;
  stale: Stale;
  touched: string[];
}

export function mergeTxns(page: Held, changes: TxnRow[], { filter, first, held: reading }: Scope): MergedTxns {
  // Of nothing, nothing can be moved.
  const held = reading && page.rows.length > 0;
  const rows = new Map(page.rows.map((row) => [row.xid, row]));
  const fresh = new Set(page.fresh);
  const touched: string[] = [];
  let stale: Stale = 'no';
  let left = false;
  for (const change of changes) {
    const known = rows.get(change.xid);
    const wanted = matches(change, filter);
    if (known) {
      if (outdated(change, known)) continue;
      if (change.status !== known.status || change.pending !== known.pending || change.attention !== known.attention) touched.push(change.xid);
      // A change does not say which calls fail.
      if (filter.attention) stale = 'hard';
      if (wanted || held) rows.set(change.xid, { ...change, ...(known.troubles && { troubles: known.troubles }) });
      else left = rows.delete(change.xid);
    } else if (wanted && first) {
      const last = page.rows.at(-1);
      const inside = page.next === null || !last || newer(change.xid, last.xid);
      if (held) {
        if (inside && fresh.size < FRESH_MAX) fresh.add(change.xid);
      } else if (filter.attention) {
        stale = 'hard';
      } else if (inside) {
        rows.set(change.xid, change);
        touched.push(change.xid);
      }
    } else fresh.delete(change.xid);
  }
  const listed = [...rows.values()].sort((a, b) => (newer(a.xid, b.xid) ? -1 : 1));
  let { next } = page;
  if (listed.length > PAGE_ROWS) {
    listed.length = PAGE_ROWS;
    next = listed.at(-1)?.xid ?? null;
  }
  if (left && next !== null && listed.length < PAGE_ROWS && stale === 'no') stale = 'soft';
  return { page: { rows: listed, next, fresh }, stale, touched };
}

/** The same rows as before with what a new reading says about them; what else it brought is counted as new. */
export function hold(before: Held, read: TxnPage): Held {
  const told = new Map(read.rows.map((row) => [row.xid, row]));
  const known = new Set(before.rows.map((row) => row.xid));
  const last = before.rows.at(-1);
  const come = read.rows.filter((row) => !known.has(row.xid) && (!last || newer(row.xid, last.xid)));
  const fresh = new Set([...before.fresh, ...come.map((row) => row.xid)]);
  return { rows: before.rows.map((row) => told.get(row.xid) ?? row), next: before.next, fresh };
}
