// Narrows a list of transactions by state and kind; the choice lives in the address.
import { number } from '../format.ts';
import { location, refine } from '../router.ts';
import { MODES, STATES, type Summary } from '../txn/api.ts';
import { MODE_NAMES, STATE_NAMES } from '../txn/words.ts';
import { StateShape } from './txn-state.tsx';

/** `mode` is set where the page lists one kind only. */
export function TxnFilter({ counts, mode }: { counts: Summary | null; mode: string }) {
  const { query } = location.value;
  const chosen = query.get('status') ?? '';
  const kind = mode || (query.get('mode') ?? '');
  const of = counts?.modes.filter((one) => !kind || one.mode === kind) ?? [];
  const total = (states: readonly (typeof STATES)[number][]) => of.reduce((sum, one) => sum + states.reduce((part, state) => part + one[state], 0), 0);
  const shown = STATES.filter((state) => state === chosen || total([state]) > 0);
  const toggle = (status: string) => () => refine({ status: chosen === status ? '' : status });
  return (
    <>
      {!mode && (
        <label>
          <span class="unseen">Kind</span>
          <select value={kind} onChange={(event) => refine({ mode: event.currentTarget.value })} data-testid="mode">
            <option value="">All kinds</option>
            {MODES.map((one) => (
              <option key={one} value={one}>
                {MODE_NAMES[one]}
              </option>
            ))}
          </select>
        </label>
      )}
      <div class="filter" role="group" aria-label="Show only">
        <button type="button" aria-pressed={chosen === ''} onClick={toggle('')}>
          All {counts && number(total(STATES))}
        </button>
        <button type="button" aria-pressed={chosen === 'open'} onClick={toggle('open')}>
          Open {counts && number(total(['active', 'committing', 'rolling_back', 'given_up']))}
        </button>
        {shown.map((state) => (
          <button key={state} type="button" aria-pressed={chosen === state} onClick={toggle(state)}>
            <StateShape state={state} /> {STATE_NAMES[state]} {number(total([state]))}
          </button>
        ))}
      </div>
    </>
  );
}
