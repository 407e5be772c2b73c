// The transactions inside the mock: what pages read, told from a list in memory. Nothing happens to them by itself.
import type { Attempt, Branch, Details, Leg, Mode, State, Summary, Topic, Trouble, Txn, TxnRow } from '../src/txn/api.ts';
import { MODES, STATES, matches, refused } from '../src/txn/api.ts';
import type { Lock, LockPage, Wait } from '../src/txn/locks.ts';
import { newer } from '../src/txn/list.ts';

const ENDED: State[] = ['committed', 'rolled_back', 'stopped'];

export const leg = (url: string | null, more: Partial<Leg> = {}): Leg => ({
  url,
  protocol: url && 'http',
  step: url ? 'pending' : 'done',
  counted_failures: 0,
  failures: 0,
  last_error: null,
  next_attempt_ms: null,
  calling_since_ms: null,
  at_ms: null,
  ...more,
});

export const branch = (number: number, id: string, forward: Leg, backward: Leg = leg(null), more: Partial<Branch> = {}): Branch => ({
  number,
  id,
  label: '',
  payload: null,
  after: [],
  joined_ms: 0,
  forward,
  backward,
  ...more,
});

export const attempt = (number: number | null, way: Attempt['way'], at_ms: number, took_ms: number, result: Attempt['result'], error: string | null = null): Attempt => ({
  branch: number === null ? null : `0${number + 1}`,
  number,
  way,
  at_ms,
  took_ms,
  result,
  error,
});

const NOTHING: Details = {
  timeout_ms: 0,
  call_timeout_ms: 0,
  retry_interval_ms: 0,
  retry_limit: 0,
  delay_ms: 0,
  concurrent: false,
  forward_only: false,
  schedule_ms: [],
  headers: {},
  back_check: null,
  payload: null,
  branches: [],
  attempts: [],
};

export class MockTransactions {
  readonly all = new Map<string, Txn>();
  topics: Topic[] = [];
  locks: Lock[] = [];
  waits: Wait[] = [];
  onChange: (row: TxnRow) => void = () => {};
  #last = 0;

  put(mode: Mode, status: State, parts: Partial<Omit<Txn, 'details'>> & { details?: Partial<Details> } = {}): Txn {
    const { details, ...rest } = parts;
    const xid = parts.xid ?? `10.20.0.1:8761:${(this.#last += 1)}`;
    const now = Date.now();
    const txn: Txn = {
      xid,
      gid: null,
      mode,
      name: '',
      status,
      ended: ENDED.includes(status),
      reason: '',
      result: null,
      begun_ms: now,
      decided_ms: null,
      touched_ms: now,
      ...rest,
      details: { ...NOTHING, ...details },
    };
    this.all.set(xid, txn);
    this.onChange(this.row(txn));
    return txn;
  }

  /** The same transaction with other parts. */
  change(txn: Txn, parts: Partial<Txn>): void {
    Object.assign(txn, parts, { touched_ms: Date.now() });
    txn.ended = ENDED.includes(txn.status);
    this.onChange(this.row(txn));
  }

  find(id: string): Txn | undefined {
    return this.all.get(id) ?? [...this.all.values()].find((txn) => txn.gid === id);
  }

  row(txn: Txn): TxnRow {
    const { details, result: _, decided_ms: __, ...stand } = txn;
    const way = txn.status === 'rolling_back' ? 'backward' : 'forward';
    const pending = txn.ended || txn.status === 'active' ? 0 : (details?.branches.filter((one) => one[way].step === 'pending').length ?? 0);
    const attention = txn.status === 'given_up' || refused(txn) || (!txn.ended && this.#troubles(txn).some((trouble) => trouble.failures >= 3));
    return { ...stand, branches: details?.branches.length ?? 0, pending, attention };
  }

  /** What an operator's "try again" does: a notification starts over, refused calls are pending again. */
  unrefuse(txn: Txn): void {
    const pending = (one: Leg): Leg => (one.step === 'refused' ? { ...one, step: 'pending', at_ms: null } : one);
    const branches = txn.details?.branches.map((one) => ({ ...one, forward: pending(one.forward), backward: pending(one.backward) }));
    const details = txn.details && branches && { ...txn.details, branches };
    this.change(txn, { status: txn.status === 'given_up' ? 'committing' : txn.status, reason: '', ...(details && { details }) });
  }

  held(ask: URLSearchParams): LockPage {
    const part = (name: 'resource' | 'table', lock: Lock) => lock[name].includes(ask.get(name) ?? '');
    const whole = (name: 'xid' | 'key', lock: Lock) => !ask.get(name) || lock[name] === ask.get(name);
    const rows = this.locks.filter((lock) => part('resource', lock) && part('table', lock) && whole('xid', lock) && whole('key', lock));
    const [from, limit] = [Number(ask.get('from') ?? 0), Number(ask.get('limit') ?? 50)];
    return { held: this.locks.length, locks: rows.slice(from, from + limit), next: rows.length > from + limit ? String(from + limit) : null };
  }

  #troubles(txn: Txn): Trouble[] {
    const legs = txn.details?.branches.flatMap((one) => (['forward', 'backward'] as const).map((way) => ({ branch: one.number, way, leg: one[way] }))) ?? [];
    return legs.flatMap(({ branch: at, way, leg: { failures, last_error, next_attempt_ms } }) =>
      next_attempt_ms === null ? [] : [{ branch: at, way, failures, last_error: last_error ?? '', next_attempt_ms }],
    );
  }

  list(ask: URLSearchParams, mode = ''): { transactions: TxnRow[]; next: string | null } {
    const attention = ask.get('needs') === 'attention';
    const filter = { q: ask.get('gid_prefix') ?? '', status: ask.get('status') ?? '', mode: mode || (ask.get('mode') ?? ''), name: ask.get('name') ?? '', attention };
    const before = ask.get('before');
    const rows = [...this.all.values()]
      .filter((txn) => !before || newer(before, txn.xid))
      .sort((a, b) => (newer(a.xid, b.xid) ? -1 : 1))
      .map((txn) => ({ ...this.row(txn), ...(attention && { troubles: this.#troubles(txn) }) }))
      .filter((row) => matches(row, filter));
    const limit = Number(ask.get('limit') ?? 50);
    const shown = rows.slice(0, limit);
    return { transactions: shown, next: rows.length > limit ? (shown.at(-1)?.xid ?? null) : null };
  }

  summary(): Summary {
    const rows = [...this.all.values()].map((txn) => this.row(txn));
    const modes = MODES.map((mode) => {
      const counts = Object.fromEntries(STATES.map((state) => [state, rows.filter((row) => row.mode === mode && row.status === state).length]));
      return { mode, ...counts } as Summary['modes'][number];
    });
    return { open: rows.filter((row) => !row.ended).length, attention: rows.filter((row) => row.attention && row.status !== 'given_up').length, modes };
  }
}
