// One transaction: how it stands, its calls on a timeline, what happened, what comes next, and what a person may do.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, ask } from '../api.ts';
import { serverNow, until } from '../contact.ts';
import { clock, count, duration } from '../format.ts';
import { useLive } from '../live/use.ts';
import { type Content, type Details, type Txn, type TxnRow, refused, txnPath } from '../txn/api.ts';
import { locksHref } from '../txn/locks.ts';
import { ATTEMPTS_KEPT, type Happening, story, upcoming } from '../txn/story.ts';
import { watchTxns } from '../txn/watch.ts';
import { MODE_NAMES, calls, sentence, traceId } from '../txn/words.ts';
import { CopyLine } from '../ui/copy.tsx';
import { Empty, Trouble } from '../ui/list.tsx';
import { Near } from '../ui/time.tsx';
import { TxnActions } from '../ui/txn-actions.tsx';
import { Schedule } from '../ui/txn-schedule.tsx';
import { CallShape, StateBadge } from '../ui/txn-state.tsx';
import { BRANCHES_SHOWN, Timeline } from '../ui/txn-timeline.tsx';

const EVERY_MS = 10_000;
const SPACING_MS = { hard: 200, soft: 1_000 };
/** A call that begins is told by nobody: it is looked for a moment after it was due. */
const DUE_MS = 300;
/** Attempts told at first; there are never many more. */
const EVENTS_SHOWN = 60;

function useTransaction(id: string) {
  const live = useLive<Txn, TxnRow>(`transaction ${id}`, (signal) => ask(txnPath(id), { signal }), {
    everyMs: EVERY_MS,
    listen: (listener) => watchTxns(id, listener),
    merge: (data) => ({ data, stale: 'hard' }),
    spacingMs: SPACING_MS,
  });
  const due = live.data ? upcoming(live.data)[0]?.at : undefined;
  useEffect(() => {
    if (due === undefined) return undefined;
    const wait = due - serverNow() + DUE_MS;
    if (wait > EVERY_MS || wait < 0) return undefined;
    const timer = setTimeout(live.reload, wait);
    return () => clearTimeout(timer);
  }, [due]);
  return live;
}

/** Where the list is that it belongs to. */
const homeOf = (txn: Txn | null) =>
  txn?.mode === 'message' ? (['Messages', '/ui/messages'] as const) : txn?.mode === 'notification' ? (['Notifications', '/ui/notifications'] as const) : (['Transactions', '/ui/transactions'] as const);

export function TransactionPage({ id }: { id: string }) {
  const live = useTransaction(id);
  const txn = live.data;
  const status = live.error instanceof ApiError ? live.error.status : null;
  const missing = status === 404 || status === 410;
  const [home, href] = homeOf(txn);
  return (
    <>
      <nav class="crumbs" aria-label="Breadcrumb">
        <a href={href} data-up>
          {home}
        </a>
      </nav>
      <div class="head near">
        <h1 class="mono" tabIndex={-1}>
          {txn?.gid ?? txn?.xid ?? id}
        </h1>
        {txn?.mode && <span class="tag kind">{MODE_NAMES[txn.mode]}</span>}
        {txn && <StateBadge state={txn.status} />}
      </div>
      {missing && !txn && (
        <Empty title={status === 404 ? 'No such transaction is known.' : 'It ended long ago; how is forgotten.'}>
          <p>{status === 404 ? 'It has not been begun here, or it ended so long ago that its details are gone. If it is begun, it shows up here by itself.' : ''}</p>
          <a href="/ui/transactions">All transactions</a>
        </Empty>
      )}
      {live.error && !(missing && !txn) && <Trouble error={live.error} old={txn !== null} reload={live.reload} />}
      {!txn && !live.error && <p class="muted waiting">Reading…</p>}
      {txn && <Whole txn={txn} reload={live.reload} />}
    </>
  );
}

