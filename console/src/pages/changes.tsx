// Who came, who went and why, and what changed since one looks.
import { useEffect, useState } from 'preact/hooks';
import { type Recent, ask } from '../api.ts';
import { clock, count } from '../format.ts';
import { type Entry, type Wanted, joinRecent, noteModified, select } from '../live/feed.ts';
import { listen } from '../live/link.ts';
import { useLive } from '../live/use.ts';
import { instanceHref, location, refine, serviceHref } from '../router.ts';
import { Empty, Trouble, useRows } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { StatusBadge } from '../ui/status.tsx';
import { Ago } from '../ui/time.tsx';

const SHOWN = 100;

const CHOICES: [Wanted, string][] = [
  ['all', 'All'],
  ['registered', 'Registered'],
  ['removed', 'Removed'],
  ['modified', 'Modified'],
];

function useModified(): { entries: Entry[]; since: number } {
  const [state, setState] = useState<{ entries: Entry[]; since: number }>(() => ({ entries: [], since: Date.now() }));
  useEffect(
    () =>
      listen({
        changes: (changes) => setState((old) => ({ ...old, entries: noteModified(old.entries, changes) })),
        // Some may have passed unseen: the list may not pretend to go back further than this.
        reset: () => setState({ entries: [], since: Date.now() }),
      }),
    [],
  );
  return state;
}

export function ChangesPage() {
  const { query } = location.value;
  const q = query.get('q') ?? '';
  const wanted = CHOICES.find(([name]) => name === query.get('kind'))?.[0] ?? 'all';
  const [shown, setShown] = useState(SHOWN);
  const modified = useModified();
  const live = useLive<Recent>('recent', (signal) => ask('/v1/recent', { signal }), {
    merge: (data, changes) => ({ data, stale: changes.some((change) => change.kind !== 'modified') ? 'hard' : 'no' }),
  });
  const found = live.data ? select(joinRecent(live.data, modified.entries), wanted, q) : [];
  const visible = found.slice(0, shown);
  const rows = useRows(visible.map(keyOf));
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Changes</h1>
      </div>
      <p class="lead muted">
        Registrations and removals as this node remembers them, the latest 1,000 of each. Modifications (status, metadata, address) since{' '}
        {clock(modified.since)}, when this page was opened.
      </p>
      <div class="tools">
        <Search label="Filter by service or id" />
        <div class="filter" role="group" aria-label="Show only">
          {CHOICES.map(([name, label]) => (
            <button key={name} type="button" aria-pressed={wanted === name} onClick={() => refine({ kind: name === 'all' ? '' : name })}>
              {label}
            </button>
          ))}
        </div>
      </div>
      {live.error && <Trouble error={live.error} old={live.data !== null} reload={live.reload} />}
      {live.data && found.length === 0 && <Empty title={q || wanted !== 'all' ? 'Nothing matches.' : 'Nothing has changed since this node started.'} />}
      {visible.length > 0 && (
        <table class="list changes" aria-label="Changes, newest first">
          <thead>
            <tr>
              <th scope="col">What</th>
              <th scope="col">Instance</th>
              <th scope="col" class="wide">
                Service
              </th>
              <th scope="col" class="num">
                When
              </th>
            </tr>
          </thead>
          <tbody>
            {visible.map((entry) => (
              <ChangeRow key={keyOf(entry)} entry={entry} row={rows.link(keyOf(entry))} />
            ))}
          </tbody>
        </table>
      )}
      {found.length > 0 && (
        <p class="pager">
          <span class="muted">{found.length > shown ? `${shown} of ${count(found.length, 'change')}` : count(found.length, 'change')}</span>
          {found.length > shown && (
            <button type="button" class="button" data-page="next" onClick={() => setShown(shown + SHOWN)}>
              Show more
            </button>
          )}
        </p>
      )}
    </>
  );
}

const keyOf = (entry: Entry) => `${entry.kind} ${entry.at} ${entry.service}/${entry.id}`;

const WORDS: Record<Entry['kind'], [string, string]> = {
  registered: ['+', 'registered'],
  cancelled: ['−', 'left'],
  expired: ['×', 'expired'],
  modified: ['~', 'modified'],
};

function ChangeRow({ entry, row }: { entry: Entry; row: object }) {
  const [sign, word] = WORDS[entry.kind];
  return (
    <tr>
      <td class="what">
        <span class={`sign ${entry.kind}`} aria-hidden="true">
          {sign}
        </span>
        {word}
      </td>
      <th scope="row">
        <a class="name mono" href={instanceHref(entry.service, entry.id)} {...row}>
          {entry.id}
        </a>
        <span class="narrow sub">{entry.service}</span>
        {entry.status && <StatusBadge status={entry.status} />}
      </th>
      <td class="wide">
        <a href={serviceHref(entry.service)} tabIndex={-1}>
          {entry.service}
        </a>
      </td>
      <td class="num">
        <Ago at={entry.at} />
      </td>
    </tr>
  );
}
