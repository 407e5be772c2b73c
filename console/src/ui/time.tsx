// Moments, relative with the exact time on hover and for copying.
import { since } from '../contact.ts';
import { ago, moment } from '../format.ts';

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