function Whole({ txn, reload }: { txn: Txn; reload: () => void }) {
  const { details } = txn;
  return (
    <>
      <p class="standing" data-testid="standing">
        {sentence(txn)} {txn.reason && txn.status !== 'given_up' && <span class="reason">Why: {txn.reason}</span>}
      </p>
      <TxnActions txn={txn} done={reload} />
      {details && <Branches txn={txn} details={details} />}
      {!details && <p class="note">It ended so long ago that nothing but its end is known.</p>}
      <div class="detail">
        <div>
          {details && txn.mode === 'notification' && <Schedule txn={txn} details={details} />}
          <History txn={txn} />
          {details && <Payloads txn={txn} details={details} />}
        </div>
        <div>
          <Next txn={txn} />
          <Facts txn={txn} />
        </div>
      </div>
    </>
  );
}

function Branches({ txn, details }: { txn: Txn; details: Details }) {
  const [shown, setShown] = useState(BRANCHES_SHOWN);
  const all = details.branches.length;
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      {all === 0 && !details.back_check ? <p class="muted">Nobody has joined yet.</p> : <Timeline txn={txn} details={details} shown={shown} />}
      {all > shown && (
        <p class="pager">
          <span class="muted">
            {shown} of {count(all, 'branch', 'branches')}
          </span>
          <button type="button" class="button" data-page="next" onClick={() => setShown(shown + BRANCHES_SHOWN)}>
            Show more
          </button>
        </p>
      )}
    </section>
  );
}

function Next({ txn }: { txn: Txn }) {
  const next = upcoming(txn);
  if (txn.ended) return null;
  return (
    <section aria-labelledby="next" class="card">
      <h2 id="next">Next</h2>
      {next.length === 0 && <p class="muted">{txn.status === 'active' ? 'Whatever its initiator says.' : txn.status === 'given_up' ? 'Nothing, until somebody sends it again.' : refused(txn) ? 'Nothing, until somebody has it tried again.' : 'Calls are under way.'}</p>}
      <ul class="coming">
        {next.slice(0, 4).map((one) => (
          <li key={`${one.at} ${one.what}`}>
            <strong>{until(one.at) > 0 ? `in ${duration(until(one.at))}` : 'now'}</strong> {one.what}
          </li>
        ))}
      </ul>
      {next.length > 4 && <p class="muted">and {next.length - 4} more</p>}
    </section>
  );
}

function History({ txn }: { txn: Txn }) {
  const [shown, setShown] = useState(EVENTS_SHOWN);
  const all = story(txn);
  const first = all[0]?.at ?? 0;
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      {all.length === 0 && <p class="muted">Nothing is known of it any more.</p>}
      {(txn.details?.attempts.length ?? 0) >= ATTEMPTS_KEPT && <p class="muted">It was tried so often that some attempts in the middle are not kept.</p>}
      <ol class="history" data-testid="history">
        {all.slice(0, shown).map((event, n) => (
          <Line key={n} event={event} first={first} />
        ))}
      </ol>
      {all.length > shown && (
        <button type="button" class="button" onClick={() => setShown(shown + EVENTS_SHOWN)}>
          Show more of {all.length}
        </button>
      )}
    </section>
  );
}

function Line({ event, first }: { event: Happening; first: number }) {
  return (
    <li data-look={event.look}>
      <CallShape look={event.look} />
      <time class="mono" dateTime={new Date(event.at).toISOString()}>
        {clock(event.at)}
      </time>
      <span class="mono muted offset">{event.at === first ? '' : `+${duration(event.at - first)}`}</span>
      <span class="told">
        <strong>{event.what}</strong> {RESULTS[event.look]}
        {event.tookMs !== null && <span class="muted"> {duration(event.tookMs)}</span>}
        {event.detail && <span class={event.look === 'failed' || event.look === 'refused' ? 'sub failure error' : 'sub'}>{event.detail}</span>}
      </span>
    </li>
  );
}

const RESULTS: Partial<Record<Happening['look'], string>> = { done: 'done', refused: 'refused', ongoing: 'still at it', failed: 'failed' };

