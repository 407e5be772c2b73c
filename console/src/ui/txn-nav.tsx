// The places around transactions, and how many of them there are.
import { useLive } from '../live/use.ts';
import { location, route } from '../router.ts';
import { type Summary, type TxnRow, summary } from '../txn/api.ts';
import { watchTxns } from '../txn/watch.ts';
import { number } from '../format.ts';

const EVERY_MS = 10_000;
const SPACING_MS = 2_000;
/** The server counts them one by one: however many there are, it is kept busy with that for a twentieth of the time at most. */
const SPARED = 20;
let tookMs = 0;

async function counted(signal: AbortSignal): Promise<Summary> {
  const began = performance.now();
  const counts = await summary(signal);
  tookMs = performance.now() - began;
  return counts;
}

/** How many there are, counted again now and then while they change. */
export function useSummary(): Summary | null {
  const spacing = Math.max(SPACING_MS, SPARED * tookMs);
  return useLive<Summary, TxnRow>('transactions summary', counted, {
    everyMs: EVERY_MS,
    listen: (listener) => watchTxns(null, listener),
    merge: (data) => ({ data, stale: 'soft' }),
    spacingMs: { hard: spacing, soft: spacing },
  }).data;
}

const ATTENTION = '/ui/transactions?needs=attention';
const PLACES = [
  ['All', '/ui/transactions'],
  ['Attention', ATTENTION],
  ['Messages', '/ui/messages'],
  ['Notifications', '/ui/notifications'],
  ['Topics', '/ui/topics'],
  ['Locks', '/ui/locks'],
] as const;

export function TxnHead({ title, counts }: { title: string; counts: Summary | null }) {
  const { page } = route.value;
  const here = location.value.query.get('needs') === 'attention' ? ATTENTION : `/ui/${page}`;
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>{title}</h1>
        {counts && (
          <p class="summary" data-testid="summary">
            <span>{number(counts.open)} open</span>
            {counts.attention > 0 && <span class="failure">{counts.attention === 1 ? '1 needs attention' : `${number(counts.attention)} need attention`}</span>}
          </p>
        )}
      </div>
      <nav class="subplaces" aria-label="Kinds of transaction">
        {PLACES.map(([name, href]) => (
          <a key={href} href={href} aria-current={href === here ? 'page' : undefined}>
            {name}
            {href === ATTENTION && counts !== null && counts.attention > 0 && <span class="bubble">{number(counts.attention)}</span>}
          </a>
        ))}
      </nav>
    </>
  );
}
