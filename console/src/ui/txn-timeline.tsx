// One transaction as a timeline: a lane for each call of each branch, with every attempt where it was, what it came to, and
// when the next one is.
import { serverNow, since, until } from '../contact.ts';
import { clock, duration } from '../format.ts';
import type { Attempt, Branch, Details, Leg, Txn, Way } from '../txn/api.ts';
import { type Scale, scale } from '../txn/scale.ts';
import { seataBranch } from '../txn/seata.ts';
import { callName, callView, calls } from '../txn/words.ts';
import { CallBadge } from './txn-state.tsx';

/** More branches than this are shown on demand: a thousand are allowed. */
export const BRANCHES_SHOWN = 50;

interface Lane {
  leg: Leg;
  number: number | null;
  way: Way | null;
}

export function Timeline({ txn, details, shown }: { txn: Txn; details: Details; shown: number }) {
  const axis = scale(moments(txn, details));
  const now = txn.ended ? null : axis.x(serverNow());
  return (
    <div class="timeline" role="table" aria-label="Branches and their calls" data-testid="timeline">
      <div class="lane-row axis" role="row">
        <span role="columnheader">Call</span>
        <span role="columnheader" class="lane-cell">
          <span class="unseen">Attempts in the order of time</span>
          <Axis axis={axis} now={now} />
        </span>
        <span role="columnheader">State</span>
      </div>
      {details.back_check && <LaneRow txn={txn} details={details} axis={axis} now={now} lane={{ leg: details.back_check, number: null, way: null }} />}
      {details.branches.slice(0, shown).map((branch) => (
        <BranchRows key={branch.number} txn={txn} details={details} axis={axis} now={now} branch={branch} />
      ))}
    </div>
  );
}

function moments(txn: Txn, details: Details): number[] {
  const own = [txn.begun_ms, txn.decided_ms, txn.ended ? txn.touched_ms : serverNow()];
  const legs = details.branches.flatMap((branch) => [branch.forward, branch.backward]);
  const next = [...legs, ...(details.back_check ? [details.back_check] : [])].flatMap((leg) => [leg.next_attempt_ms, leg.calling_since_ms]);
  const tried = details.attempts.flatMap((attempt) => [attempt.at_ms, attempt.at_ms + attempt.took_ms]);
  const first = txn.begun_ms ?? 0;
  return [...own, ...tried, ...(txn.ended ? [] : next)].filter((at): at is number => at !== null && at >= first);
}

function Axis({ axis, now }: { axis: Scale; now: number | null }) {
  return (
    <svg class="lane-axis" aria-hidden="true">
      {axis.ticks.map((tick) => (
        <g key={tick.x}>
          <line x1={`${tick.x}%`} x2={`${tick.x}%`} y1="15" y2="20" />
          <text x={`${tick.x}%`} y="11" text-anchor={tick.x < 5 ? 'start' : 'middle'}>
            {tick.label}
          </text>
        </g>
      ))}
      {now !== null && <line class="now" x1={`${now}%`} x2={`${now}%`} y1="14" y2="20" />}
    </svg>
  );
}

interface Rows {
  txn: Txn;
  details: Details;
  axis: Scale;
  now: number | null;
}

function BranchRows({ branch, ...rows }: Rows & { branch: Branch }) {
  const { mode } = rows.txn;
  const lanes: Lane[] = [{ leg: branch.forward, number: branch.number, way: 'forward' }];
  if (calls(mode).backward !== null) lanes.push({ leg: branch.backward, number: branch.number, way: 'backward' });
  return (
    <div class="branch" role="rowgroup" data-branch={branch.id}>
      <div class="branch-head" role="row">
        <span role="rowheader">
          <strong class="mono">{branch.id}</strong> {branch.label && <span class="mono">{branch.label}</span>}
          <Participant branch={branch} />
          <span class="muted">
            {(mode === 'tcc' || mode === 'xa') && ` joined ${clock(branch.joined_ms)}, ${mode === 'tcc' ? 'tried' : 'prepared'} by its initiator`}
            {mode === 'mixed' && ` joined ${clock(branch.joined_ms)}`}
            {branch.after.length > 0 && ` after ${branch.after.join(', ')}`}
          </span>
        </span>
      </div>
      {lanes.map((lane) => (
        <LaneRow key={lane.way} lane={lane} {...rows} />
      ))}
    </div>
  );
}

