// What kinds, states and calls are called, and what they mean in a sentence. Pure.
import { count } from '../format.ts';
import { type Leg, type Mode, type Stand, type State, type Txn, type Way, refused } from './api.ts';

export const MODE_NAMES: Record<Mode, string> = {
  saga: 'Saga',
  tcc: 'TCC',
  xa: 'XA',
  message: 'Message',
  notification: 'Notification',
  workflow: 'Workflow',
  mixed: 'Mixed',
};

export const STATE_NAMES: Record<State, string> = {
  active: 'Active',
  committing: 'Committing',
  rolling_back: 'Rolling back',
  given_up: 'Given up',
  committed: 'Committed',
  rolled_back: 'Rolled back',
  stopped: 'Stopped',
};

interface Calls {
  /** Who takes part. */
  party: string;
  /** The call that way; there is none where a mode never goes that way. */
  forward: string;
  backward: string | null;
  /** What whoever was called has done then: `2 of 3 branches have confirmed`. */
  went: string;
  wentBack: string;
}

const CALLS: Record<Mode, Calls> = {
  saga: { party: 'step', forward: 'Action', backward: 'Compensation', went: 'done', wentBack: 'undone' },
  tcc: { party: 'branch', forward: 'Confirm', backward: 'Cancel', went: 'confirmed', wentBack: 'cancelled' },
  xa: { party: 'branch', forward: 'Commit', backward: 'Rollback', went: 'committed', wentBack: 'rolled back' },
  message: { party: 'receiver', forward: 'Delivery', backward: null, went: 'acknowledged', wentBack: '' },
  notification: { party: 'receiver', forward: 'Delivery', backward: null, went: 'acknowledged', wentBack: '' },
  workflow: { party: 'step', forward: 'Step', backward: null, went: 'done', wentBack: '' },
  mixed: { party: 'branch', forward: 'Commit', backward: 'Rollback', went: 'committed', wentBack: 'rolled back' },
};

export const calls = (mode: Mode | null): Calls => CALLS[mode ?? 'tcc'];

export const callName = (mode: Mode | null, way: Way | null): string => {
  if (way === null) return mode === 'workflow' ? 'Start' : 'Back-check';
  return calls(mode)[way] ?? 'Call back';
};

export const parties = (mode: Mode | null, n: number): string => {
  const { party } = calls(mode);
  return count(n, party, party === 'branch' ? 'branches' : `${party}s`);
};

/** What a list says about how far a transaction is: `1 of 3 done`. */
export function progress(row: Stand & { branches: number; pending: number }): string {
  const { went, wentBack } = calls(row.mode);
  const through = `${row.branches - row.pending} of ${row.branches}`;
  if (row.status === 'committing') return `${through} ${went}`;
  if (row.status === 'rolling_back') return `${through} ${wentBack}`;
  return row.mode === null ? '' : parties(row.mode, row.branches);
}

const called = (leg: Leg) => leg.url !== null && leg.step !== 'skipped';

/** How a transaction stands, for somebody who knows none of the words. */
export function sentence(txn: Txn): string {
  const { mode, status } = txn;
  const branches = txn.details?.branches ?? [];
  const way: Way = status === 'rolling_back' || status === 'rolled_back' ? 'backward' : 'forward';
  const legs = branches.map((branch) => branch[way]).filter(called);
  const through = `${legs.filter((leg) => leg.step === 'done').length} of ${legs.length}`;
  const have = legs.length === 1 ? 'has' : 'have';
  if (refused(txn)) return `Decided to ${way === 'forward' ? 'commit' : 'roll back'}, but a branch has refused that for good: nothing more is called until somebody has it tried again.`;
  switch (status) {
    case 'active':
      if (mode === 'saga') return 'Begun, not submitted yet: nobody has been called.';
      if (mode === 'message') return 'Half: it is delivered once its initiator says that its own transaction has committed.';
      if (mode === 'workflow') return `Its program is at work; ${parties(mode, branches.length)} ${branches.length === 1 ? 'is' : 'are'} noted.`;
      return `Waits for its initiator to decide. ${parties(mode, branches.length)} ${branches.length === 1 ? 'has' : 'have'} joined.`;
    case 'committing':
      if (mode === 'saga') return `On its way forward: ${through} actions done.`;
      if (mode === 'message') return `Being delivered: ${through} receivers ${have} acknowledged it.`;
      if (mode === 'notification') return 'Being sent, on its schedule, until its receiver acknowledges it.';
      return `Decided to commit, for good: ${through} branches ${have} ${calls(mode).went}.`;
    case 'rolling_back':
      if (mode === 'saga') return `Turned back: ${through} compensations done.`;
      return `Decided to roll back, for good: ${through} branches ${have} ${calls(mode).wentBack}.`;
    case 'given_up':
      return 'Its schedule is over and nobody has acknowledged it. It waits for somebody to send it again.';
    case 'committed':
      return COMMITTED[mode ?? 'tcc'];
    case 'rolled_back':
      return ROLLED_BACK[mode ?? 'tcc'];
    case 'stopped':
      if (mode === 'notification') return 'Ended without an acknowledgement.';
      return 'Ended by hand: nobody is called any more, and those who took part may not agree.';
  }
}

