// The state of a transaction and of its calls as colour, shape and word together, so that none of them is needed alone.
import type { State } from '../txn/api.ts';
import type { Look as Happened } from '../txn/story.ts';
import { type CallView, type Look, STATE_NAMES } from '../txn/words.ts';

const RING = 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Zm0 2a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z';
const DISC = 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Z';
const AHEAD = 'M2 1l9 5-9 5Z';
const BACK = 'M10 1L1 6l9 5Z';
const CROSS = 'M2.4 1L6 4.6 9.6 1 11 2.4 7.4 6 11 9.6 9.6 11 6 7.4 2.4 11 1 9.6 4.6 6 1 2.4Z';
const SQUARE = 'M1.5 1.5h9v9h-9Z';
const BARRED = 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1ZM3 5v2h6V5Z';
const DOWNWARD = 'M1 2h10L6 11Z';
const DASH = 'M2 5.2h8v1.6H2Z';
const DIAMOND = 'M6 1l5 5-5 5-5-5Z';

const STATE_SHAPES: Record<State, string> = {
  active: RING,
  committing: AHEAD,
  rolling_back: BACK,
  given_up: DOWNWARD,
  committed: DISC,
  rolled_back: BARRED,
  stopped: SQUARE,
};

const CALL_SHAPES: Record<Look | Happened, string> = {
  done: DISC,
  refused: BARRED,
  calling: AHEAD,
  failing: CROSS,
  failed: CROSS,
  ongoing: RING,
  due: RING,
  later: DASH,
  never: DASH,
  mark: DASH,
  decision: DIAMOND,
  end: SQUARE,
};

function Shape({ path, look }: { path: string; look: string }) {
  return (
    <svg class={`shape on-${look}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
      <path fill-rule="evenodd" d={path} />
    </svg>
  );
}

export const StateShape = ({ state }: { state: State }) => <Shape path={STATE_SHAPES[state] ?? RING} look={state} />;
export const CallShape = ({ look }: { look: Look | Happened }) => <Shape path={CALL_SHAPES[look]} look={look} />;

export function StateBadge({ state }: { state: State }) {
  return (
    <span class={`badge on-${state}`} data-state={state}>
      <StateShape state={state} />
      {STATE_NAMES[state] ?? state}
    </span>
  );
}

export function CallBadge({ view }: { view: CallView }) {
  return (
    <span class={`badge on-${view.look}`} data-call={view.look}>
      <CallShape look={view.look} />
      {view.word}
    </span>
  );
}
