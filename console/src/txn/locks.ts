// Rows that transactions hold, and who waits for whom, as the console reads them.
import { PAGE_ROWS, ask, query } from '../api.ts';
import type { State } from './api.ts';

export interface Lock {
  xid: string;
  name: string;
  status: State;
  number: number;
  branch: string;
  resource: string;
  table: string;
  key: string;
  since_ms: number;
}

export interface LockPage {
  /** In all, whatever was asked for. */
  held: number;
  locks: Lock[];
  next: string | null;
}

export interface Wait {
  waiter: string;
  waiter_name: string | null;
  holder: string;
  holder_name: string | null;
  resource: string;
  table: string;
  key: string;
  count: number;
  first_ms: number;
  last_ms: number;
  waiting: boolean;
}

export interface LockFilter {
  xid: string;
  table: string;
  key: string;
}

/** What somebody means who types this: an XID, `table:key`, or a part of a table's name. Pure. */
export function meant(text: string): LockFilter {
  if (/^.+:\d+:\d+$/.test(text)) return { xid: text, table: '', key: '' };
  const colon = text.indexOf(':');
  return colon < 0 ? { xid: '', table: text, key: '' } : { xid: '', table: text.slice(0, colon), key: text.slice(colon + 1) };
}

/** So many pieces are read for one page when few rows match; then the reader decides whether to look further. */
const PIECES_MAX = 6;

export async function locks(text: string, resource: string, from: string | null, signal?: AbortSignal): Promise<LockPage> {
  const page: LockPage = { held: 0, locks: [], next: from };
  for (let piece = 0; piece < PIECES_MAX; piece += 1) {
    const answer = await ask<LockPage>(`/v1/locks${query({ ...meant(text), resource, from: page.next, limit: PAGE_ROWS - page.locks.length })}`, { signal });
    page.held = answer.held;
    page.locks.push(...answer.locks);
    page.next = answer.next;
    if (page.next === null || page.locks.length >= PAGE_ROWS) break;
  }
  return page;
}

export const waits = (signal?: AbortSignal) => ask<{ waits: Wait[] }>('/v1/locks/waits', { signal });

/** Where the rows of a transaction are shown. */
export const locksHref = (xid: string) => `/ui/locks?q=${encodeURIComponent(xid).replaceAll('%3A', ':')}`;