function Facts({ txn }: { txn: Txn }) {
  const { details } = txn;
  const trace = details && traceId(details.headers);
  const deadline = details && details.timeout_ms > 0 && txn.begun_ms !== null && txn.mode !== 'workflow' ? txn.begun_ms + details.timeout_ms : null;
  // Once it is decided for good, no deadline counts any more.
  const timed = txn.status === 'active' || (txn.status === 'committing' && txn.mode === 'saga');
  const topical = txn.mode === 'message' || txn.mode === 'notification';
  return (
    <section aria-labelledby="facts" class="card">
      <h2 id="facts">Details</h2>
      <dl class="facts long">
        <dt>XID</dt>
        <dd>
          <CopyLine text={txn.xid} />
        </dd>
        {txn.gid && <Fact name="Gid" mono>{txn.gid}</Fact>}
        {txn.name && <Fact name={topical ? 'Topic' : 'Name'}>{txn.name}</Fact>}
        {trace && <Fact name="Trace" mono>{trace}</Fact>}
        {txn.begun_ms !== null && (
          <Fact name="Begun">
            <Near at={txn.begun_ms} />
          </Fact>
        )}
        {deadline !== null && (
          <Fact name="Deadline">{timed ? <Near at={deadline} /> : <>{duration(deadline - (txn.begun_ms ?? 0))} after the begin</>}</Fact>
        )}
        {txn.decided_ms !== null && (
          <Fact name="Decided">
            <Near at={txn.decided_ms} />
          </Fact>
        )}
        {txn.touched_ms !== null && (
          <Fact name={txn.ended ? 'Ended' : 'Changed'}>
            <Near at={txn.touched_ms} />
          </Fact>
        )}
        {details?.back_check?.url && <Fact name="Initiator" mono>{details.back_check.url}</Fact>}
        {txn.mode === 'mixed' && (txn.status === 'active' || txn.status === 'rolling_back') && (
          <Fact name="Locks">
            <a href={locksHref(txn.xid)}>Rows that it holds</a>
          </Fact>
        )}
        {details && <Options txn={txn} details={details} />}
      </dl>
    </section>
  );
}

function Fact({ name, mono, children }: { name: string; mono?: boolean; children: preact.ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd class={mono ? 'mono' : undefined}>{children}</dd>
    </>
  );
}

/** Only what somebody has asked for. */
function Options({ txn, details }: { txn: Txn; details: Details }) {
  const { backward } = calls(txn.mode);
  return (
    <>
      {details.concurrent && <Fact name="Order">side by side</Fact>}
      {details.forward_only && <Fact name="Turning back">never</Fact>}
      {details.retry_limit > 0 && backward && <Fact name="Turns back">after {count(details.retry_limit, 'failed retry', 'failed retries')}</Fact>}
      {details.retry_interval_ms > 0 && <Fact name="Pause">{duration(details.retry_interval_ms)}</Fact>}
      {details.call_timeout_ms > 0 && <Fact name="Timeout">{duration(details.call_timeout_ms)}</Fact>}
      {details.delay_ms > 0 && <Fact name="Delay">{duration(details.delay_ms)}</Fact>}
    </>
  );
}

/** What it was begun with, branch by branch; the same for all is shown once. */
function Payloads({ txn, details }: { txn: Txn; details: Details }) {
  const all: [string, Content][] = [];
  if (details.payload) all.push([txn.mode === 'workflow' ? 'Input' : txn.mode === 'mixed' ? 'Begun by' : 'Payload', details.payload]);
  for (const branch of details.branches.slice(0, BRANCHES_SHOWN)) {
    const before = all.at(-1)?.[1];
    if (branch.payload && (!before || shownAs(before) !== shownAs(branch.payload))) all.push([[branch.id, branch.label].filter(Boolean).join(' '), branch.payload]);
  }
  if (txn.result) all.push(['Result', txn.result]);
  if (all.length === 0) return null;
  return (
    <section aria-labelledby="payloads">
      <h2 id="payloads">Payloads</h2>
      <dl class="facts">
        {all.map(([name, content]) => (
          <Fact key={name} name={name}>
            <pre class="payload">{shownAs(content)}</pre>
          </Fact>
        ))}
      </dl>
    </section>
  );
}

function shownAs(content: Content): string {
  if (content.json !== undefined) return JSON.stringify(content.json, null, 1).replace(/\n\s*/g, ' ');
  return content.text ?? content.base64 ?? `${content.bytes} bytes, too many to show here`;
}
