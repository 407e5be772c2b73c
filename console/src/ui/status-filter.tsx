// Narrows a list to one status; a group of toggles whose choice lives in the address.
import { type Counts, STATUSES } from '../api.ts';
import { number } from '../format.ts';
import { location, refine } from '../router.ts';
import { Shape, word } from './status.tsx';

export function StatusFilter({ counts }: { counts: Counts }) {
  const chosen = location.value.query.get('status') ?? '';
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const present = STATUSES.filter((status) => counts[status] || status === chosen);
  return (
    <div class="filter" role="group" aria-label="Show only">
      <button type="button" aria-pressed={chosen === ''} onClick={() => refine({ status: '' })}>
        All {number(all)}
      </button>
      {present.map((status) => (
        <button key={status} type="button" aria-pressed={chosen === status} onClick={() => refine({ status: chosen === status ? '' : status })}>
          <Shape status={status} /> {number(counts[status] ?? 0)} {word(status)}
        </button>
      ))}
    </div>
  );
}
