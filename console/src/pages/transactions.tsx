// Lists of transactions: all of them, those that need attention, messages, notifications. They follow what happens, and hold
// still under whoever reads them.
import { useRef, useState } from 'preact/hooks';
import { count, number } from '../format.ts';
import { useLive } from '../live/use.ts';
import { location, refine } from '../router.ts';
import { type TxnFilter as Filter, type Summary, type TxnRow, transactions } from '../txn/api.ts';
import { type Held, above, hold, mergeTxns } from '../txn/list.ts';
import { watchTxns } from '../txn/watch.ts';
import { announce } from '../ui/announce.tsx';
import { CopyLine } from '../ui/copy.tsx';
import { useHeld } from '../ui/held.ts';
import { Empty, Pager, Trouble, useRows } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { TxnFilter } from '../ui/txn-filter.tsx';
import { TxnHead, useSummary } from '../ui/txn-nav.tsx';
import { TxnTable } from '../ui/txn-table.tsx';

/** Whatever was missed shows after this long at the latest. */
const EVERY_MS = 15_000;
const TOUCHED_MS = 1_600;

/** A list as the address narrows it, following what happens. */
function useTransactions(filter: Filter, cursor: string | null) {
  const [touched, setTouched] = useState<ReadonlySet<string>>(new Set());
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const forced = useRef(false);
  const held = useHeld(() => live.reload());
  const first = cursor === null;
  const key = `transactions ${filter.status} ${filter.mode} ${filter.attention} ${cursor ?? ''} ${filter.name} ${filter.q}`;
  const shown = useRef<{ key: string; page: Held | null }>({ key: '', page: null });
  const live = useLive<Held, TxnRow>(
    key,
    async (signal) => {
      const before = shown.current.key === key && held.now() && !forced.current ? shown.current.page : null;
      // Whoever reads goes on reading the same rows, wherever they are by now.
      const top = first && !filter.q ? before?.rows[0]?.xid : undefined;
      const read = await transactions(filter, top ? above(top) : cursor, signal);
      forced.current = false;
      if (filter.q || filter.status || filter.mode || filter.name) announce(`${count(read.rows.length, 'transaction')} shown`);
      return before?.rows.length ? hold(before, read) : { ...read, fresh: new Set() };
    },
    {
      everyMs: EVERY_MS,
      listen: (listener) => watchTxns(null, listener),
      merge: (page, changes) => {
        const merged = mergeTxns(page, changes, { filter, first, held: held.now() });
        if (merged.touched.length) {
          setTouched(new Set(merged.touched));
          clearTimeout(timer.current);
          timer.current = setTimeout(() => setTouched(new Set()), TOUCHED_MS);
        }
        return { data: merged.page, stale: merged.stale };
      },
    },
  );
  if (!live.loading) shown.current = { key, page: live.data };
  const showFresh = () => {
    forced.current = true;
    window.scrollTo(0, 0);
    live.reload();
  };
  return { ...live, held, touched, showFresh };
}

type View = 'transactions' | 'messages' | 'notifications';
const MODE_OF: Record<View, string> = { transactions: '', messages: 'message', notifications: 'notification' };
const UNITS: Record<View, [string, string]> = { transactions: ['Transactions', 'transaction'], messages: ['Messages', 'message'], notifications: ['Notifications', 'notification'] };

export function TransactionsPage({ view }: { view: View }) {
  const { query } = location.value;
  const mode = MODE_OF[view];
  const filter: Filter = {
    q: query.get('q') ?? '',
    status: query.get('status') ?? '',
    mode: mode || (query.get('mode') ?? ''),
    name: query.get('name') ?? '',
    attention: query.get('needs') === 'attention',
  };
  const counts = useSummary();
  const list = useTransactions(filter, query.get('cursor'));
  const page = list.data;
  const rows = useRows(page?.rows.map((row) => row.xid) ?? []);
  const [title, unit] = UNITS[view];
  return (
    <>
      <TxnHead title={title} counts={counts} />
      {filter.attention && (
        <p class="lead muted">One of their calls has failed several times in a row, or a notification was given up. Calls go on being tried; what is listed here may need a person.</p>
      )}
      <div class="tools many">
        <Search label="Beginning of a gid, or an XID" />
        {filter.name && (
          <button type="button" class="button" onClick={() => refine({ name: '' })} aria-label={`Only ${filter.name}. Show all`}>
            {filter.name} <span aria-hidden="true">×</span>
          </button>
        )}
        {!filter.attention && <TxnFilter counts={counts} mode={mode} />}
      </div>
      {list.error && <Trouble error={list.error} old={page !== null} reload={list.reload} />}
      {!page && !list.error && <p class="muted waiting">Reading…</p>}
      {page && page.rows.length === 0 && <Nothing view={view} filter={filter} more={page.next !== null} counts={counts} />}
      <div ref={list.held.ref}>
        {page && page.rows.length > 0 && (
          <>
            <div class="fresh-bar">
              {page.fresh.size > 0 && (
                <button type="button" class="button primary" onClick={list.showFresh} data-testid="fresh">
                  Show {number(page.fresh.size)} new
                </button>
              )}
            </div>
            <TxnTable rows={page.rows} links={rows} touched={list.touched} busy={list.loading} mode={mode} label={`${title}, the newest first`} />
          </>
        )}
      </div>
      {page && (page.rows.length > 0 || page.next !== null) && <Pager page={{ next: page.next, items: page.rows }} unit={`${unit}s`} />}
    </>
  );
}

function Nothing({ view, filter, more, counts }: { view: View; filter: Filter; more: boolean; counts: Summary | null }) {
  const unit = UNITS[view][1];
  if (more) return <Empty title={`None of the latest ${unit}s matches.`}>Older ones have not been looked at yet: go on with “Next”.</Empty>;
  if (filter.attention && !filter.q) {
    return (
      <Empty title="Nothing needs attention.">
        <p>{counts?.open ? `${number(counts.open)} open, and all of their calls come through or have failed a few times only.` : 'No transaction is open.'}</p>
      </Empty>
    );
  }
  if (filter.q || filter.status || filter.name || (filter.mode && view === 'transactions')) {
    return (
      <Empty title={`No ${unit} matches.`}>
        <a href={`/ui/${view}`}>Show all {unit}s</a>
      </Empty>
    );
  }
  const { origin } = window.location;
  const body = {
    transactions: ['/v1/transactions', '{"mode": "tcc", "timeout": "30s"}'],
    messages: ['/v1/messages', '{"subscribers": ["http://OTHER:9003/on-order"], "payload": {"order": 1}, "submit": true}'],
    notifications: ['/v1/notifications', '{"url": "http://OTHER:9004/hook", "payload": {"bill": 9}}'],
  }[view];
  return (
    <Empty title={`There is no ${unit} yet.`}>
      <p>Begin one through the API; it appears here by itself:</p>
      <CopyLine text={`curl -s ${origin}${body[0]} -H 'content-type: application/json' -d '${body[1]}'`} />
    </Empty>
  );
}