/** What kind of branch of a Seata client it is, and of which resource. */
function Participant({ branch }: { branch: Branch }) {
  const seata = seataBranch(branch.backward.url ?? branch.forward.url);
  if (!seata) return null;
  return (
    <>
      <span class="tag kind" data-testid="kind">
        Seata {seata.kind}
      </span>{' '}
      <span class="mono" data-testid="resource">
        {seata.resource}
      </span>
    </>
  );
}

/** Where a call goes, in short. */
function placeOf(url: string): string {
  const seata = seataBranch(url);
  return seata ? `${seata.application} at ${seata.client}` : url.replace(/^http:\/\//, '');
}

function LaneRow({ txn, details, axis, now, lane }: Rows & { lane: Lane }) {
  const { leg, number, way } = lane;
  const view = callView(txn, leg, way);
  const attempts = details.attempts.filter((attempt) => attempt.number === number && attempt.way === way);
  return (
    <div class={`lane-row${view.look === 'never' || view.look === 'later' ? ' idle' : ''}`} role="row" data-way={way ?? 'initiator'}>
      <span role="rowheader" class="lane-name">
        <span>{callName(txn.mode, way)}</span>
        {leg.url && (
          <span class="sub mono url" title={leg.url}>
            {placeOf(leg.url)}
          </span>
        )}
      </span>
      <span role="cell" class="lane-cell">
        <Bars attempts={attempts} leg={leg} axis={axis} now={now} open={!txn.ended} />
      </span>
      <span role="cell" class="lane-state">
        {view.word && <CallBadge view={view} />}
        <Facts leg={leg} attempts={attempts} open={!txn.ended} />
      </span>
    </div>
  );
}

/** When it was through, how often it was tried, what the last error was, when it is tried again. */
function Facts({ leg, attempts, open }: { leg: Leg; attempts: Attempt[]; open: boolean }) {
  const last = attempts.at(-1);
  const parts: string[] = [];
  if (leg.at_ms !== null && leg.step !== 'pending' && leg.step !== 'skipped') parts.push(clock(leg.at_ms));
  // How many have failed is said already.
  if (attempts.length > Math.max(1, leg.failures)) parts.push(`${attempts.length} attempts`);
  if (last && leg.step === 'done') parts.push(duration(last.took_ms));
  const error = leg.last_error ?? (leg.step === 'refused' || (leg.step === 'pending' && !open) ? last?.error : null);
  return (
    <>
      {parts.length > 0 && <span class="muted parts">{parts.join(' · ')}</span>}
      {open && leg.calling_since_ms !== null && <span class="muted parts">for {duration(since(leg.calling_since_ms))}</span>}
      {open && leg.calling_since_ms === null && leg.next_attempt_ms !== null && (
        <span class="next" data-testid="next">
          {until(leg.next_attempt_ms) > 0 ? `next try in ${duration(until(leg.next_attempt_ms))}` : 'due now'}
        </span>
      )}
      {error && <span class="sub failure error">{error}</span>}
    </>
  );
}

function Bars({ attempts, leg, axis, now, open }: { attempts: Attempt[]; leg: Leg; axis: Scale; now: number | null; open: boolean }) {
  return (
    <svg class="lane" aria-hidden="true">
      <line class="track" x1="0" x2="100%" y1="11" y2="11" />
      {now !== null && <line class="now" x1={`${now}%`} x2={`${now}%`} y1="0" y2="22" />}
      {attempts.map((attempt) => (
        <Bar key={attempt.at_ms} from={axis.x(attempt.at_ms)} to={axis.x(attempt.at_ms + attempt.took_ms)} look={attempt.result}>
          {`${clock(attempt.at_ms)}, ${duration(attempt.took_ms)}: ${attempt.error ?? attempt.result}`}
        </Bar>
      ))}
      {open && leg.calling_since_ms !== null && (
        <Bar from={axis.x(leg.calling_since_ms)} to={now ?? 100} look="calling">
          being called
        </Bar>
      )}
      {open && leg.calling_since_ms === null && leg.next_attempt_ms !== null && (
        <rect class="planned" x={`${axis.x(leg.next_attempt_ms)}%`} y="5" width="8" height="12" rx="2" transform="translate(-8)" />
      )}
    </svg>
  );
}

/** At least wide enough to be seen: the room that is proportional lies over a piece of fixed width. */
function Bar({ from, to, look, children }: { from: number; to: number; look: string; children: string }) {
  return (
    <g class={`on-${look}`}>
      <title>{children}</title>
      <rect x={`${from}%`} y="4" width="5" height="14" rx="1.5" />
      <rect x={`${from}%`} y="4" width={`${Math.max(0, to - from)}%`} height="14" rx="1.5" />
    </g>
  );
}
