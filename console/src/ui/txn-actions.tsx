// What a person may do about a transaction that is open. Each is said in plain words before it is done.
import { useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { type Txn, refused, txnPath } from '../txn/api.ts';
import { calls, parties } from '../txn/words.ts';
import { announce } from './announce.tsx';
import { Confirm } from './dialog.tsx';

type Action = 'retry' | 'commit' | 'rollback' | 'stop' | 'resend';

interface Question {
  button: string;
  title: string;
  verb: string;
  danger: boolean;
  /** Said once it is done. */
  done: string;
  reason: boolean;
}

const QUESTIONS: Record<Action, Question> = {
  retry: { button: 'Retry now…', title: 'Try all calls now?', verb: 'Retry now', danger: false, done: 'All calls are tried now', reason: false },
  resend: { button: 'Send again…', title: 'Send it again?', verb: 'Send again', danger: false, done: 'Its schedule has started over', reason: false },
  commit: { button: 'Force commit…', title: 'Decide to go forward, in place of its initiator?', verb: 'Go forward', danger: true, done: 'It is decided to commit', reason: false },
  rollback: { button: 'Force rollback…', title: 'Decide to go back, in place of its initiator?', verb: 'Go back', danger: true, done: 'It is decided to roll back', reason: true },
  stop: { button: 'Stop…', title: 'End it whatever its branches know?', verb: 'Stop', danger: true, done: 'It is stopped', reason: true },
};

/** What can be done as the transaction stands. */
export function offered(txn: Txn): Action[] {
  switch (txn.status) {
    case 'active':
      return [...(txn.details?.back_check?.next_attempt_ms != null ? (['retry'] as const) : []), 'commit', 'rollback', 'stop'];
    case 'committing':
    case 'rolling_back':
      return refused(txn) ? ['resend', 'stop'] : ['retry', 'stop'];
    case 'given_up':
      return ['resend', 'stop'];
    default:
      return [];
  }
}

export function TxnActions({ txn, done }: { txn: Txn; done: () => void }) {
  const [asking, setAsking] = useState<Action | null>(null);
  const [reason, setReason] = useState('');
  const act = async (action: Action) => {
    await ask<Txn>(`${txnPath(txn.xid)}/${action}`, { method: 'POST', ...(QUESTIONS[action].reason && { body: { reason: reason.trim() || 'by hand, in the console' } }) });
    announce(again(action, txn) ? 'It is tried again' : QUESTIONS[action].done);
    done();
  };
  const question = asking && QUESTIONS[asking];
  return (
    <div class="txn-actions" role="group" aria-label="What you may do">
      {offered(txn).map((action) => (
        <button
          key={action}
          type="button"
          class="button"
          data-action={action}
          onClick={() => {
            setReason('');
            setAsking(action);
          }}
        >
          {buttonOf(action, txn)}
        </button>
      ))}
      {asking && question && (
        <Confirm title={again(asking, txn) ? 'Have the refused calls made again?' : question.title} verb={again(asking, txn) ? 'Try again' : question.verb} danger={question.danger} act={() => act(asking)} close={() => setAsking(null)}>
          {meaning(asking, txn).map((text) => (
            <p key={text}>{text}</p>
          ))}
          {question.reason && (
            <label class="field">
              Why, for those who look at it later
              <input
                type="text"
                maxLength={500}
                value={reason}
                onInput={(event) => setReason(event.currentTarget.value)}
                // The end of a sentence is no confirmation.
                onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
              />
            </label>
          )}
        </Confirm>
      )}
    </div>
  );
}

/** Refused calls are tried again; a notification is sent again. */
const again = (action: Action, txn: Txn) => action === 'resend' && txn.mode !== 'notification';

/** A message is submitted or aborted. */
function buttonOf(action: Action, txn: Txn): string {
  if (txn.mode === 'message' && action === 'commit') return 'Force submit…';
  if (txn.mode === 'message' && action === 'rollback') return 'Force abort…';
  if (again(action, txn)) return 'Try again…';
  return QUESTIONS[action].button;
}

/** What will happen, in plain words. */
function meaning(action: Action, txn: Txn): string[] {
  const { mode, details } = txn;
  const branches = details?.branches ?? [];
  const who = parties(mode, branches.length);
  const told = branches.length === 1 ? 'its one branch is told' : `all ${who} are told`;
  const done = branches.filter((branch) => branch.forward.url !== null && branch.forward.step === 'done').length;
  switch (action) {
    case 'retry':
      return ['Every call that waits for its next attempt is made at once. Nothing else changes: a call that fails again goes on being tried with its usual pauses.'];
    case 'resend':
      if (again(action, txn)) return ['Every branch that has refused is called again, and those behind it in their turn. Do this when what was in the way is cleared up: a branch that refuses again stops the transaction again.'];
      return ['It is sent at once, and again after each pause of its schedule from the beginning, until it is acknowledged or the schedule is over.'];
    case 'commit':
      if (mode === 'message') return ['It is delivered to its receivers, although its initiator has not said that its own transaction has committed. This cannot be taken back.'];
      if (mode === 'saga') return ['Its actions are called, as if its initiator had submitted it.'];
      if (mode === 'workflow') return ['It is noted as having ended well, and its program is not started again. Nobody is called.'];
      return [
        `The decision to commit is made for good, in place of its initiator: ${told} to ${calls(mode).forward.toLowerCase()}, however long that takes.`,
        'If its initiator is still at work, it is told that it comes too late.',
      ];
    case 'rollback':
      if (mode === 'message') return ['It is dropped and never delivered, although the transaction of its initiator may have committed. This cannot be taken back.'];
      if (mode === 'saga') return ['It ends without any of its actions having been called.'];
      if (mode === 'workflow') return ['It is noted as rolled back, and its program is not started again. Nobody is called.'];
      return [`The decision to roll back is made for good, in place of its initiator: ${told} to ${calls(mode).backward?.toLowerCase()}, however long that takes.`];
    case 'stop':
      return [
        'Nobody is called any more. What has been done stays done, and what has not been done is never done: those who took part may not agree, and somebody has to clear that up by hand.',
        `${txn.status === 'active' ? `${who} may hold something for it.` : `${done} of ${who} ${done === 1 ? 'has' : 'have'} gone forward so far.`} This cannot be taken back.`,
      ];
  }
}
