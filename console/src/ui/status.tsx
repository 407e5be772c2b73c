// Status as colour, shape and word together, so that none of them is needed alone.
import type { Counts, Status } from '../api.ts';
import { STATUSES } from '../api.ts';
import { number } from '../format.ts';

const SHAPES: Record<Status, string> = {
  UP: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Z',
  DOWN: 'M1 2h10L6 11Z',
  OUT_OF_SERVICE: 'M1.5 1.5h9v9h-9Z M3.5 5v2h5V5Z',
  STARTING: 'M6 1l5 5-5 5-5-5Z',
  UNKNOWN: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z',
};

const WORDS: Record<Status, string> = {
  UP: 'up',
  DOWN: 'down',
  OUT_OF_SERVICE: 'out of service',
  STARTING: 'starting',
  UNKNOWN: 'unknown',
};

export const word = (status: Status) => WORDS[status] ?? status.toLowerCase();

export function Shape({ status }: { status: Status }) {
  return (
    <svg class={`shape is-${status}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path fill-rule="evenodd" d={SHAPES[status] ?? SHAPES.UNKNOWN} />
    </svg>
  );
}

export function StatusBadge({ status }: { status: Status }) {
  return (
    <span class={`badge is-${status}`} data-status={status}>
      <Shape status={status} />
      {status}
    </span>
  );
}

/** `● 2 up  ▼ 1 down`, in the order of STATUSES. */
export function StatusCounts({ counts }: { counts: Counts }) {
  return (
    <span class="counts">
      {STATUSES.filter((status) => counts[status]).map((status) => (
        <span key={status} class={`tally is-${status}`}>
          <Shape status={status} />
          {number(counts[status] ?? 0)} {word(status)}
        </span>
      ))}
    </span>
  );
}

/** The same as a bar of proportions, for the eye only. */
export function StatusBar({ counts, total }: { counts: Counts; total: number }) {
  let x = 0;
  return (
    <svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      {STATUSES.filter((status) => counts[status]).map((status) => {
        const width = (100 * (counts[status] ?? 0)) / Math.max(1, total);
        const left = x;
        x += width;
        return <rect key={status} class={`is-${status}`} x={left} y="0" width={width} height="4" />;
      })}
    </svg>
  );
}