const COMMITTED: Record<Mode, string> = {
  saga: 'All steps are done.',
  tcc: 'All branches have confirmed.',
  xa: 'All branches have committed.',
  message: 'All receivers have acknowledged it.',
  notification: 'Its receiver has acknowledged it.',
  workflow: 'Its program has ended well.',
  mixed: 'All branches have committed.',
};

const ROLLED_BACK: Record<Mode, string> = {
  saga: 'Whatever was done has been undone.',
  tcc: 'All branches have cancelled.',
  xa: 'All branches have rolled back.',
  message: 'Dropped: nobody has received it.',
  notification: 'Dropped: nobody has received it.',
  workflow: 'Its program has ended by rolling back.',
  mixed: 'All branches have rolled back.',
};

/** How a call looks: what it is, or why it is not made. */
export type Look = 'done' | 'refused' | 'calling' | 'failing' | 'ongoing' | 'due' | 'later' | 'never';

export interface CallView {
  look: Look;
  word: string;
}

/** How one call of a branch stands; `way` null is the initiator's. */
export function callView(txn: Stand, leg: Leg, way: Way | null): CallView {
  if (leg.step === 'refused') return { look: 'refused', word: 'refused' };
  if (leg.step === 'skipped') return { look: 'never', word: 'not needed' };
  if (leg.step === 'done') {
    // A workflow notes what it did itself; elsewhere there was nobody to call.
    if (leg.url !== null || txn.mode === 'workflow') return { look: 'done', word: calls(txn.mode)[way === 'backward' ? 'wentBack' : 'went'] || 'done' };
    return { look: 'never', word: 'nobody to call' };
  }
  if (leg.calling_since_ms !== null) return { look: 'calling', word: 'being called' };
  if (leg.next_attempt_ms !== null) {
    if (leg.failures === 0 && leg.last_error === null) return { look: 'ongoing', word: 'at it, will be asked again' };
    return { look: 'failing', word: leg.failures > 1 ? `failed ${leg.failures} times` : 'failed' };
  }
  if (txn.ended) return { look: 'never', word: way === null ? '' : 'not called' };
  if (way === null) return { look: 'later', word: txn.status === 'active' ? 'not due' : '' };
  const now = txn.status === 'committing' ? 'forward' : txn.status === 'rolling_back' ? 'backward' : null;
  if (way === now) return { look: 'due', word: 'waits for its turn' };
  if (txn.status === 'given_up') return { look: 'later', word: 'given up' };
  if (way === 'backward') return { look: 'later', word: txn.mode === 'saga' ? 'if it turns back' : 'if rolled back' };
  if (txn.status !== 'active') return { look: 'later', word: 'not called any more' };
  return { look: 'later', word: txn.mode === 'tcc' || txn.mode === 'xa' || txn.mode === 'mixed' ? 'if committed' : 'once submitted' };
}

/** The trace that a transaction belongs to, from W3C `traceparent`. */
export function traceId(headers: Record<string, string>): string | null {
  const value = Object.entries(headers).find(([name]) => name.toLowerCase() === 'traceparent')?.[1];
  return /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(value ?? '')?.[1] ?? null;
}
