// What the operator must know on any page, in plain words: what happened, what it means, what one may do.
import { useEffect, useRef, useState } from 'preact/hooks';
import { type SelfPreservation, ask } from '../api.ts';
import { lastHeard, now, silent } from '../contact.ts';
import { clock, count, duration, number } from '../format.ts';
import { link, readRegistry, registry, retryNow } from '../live/link.ts';
import { announce } from './announce.tsx';
import { Confirm } from './dialog.tsx';

export function Banners() {
  const known = registry.value;
  const mute = link.value.phase === 'lost' || silent.value;
  const preserving = known?.self_preservation.active ?? false;
  const wasMute = useRef(false);
  useEffect(() => {
    if (mute) announce('No contact with this node');
    else if (wasMute.current) announce('In contact with this node again');
    wasMute.current = mute;
  }, [mute]);
  useEffect(() => {
    if (preserving) announce('Self-preservation is active: instances are kept although they stopped renewing');
  }, [preserving]);
  return (
    <div class="banners">
      {mute && <Silence />}
      {known && !known.open && <Closed />}
      {known?.self_preservation.active && <Preserving state={known.self_preservation} />}
      {known && !known.self_preservation.enabled && <Unprotected />}
      {known && known.restored_provisional > 0 && <Restored instances={known.restored_provisional} />}
    </div>
  );
}

function Silence() {
  const state = link.value;
  const heard = lastHeard.value;
  const wait = state.phase === 'lost' ? Math.max(0, state.retryAt - now.value) : 0;
  return (
    <section class="banner down" aria-label="No contact" data-testid="silence">
      <div class="banner-in">
        <h2>No contact with this node</h2>
        <p>
          {heard ? (
            <>
              Last heard from it at <strong>{clock(heard)}</strong>, {duration(Math.max(1_000, now.value - heard))} ago. What you see here is as of then.
            </>
          ) : (
            'It has not answered since this page was opened.'
          )}{' '}
          The node may be restarting, or the network between you and it is broken; clients may be reaching it all the same.
        </p>
        <p class="actions">
          <button type="button" class="button" onClick={retryNow}>
            Try now
          </button>
          <span class="muted">{wait >= 1_000 ? `Next attempt in ${duration(wait)}` : 'Trying…'}</span>
        </p>
      </div>
    </section>
  );
}

function Closed() {
  return (
    <section class="banner out" aria-label="Not open yet">
      <div class="banner-in">
        <h2>The registry is not open yet</h2>
        <p>
          This node has just started and is waiting for its peers to tell what is registered. Clients that ask for the list are told to
          try elsewhere meanwhile. It opens as soon as the peers answered, or when the time set for waiting is over.
        </p>
      </div>
    </section>
  );
}

function Preserving({ state }: { state: SelfPreservation }) {
  const [asking, setAsking] = useState(false);
  return (
    <section class="banner out" aria-label="Self-preservation" data-testid="preserving">
      <div class="banner-in">
        <h2>Self-preservation is active: instances are kept although they stopped renewing</h2>
        <dl class="plain">
          <div>
          <dt>What happened</dt>
          <dd>
            In the last minute {count(Math.round(state.received_last_minute), 'renewal')} came in. About {number(state.expected_per_minute)} were due, and
            below {number(state.threshold_per_minute)} this node stops believing that so many instances died at once.
            {state.active_ms ? ` This began ${duration(state.active_ms)} ago.` : ''}
          </dd>
          </div>
          <div>
          <dt>What it means</dt>
          <dd>
            {state.protected > 0 ? `${count(state.protected, 'instance')} whose lease ran out ${state.protected === 1 ? 'stays' : 'stay'} listed.` : 'No lease ran out so far; if one does, its instance stays listed.'}{' '}
            Clients may be sent to addresses where nothing answers any more. New registrations and clean departures work as always.
          </dd>
          </div>
          <div>
          <dt>What you may do</dt>
          <dd>
            If the network between the services and this node is broken, repair that and leave this alone: it ends by itself once renewals
            come in again. If the instances were really stopped, turn self-preservation off, and they are removed.
          </dd>
          </div>
        </dl>
        <p class="actions">
          <button type="button" class="button" onClick={() => setAsking(true)}>
            Turn self-preservation off…
          </button>
          <a href="/ui/node">The numbers</a>
        </p>
      </div>
      {asking && (
        <Confirm title="Turn self-preservation off?" verb="Turn off" danger act={() => setPreservation(false)} close={() => setAsking(false)}>
          <p>
            {state.protected > 0
              ? `${count(state.protected, 'instance')} whose lease ran out will be removed from the registry.`
              : 'No instance is being kept at the moment.'}{' '}
            From then on each instance that stops renewing is removed when its lease ends, however many do so at once.
          </p>
          <p>
            If only the network is broken, the removed instances are alive and clients lose them until they register again. {UNTIL_START}
          </p>
        </Confirm>
      )}
    </section>
  );
}

function Unprotected() {
  const [asking, setAsking] = useState(false);
  return (
    <section class="banner quiet" aria-label="Self-preservation" data-testid="unprotected">
      <div class="banner-in in-line">
        <p>
          <strong>Self-preservation is off.</strong> If many instances stop renewing at once, they are all removed, even if only the network
          is broken.
        </p>
        <button type="button" class="button" onClick={() => setAsking(true)}>
          Turn on…
        </button>
      </div>
      {asking && (
        <Confirm title="Turn self-preservation on?" verb="Turn on" act={() => setPreservation(true)} close={() => setAsking(false)}>
          <p>When far fewer renewals come in than are due, this node then keeps the instances it knows until renewals return. {UNTIL_START}</p>
        </Confirm>
      )}
    </section>
  );
}

export const UNTIL_START = 'This holds until the node is started anew; its configuration says what it does then.';

export async function setPreservation(enabled: boolean): Promise<void> {
  await ask<SelfPreservation>('/v1/registry/self-preservation', { method: 'PUT', body: { enabled } });
  await readRegistry();
  announce(`Self-preservation is ${enabled ? 'on' : 'off'}`);
}

function Restored({ instances }: { instances: number }) {
  return (
    <section class="banner quiet" aria-label="Restored instances" data-testid="restored">
      <div class="banner-in">
        <p>
          <strong>{count(instances, 'instance')} restored from disk</strong> {instances === 1 ? 'has' : 'have'} not renewed since this node
          started. They are served to clients, and removed if their lease ends without a renewal.
        </p>
      </div>
    </section>
  );
}
