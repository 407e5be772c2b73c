// Moments, relative with the exact time on hover and for copying.
import { serverNow, since, until } from '../contact.ts';
import { ago, clock, duration, moment } from '../format.ts';

export function Ago({ at }: { at: number }) {
  if (!at) return <span class="muted">never</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      {ago(since(at))}
    </time>
  );
}

export function Moment({ at }: { at: number }) {
  if (!at) return <span class="muted">never</span>;
  return (
    <time dateTime={new Date(at).toISOString()}>
      {moment(at)} <span class="muted">({ago(since(at))})</span>
    </time>
  );
}

const DAY_MS = 86_400_000;

/** A moment near now, past or to come: the time of day where that says which. */
export function Near({ at }: { at: number }) {
  const away = at - serverNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      {Math.abs(away) < DAY_MS / 2 ? clock(at) : moment(at)} <span class="muted">{away > 0 ? `in ${duration(until(at))}` : ago(since(at))}</span>
    </time>
  );
}
