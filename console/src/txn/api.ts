// Global transactions in the native API, as the console reads them.
import { PAGE_ROWS, ask, query } from '../api.ts';

export const STATES = ['active', 'committing', 'rolling_back', 'given_up', 'committed', 'rolled_back', 'stopped'] as const;
export type State = (typeof STATES)[number];
export const MODES = ['saga', 'tcc', 'xa', 'message', 'notification', 'workflow', 'mixed'] as const;
export type Mode = (typeof MODES)[number];
export type Way = 'forward' | 'backward';

/** A call that waits for its next attempt. */
export interface Trouble {
  branch: number | null;
  way: Way | null;
  failures: number;
  last_error: string;
  next_attempt_ms: number;
}

/** What lists and the one transaction have in common; the mode and the times of one whose details are gone are null. */
export interface Stand {
  xid: string;
  gid: string | null;
  mode: Mode | null;
  name: string;
  status: State;
  ended: boolean;
  reason: string;
  begun_ms: number | null;
  touched_ms: number | null;
}

export interface TxnRow extends Stand {
  branches: number;
  /** Branches that have still to be called in the present direction. */
  pending: number;
  attention: boolean;
  /** Only where attention is asked for. */
  troubles?: Trouble[];
}

export interface Content {
  bytes: number;
  json?: unknown;
  text?: string;
  base64?: string;
}

export interface Leg {
  url: string | null;
  protocol: string | null;
  step: 'pending' | 'done' | 'refused' | 'skipped';
  counted_failures: number;
  failures: number;
  last_error: string | null;
  next_attempt_ms: number | null;
  calling_since_ms: number | null;
  at_ms: number | null;
}

export interface Branch {
  number: number;
  id: string;
  label: string;
  payload: Content | null;
  after: string[];
  joined_ms: number;
  forward: Leg;
  backward: Leg;
}

export interface Attempt {
  branch: string | null;
  /** Null for the initiator. */
  number: number | null;
  way: Way | null;
  at_ms: number;
  took_ms: number;
  result: 'done' | 'refused' | 'ongoing' | 'failed';
  error: string | null;
}

export interface Details {
  timeout_ms: number;
  call_timeout_ms: number;
  retry_interval_ms: number;
  retry_limit: number;
  delay_ms: number;
  concurrent: boolean;
  forward_only: boolean;
  schedule_ms: number[];
  headers: Record<string, string>;
  back_check: Leg | null;
  payload: Content | null;
  branches: Branch[];
  attempts: Attempt[];
}

export interface Txn extends Stand {
  result: Content | null;
  decided_ms: number | null;
  /** Gone some time after the end. */
  details?: Details;
}

export interface ModeCounts extends Record<State, number> {
  mode: Mode;
}

export interface Summary {
  open: number;
  attention: number;
  modes: ModeCounts[];
}

export interface Topic {
  name: string;
  subscribers: { url: string; remark: string }[];
  version: number;
  created_ms: number;
  changed_ms: number;
}

const LIST = '/v1/transactions';
const at = encodeURIComponent;

export const txnPath = (id: string) => `${LIST}/${at(id)}`;
export const WATCH = `${LIST}/watch`;

/** What a list of transactions is narrowed to. */
export interface TxnFilter {
  /** The beginning of a gid, or the whole of a gid or an XID. */
  q: string;
  /** A state, `open` or `ended`. */
  status: string;
  mode: string;
  /** What people call it; the topic of messages and notifications. */
  name: string;
  attention: boolean;
}

export interface TxnPage {
  rows: TxnRow[];
  /** Where the next page begins: begun before this one. */
  next: string | null;
}

interface Answer {
  transactions: TxnRow[];
  next: string | null;
}

/** So many pieces are read for one page when few transactions match; then the reader decides whether to look further. */
const PIECES_MAX = 6;

/** A page of a list, from below `before` on; `before` is exclusive. */
export async function transactions(filter: TxnFilter, before: string | null, signal?: AbortSignal): Promise<TxnPage> {
  const parts = { status: filter.status, mode: filter.mode, name: filter.name, gid_prefix: filter.q, needs: filter.attention ? 'attention' : '' };
  const rows: TxnRow[] = before ? [] : await named(filter, signal);
  let next = before;
  for (let piece = 0; piece < PIECES_MAX; piece += 1) {
    const answer = await ask<Answer>(`${LIST}${query({ ...parts, before: next, limit: PAGE_ROWS - rows.length })}`, { signal });
    rows.push(...answer.transactions.filter((row) => !rows.some((known) => known.xid === row.xid)));
    next = answer.next;
    if (next === null || rows.length >= PAGE_ROWS) break;
  }
  return { rows, next };
}

/** What is known under exactly this id, an XID for one: a prefix of a gid does not find that. */
async function named(filter: TxnFilter, signal?: AbortSignal): Promise<TxnRow[]> {
  if (!filter.q.includes(':')) return [];
  try {
    const found = await ask<Txn>(txnPath(filter.q), { signal });
    const legs = found.details?.branches.map((branch) => (found.status === 'rolling_back' ? branch.backward : branch.forward)) ?? [];
    const pending = found.ended || found.status === 'active' ? 0 : legs.filter((leg) => leg.step === 'pending').length;
    const row = { ...found, branches: legs.length, pending, attention: found.status === 'given_up' || refused(found) };
    return matches(row, { ...filter, q: '' }) ? [row] : [];
  } catch {
    return [];
  }
}

/** Whether a participant has refused for good what was decided: nothing happens any more until somebody has it tried again. */
export function refused(txn: Txn): boolean {
  const way = txn.status === 'committing' ? 'forward' : txn.status === 'rolling_back' ? 'backward' : null;
  return txn.mode === 'mixed' && way !== null && (txn.details?.branches.some((branch) => branch[way].step === 'refused') ?? false);
}

/** Whether a transaction belongs into a list, as the server would say. */
export function matches(row: TxnRow, filter: TxnFilter): boolean {
  const { q, status, mode, name, attention } = filter;
  if (attention && !row.attention) return false;
  if (mode && row.mode !== mode) return false;
  if (name && row.name !== name) return false;
  if (q && row.xid !== q && !row.gid?.startsWith(q)) return false;
  if (status === 'open' || status === 'ended') return row.ended === (status === 'ended');
  return !status || row.status === status;
}

export const summary = (signal?: AbortSignal) => ask<Summary>(`${LIST}/summary`, { signal });

export const topics = (cursor: string | null, signal?: AbortSignal) =>
  ask<{ topics: Topic[]; next: string | null }>(`/v1/topics${query({ limit: PAGE_ROWS, cursor })}`, { signal });
