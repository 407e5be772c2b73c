// What an instance tells about itself. It may tell a lot: shown in portions, with a filter once it is long.
import { useState } from 'preact/hooks';
import { count, number } from '../format.ts';

const SHOWN = 100;
const FILTER_FROM = 15;

export function Metadata({ entries }: { entries: Record<string, string> }) {
  const [wanted, setWanted] = useState('');
  const [shown, setShown] = useState(SHOWN);
  const all = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
  const lower = wanted.toLowerCase();
  const found = lower ? all.filter(([key, value]) => key.toLowerCase().includes(lower) || value.toLowerCase().includes(lower)) : all;
  return (
    <section aria-labelledby="metadata" data-testid="metadata">
      <h2 id="metadata">
        Metadata {all.length > 0 && <span class="muted">{number(all.length)}</span>}
      </h2>
      {all.length === 0 && <p class="muted">This instance gave none.</p>}
      {all.length >= FILTER_FROM && (
        <div class="search">
          <input type="search" data-search aria-label="Filter metadata" placeholder="Filter metadata" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
          <kbd aria-hidden="true">/</kbd>
        </div>
      )}
      {found.length > 0 && (
        <dl class="facts metadata">
          {found.slice(0, shown).map(([key, value]) => (
            <>
              <dt class="mono">{key}</dt>
              <dd class="mono">{value}</dd>
            </>
          ))}
        </dl>
      )}
      {all.length > 0 && found.length === 0 && <p class="muted">Nothing matches.</p>}
      {found.length > shown && (
        <button type="button" class="button" onClick={() => setShown(shown + SHOWN)}>
          Show more of {count(found.length, 'entry', 'entries')}
        </button>
      )}
    </section>
  );
}
