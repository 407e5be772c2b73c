// The schedule of a notification: what was sent and what came of it, and what will be sent if nobody acknowledges it.
import { serverNow, until } from '../contact.ts';
import { clock, duration, moment } from '../format.ts';
import type { Details, Txn } from '../txn/api.ts';
import { plan } from '../txn/story.ts';
import { CallShape } from './txn-state.tsx';

const DAY_MS = 86_400_000;
/** Steps that are still to come; a schedule may be long. */
const PLANNED_SHOWN = 12;

export function Schedule({ txn, details }: { txn: Txn; details: Details }) {
  const planned = plan(txn, serverNow());
  const last = planned.at(-1);
  const when = (at: number) => (at - serverNow() < DAY_MS ? clock(at) : moment(at));
  return (
    <section aria-labelledby="schedule" data-testid="schedule">
      <h2 id="schedule">Schedule</h2>
      <p class="muted">
        {details.schedule_ms.length === 0
          ? 'Sent once.'
          : `Sent at once, then again after ${details.schedule_ms.slice(0, PLANNED_SHOWN).map(duration).join(', ')}${details.schedule_ms.length > PLANNED_SHOWN ? ', …' : ''}, until it is acknowledged.`}
      </p>
      <ol class="steps">
        {details.attempts.map((attempt) => (
          <li key={attempt.at_ms} data-step={attempt.result}>
            <CallShape look={attempt.result} />
            <span class="mono">{clock(attempt.at_ms)}</span>
            <span>{attempt.result === 'done' ? 'acknowledged' : attempt.result === 'ongoing' ? 'still at it' : attempt.result}</span>
            {attempt.error && <span class="failure error">{attempt.error}</span>}
          </li>
        ))}
        {planned.slice(0, PLANNED_SHOWN).map((step) => (
          <li key={step.attempt} class="muted" data-step="planned">
            <CallShape look="later" />
            <span class="mono">{when(step.at)}</span>
            <span>
              attempt {step.attempt}
              {until(step.at) > 0 ? `, in ${duration(until(step.at))}` : ', now'}
            </span>
          </li>
        ))}
        {planned.length > PLANNED_SHOWN && <li class="muted">… and {planned.length - PLANNED_SHOWN} more</li>}
        {last && (
          <li class="muted" data-step="end">
            <CallShape look="end" />
            <span class="mono">{when(last.at)}</span>
            <span>given up, if that fails too</span>
          </li>
        )}
      </ol>
    </section>
  );
}
