// What has happened to a transaction, and what will happen next, in the order of time. Pure.
import type { Attempt, Branch, Details, Leg, Txn, Way } from './api.ts';
import { callName, parties } from './words.ts';

export type Look = Attempt['result'] | 'mark' | 'decision' | 'end';

export interface Happening {
  at: number;
  look: Look;
  what: string;
  /** Where the branch of it stands in the list, null when it is about the whole. */
  number: number | null;
  detail: string;
  tookMs: number | null;
  /** The place among what happened in the same millisecond. */
  rank: number;
}

/** As many attempts of an open transaction are remembered: the server leaves out some in the middle. */
export const ATTEMPTS_KEPT = 50;

/** What comes first of what happened in the same millisecond. */
const RANK = { begun: 0, decided: 1, forward: 2, turned: 3, backward: 4, ended: 5 };

const plain = (at: number, look: Look, what: string, detail = '', rank = RANK.begun): Happening => ({ at, look, what, number: null, detail, tookMs: null, rank });

const nameOf = (branch: Branch | undefined) => (branch ? [branch.id, branch.label].filter(Boolean).join(' ') : '');

export function story(txn: Txn): Happening[] {
  const { details } = txn;
  const events: Happening[] = [];
  if (txn.begun_ms !== null) events.push(plain(txn.begun_ms, 'mark', 'Begun', partners(txn, details)));
  if (details) {
    for (const branch of joined(details, txn.begun_ms ?? 0, true)) events.push({ ...plain(branch.joined_ms, 'mark', `${nameOf(branch)} joined`), number: branch.number });
    for (const attempt of details.attempts) events.push(tried(txn, details, attempt));
    for (const branch of details.branches) {
      for (const way of ['forward', 'backward'] as const) events.push(...unseen(txn, details, branch, way));
    }
  }
  const decided = decision(txn);
  if (decided) events.push(decided);
  if (txn.ended && txn.status !== 'stopped' && txn.touched_ms !== null) {
    events.push(plain(txn.touched_ms, 'end', txn.status === 'committed' ? 'Committed' : 'Rolled back', '', RANK.ended));
  }
  return events.sort((a, b) => a.at - b.at || a.rank - b.rank);
}

function partners(txn: Txn, details: Details | undefined): string {
  const there = details && txn.begun_ms !== null ? joined(details, txn.begun_ms, false).length : 0;
  return there > 0 ? parties(txn.mode, there) : '';
}

const joined = (details: Details, begun: number, later: boolean) => details.branches.filter((branch) => branch.joined_ms > begun === later);

function tried(txn: Txn, details: Details, attempt: Attempt): Happening {
  const branch = attempt.number === null ? undefined : details.branches[attempt.number];
  const what = [callName(txn.mode, attempt.way), nameOf(branch)].filter(Boolean).join(' ');
  return { at: attempt.at_ms, look: attempt.result, what, number: attempt.number, detail: attempt.error ?? '', tookMs: attempt.took_ms, rank: RANK[attempt.way ?? 'forward'] };
}

/** A call that is through although no attempt of it is remembered, as after a restart of the server. */
function unseen(txn: Txn, details: Details, branch: Branch, way: Way): Happening[] {
  const leg = branch[way];
  if (leg.at_ms === null || (leg.step !== 'done' && leg.step !== 'refused')) return [];
  if (details.attempts.some((attempt) => attempt.number === branch.number && attempt.way === way && attempt.result === leg.step)) return [];
  return [{ ...plain(leg.at_ms, leg.step, `${callName(txn.mode, way)} ${nameOf(branch)}`, '', RANK[way]), number: branch.number }];
}

function decision(txn: Txn): Happening | null {
  if (txn.decided_ms === null) return null;
  const at = txn.decided_ms;
  switch (txn.status) {
    case 'active':
      return null;
    case 'committing':
    case 'committed':
      return plain(at, 'decision', ['saga', 'message', 'notification'].includes(txn.mode ?? '') ? 'Submitted' : 'Decided to commit', txn.reason, RANK.decided);
    case 'rolling_back':
    case 'rolled_back':
      return plain(at, 'decision', txn.mode === 'saga' ? 'Turned back' : 'Decided to roll back', txn.reason, txn.mode === 'saga' ? RANK.turned : RANK.decided);
    case 'given_up':
      return plain(at, 'decision', 'Given up', txn.reason, RANK.turned);
    case 'stopped':
      return plain(at, 'end', 'Stopped', txn.reason, RANK.ended);
  }
}

export interface Upcoming {
  at: number;
  what: string;
}

/** What happens by itself from here on, the soonest first. */
export function upcoming(txn: Txn): Upcoming[] {
  const { details } = txn;
  if (!details || txn.ended || txn.begun_ms === null) return [];
  const next: Upcoming[] = [];
  const again = (leg: Leg | null, what: string) => {
    if (leg?.next_attempt_ms != null && leg.calling_since_ms === null) next.push({ at: leg.next_attempt_ms, what });
  };
  again(details.back_check, `${callName(txn.mode, null)} is tried again`);
  for (const branch of details.branches) {
    for (const way of ['forward', 'backward'] as const) again(branch[way], `${callName(txn.mode, way)} ${nameOf(branch)} is tried again`);
  }
  next.push(...timed(txn, details, txn.begun_ms));
  return next.sort((a, b) => a.at - b.at);
}

function timed(txn: Txn, details: Details, begun: number): Upcoming[] {
  const due = begun + details.timeout_ms;
  const delivery = begun + details.delay_ms;
  if (txn.status === 'committing' && details.delay_ms > 0 && (txn.mode === 'message' || txn.mode === 'notification')) {
    const waiting = details.branches.some((branch) => branch.forward.step === 'pending' && branch.forward.next_attempt_ms === null);
    return waiting ? [{ at: delivery, what: 'It is delivered, not before' }] : [];
  }
  if (details.timeout_ms === 0) return [];
  if (txn.status === 'active') {
    if (txn.mode === 'message') return details.back_check?.next_attempt_ms == null ? [{ at: due, what: 'Its initiator is asked what became of it' }] : [];
    if (txn.mode === 'workflow') {
      const restart = (txn.touched_ms ?? begun) + details.timeout_ms;
      return details.back_check && details.back_check.next_attempt_ms === null ? [{ at: restart, what: 'Its program is started again, unless it shows a sign of life' }] : [];
    }
    return [{ at: due, what: 'It is rolled back, unless it is decided' }];
  }
  if (txn.status === 'committing' && txn.mode === 'saga' && !details.forward_only) return [{ at: due, what: 'It turns back, unless it is through' }];
  return [];
}

/** A step of a notification's schedule that is still to come; the last is when it is given up. */
export interface Planned {
  /** Attempts are numbered from 1 on. */
  attempt: number;
  at: number;
}

/** The attempts that a notification has still before it, if none of them succeeds. `nowMs` is the server's. */
export function plan(txn: Txn, nowMs: number): Planned[] {
  const leg = txn.details?.branches[0]?.forward;
  if (!leg || !txn.details || txn.mode !== 'notification' || txn.status !== 'committing') return [];
  const behind = Math.max(leg.counted_failures, leg.failures);
  const start = (txn.begun_ms ?? 0) + txn.details.delay_ms;
  let at = leg.next_attempt_ms ?? Math.max(nowMs, start);
  const planned = [{ attempt: behind + 1, at }];
  txn.details.schedule_ms.slice(behind).forEach((pause, n) => {
    at += pause;
    planned.push({ attempt: behind + 2 + n, at });
  });
  return planned;
}
