// Rows that transactions hold, and who waits for whom.
import { since } from '../contact.ts';
import { count, duration, number } from '../format.ts';
import { useLive } from '../live/use.ts';
import { location, refine, txnHref } from '../router.ts';
import { type Lock, type LockPage, type Wait, locks, waits } from '../txn/locks.ts';
import { Empty, Pager, type Row, Trouble, useRows } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { Ago } from '../ui/time.tsx';
import { TxnHead, useSummary } from '../ui/txn-nav.tsx';
import { StateBadge } from '../ui/txn-state.tsx';

/** Nothing tells of their changes: they are read again this often. */
const EVERY_MS = 2_000;
/** Whoever was refused longer ago has most likely given up, or got its row. */
const LATELY_MS = 60_000;

export function LocksPage() {
  const { query } = location.value;
  const [text, resource, from] = [query.get('q') ?? '', query.get('resource') ?? '', query.get('cursor')];
  const held = useLive(`locks ${text} ${resource} ${from ?? ''}`, (signal) => locks(text, resource, from, signal), { everyMs: EVERY_MS });
  const waiting = useLive('waits', (signal) => waits(signal), { everyMs: EVERY_MS });
  const page = held.data;
  const error = held.error ?? waiting.error;
  const reload = () => {
    held.reload();
    waiting.reload();
  };
  return (
    <>
      <TxnHead title="Locks" counts={useSummary()} />
      <p class="lead muted">
        Rows that a transaction has changed and may have to restore (Seata's AT). No other transaction of Seata changes them until it is decided to commit or its branch was rolled back.
      </p>
      {error && <Trouble error={error} old={page !== null} reload={reload} />}
      {!page && !error && <p class="muted waiting">Reading…</p>}
      {waiting.data && <Waits all={waiting.data.waits} />}
      {page && <Held page={page} busy={held.loading} text={text} resource={resource} />}
    </>
  );
}

function Waits({ all }: { all: Wait[] }) {
  const shown = all.filter((wait) => wait.waiting || since(wait.last_ms) < LATELY_MS);
  if (shown.length === 0) return null;
  const waiting = shown.filter((wait) => wait.waiting).length;
  return (
    <section aria-labelledby="waits">
      <h2 id="waits">Who waits for whom</h2>
      <p class="muted">{waiting > 0 ? `${count(waiting, 'transaction asks', 'transactions ask')} again and again for a row of another one.` : 'Nobody any more; these did within the last minute.'}</p>
      <table class="list waits" aria-label="Who waits for whom">
        <thead>
          <tr>
            <th scope="col">Waits</th>
            <th scope="col">For</th>
            <th scope="col">Row</th>
            <th scope="col" class="num">
              Refused
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((wait) => (
            <WaitRow key={`${wait.waiter} ${wait.holder}`} wait={wait} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function WaitRow({ wait }: { wait: Wait }) {
  return (
    <tr class={wait.waiting ? undefined : 'over'} data-waiter={wait.waiter}>
      <th scope="row">
        <Party xid={wait.waiter} name={wait.waiter_name} />
      </th>
      <td>
        <Party xid={wait.holder} name={wait.holder_name} />
      </td>
      <td>
        <span class="mono">
          {wait.table}:{wait.key}
        </span>
        <span class="sub mono">{wait.resource}</span>
      </td>
      <td class="num">
        {number(wait.count)}×<span class="sub">{wait.waiting ? `for ${duration(since(wait.first_ms))}` : <Ago at={wait.last_ms} />}</span>
      </td>
    </tr>
  );
}

function Party({ xid, name }: { xid: string; name: string | null }) {
  return (
    <>
      <a class="mono" href={txnHref(xid)}>
        {xid}
      </a>
      <span class="sub">{name ?? 'ended'}</span>
    </>
  );
}

function Held({ page, busy, text, resource }: { page: LockPage; busy: boolean; text: string; resource: string }) {
  const keys = page.locks.map((lock) => `${lock.xid} ${lock.number} ${lock.table}:${lock.key}`);
  const rows = useRows(keys);
  const narrowed = text !== '' || resource !== '';
  return (
    <section aria-labelledby="held">
      <h2 id="held">
        Held <span class="muted">{number(page.held)}</span>
      </h2>
      <div class="tools many">
        <Search label="A table, table:key, or an XID" />
        {resource && (
          <button type="button" class="button" onClick={() => refine({ resource: '' })} aria-label={`Only ${resource}. Show all`}>
            {resource} <span aria-hidden="true">×</span>
          </button>
        )}
      </div>
      {page.locks.length === 0 && (
        <Empty title={page.next !== null ? 'None of the rows looked at matches.' : narrowed ? 'No held row matches.' : 'No row is held.'}>
          {page.next !== null ? 'Others have not been looked at yet: go on with “Next”.' : narrowed && <a href="/ui/locks">Show all rows</a>}
        </Empty>
      )}
      {page.locks.length > 0 && (
        <table class="list locks" aria-label="Held rows" aria-busy={busy}>
          <thead>
            <tr>
              <th scope="col">Row</th>
              <th scope="col">Holder</th>
              <th scope="col">State</th>
              <th scope="col" class="num">
                For
              </th>
            </tr>
          </thead>
          <tbody>
            {page.locks.map((lock, at) => (
              <LockRow key={keys[at]} lock={lock} row={rows.link(keys[at] ?? '')} />
            ))}
          </tbody>
        </table>
      )}
      {(page.locks.length > 0 || page.next !== null) && <Pager page={{ next: page.next, items: page.locks }} unit="rows" />}
    </section>
  );
}

function LockRow({ lock, row }: { lock: Lock; row: ReturnType<Row['link']> }) {
  return (
    <tr data-row-key={`${lock.table}:${lock.key}`}>
      <th scope="row">
        <span class="mono">
          {lock.table}:{lock.key}
        </span>
        <button type="button" class="sub mono resource" onClick={() => refine({ resource: lock.resource })} title="Only rows of this database">
          {lock.resource}
        </button>
      </th>
      <td>
        <a class="name mono" href={txnHref(lock.xid)} {...row}>
          {lock.xid}
        </a>
        <span class="sub">{[lock.name, `branch ${lock.branch}`].filter(Boolean).join(' · ')}</span>
      </td>
      <td class="tight">
        <StateBadge state={lock.status} />
      </td>
      <td class="num">{duration(since(lock.since_ms))}</td>
    </tr>
  );
}
