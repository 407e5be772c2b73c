// What this node is, and the numbers behind self-preservation.
import { useState } from 'preact/hooks';
import type { Registry, SelfPreservation } from '../api.ts';
import { count, duration, number } from '../format.ts';
import { registry } from '../live/link.ts';
import { UNTIL_START, setPreservation } from '../ui/banners.tsx';
import { CopyLine } from '../ui/copy.tsx';
import { Confirm } from '../ui/dialog.tsx';
import { StatusCounts } from '../ui/status.tsx';

export function NodePage() {
  const facts = registry.value;
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>{facts ? facts.node.name : 'Node'}</h1>
        {facts && <p class="summary">{facts.open ? 'Open, serving clients' : 'Not open yet'}</p>}
      </div>
      {!facts && <p class="muted">Waiting for the first answer of this node.</p>}
      {facts && (
        <div class="detail">
          <div>
            <Identity facts={facts} />
            <Addresses />
          </div>
          <div>
            <Preservation state={facts.self_preservation} />
          </div>
        </div>
      )}
    </>
  );
}

function Identity({ facts }: { facts: Registry }) {
  return (
    <section aria-labelledby="identity">
      <h2 id="identity">Node and registry</h2>
      <dl class="facts">
        <dt>Identity</dt>
        <dd class="mono">{facts.node.id}</dd>
        <dt>Synod</dt>
        <dd>{facts.node.version}</dd>
        <dt>Up for</dt>
        <dd>{duration(facts.node.uptime_ms)}</dd>
        <dt>Services</dt>
        <dd>{number(facts.applications)}</dd>
        <dt>Instances</dt>
        <dd>
          {number(facts.instances)} <StatusCounts counts={facts.statuses} />
        </dd>
        <dt>Restored</dt>
        <dd>{facts.restored_provisional ? `${count(facts.restored_provisional, 'instance')} not renewed since the start` : <span class="muted">none waiting</span>}</dd>
        <dt>Version</dt>
        <dd class="mono">{facts.version}</dd>
        <dt>Hash</dt>
        <dd class="mono">{facts.hash || <span class="muted">empty</span>}</dd>
      </dl>
    </section>
  );
}

function Addresses() {
  return (
    <section aria-labelledby="addresses">
      <h2 id="addresses">Where clients point</h2>
      <p class="muted">A Eureka client, by its configuration:</p>
      <CopyLine text={`eureka.client.service-url.defaultZone=${window.location.origin}/eureka/`} />
      <p>
        Also here: <a href="/v1/openapi.json">native API</a>, <a href="/metrics">metrics</a>, <a href="/health/ready">readiness</a>.
      </p>
    </section>
  );
}

function Preservation({ state }: { state: SelfPreservation }) {
  const [asking, setAsking] = useState(false);
  const scale = Math.max(state.expected_per_minute, state.received_last_minute, 1);
  const at = (value: number) => (100 * value) / scale;
  return (
    <section aria-labelledby="preservation" class="card">
      <h2 id="preservation">Self-preservation</h2>
      <p>
        <strong>{!state.enabled ? 'Off.' : state.active ? 'Active.' : state.warming_up ? 'Warming up.' : 'Ready.'}</strong> {explain(state)}
      </p>
      {state.expected_per_minute > 0 && (
        <svg class={`gauge ${state.active ? 'is-OUT_OF_SERVICE' : 'is-UP'}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" x="0" y="2" width="100" height="4" />
          <rect x="0" y="2" width={at(state.received_last_minute)} height="4" />
          <rect class="mark-line" x={Math.min(99.4, at(state.threshold_per_minute))} y="0" width="0.6" height="8" />
        </svg>
      )}
      <dl class="facts">
        <dt>Renewals in the last minute</dt>
        <dd>{number(state.received_last_minute)}</dd>
        <dt>Expected in a minute</dt>
        <dd>{number(state.expected_per_minute)}</dd>
        <dt>Acts below</dt>
        <dd>{number(state.threshold_per_minute)}</dd>
        <dt>Kept past their lease</dt>
        <dd>{number(state.protected)}</dd>
      </dl>
      <button type="button" class="button" onClick={() => setAsking(true)}>
        {state.enabled ? 'Turn off…' : 'Turn on…'}
      </button>
      {asking && (
        <Confirm
          title={state.enabled ? 'Turn self-preservation off?' : 'Turn self-preservation on?'}
          verb={state.enabled ? 'Turn off' : 'Turn on'}
          danger={state.enabled}
          act={() => setPreservation(!state.enabled)}
          close={() => setAsking(false)}
        >
          <p>
            {state.enabled
              ? `From then on each instance that stops renewing is removed when its lease ends, however many do so at once.${state.protected ? ` ${count(state.protected, 'instance')} kept now will be removed.` : ''}`
              : 'When far fewer renewals come in than are due, this node then keeps the instances it knows until renewals return.'}{' '}
            {UNTIL_START}
          </p>
        </Confirm>
      )}
    </section>
  );
}

function explain(state: SelfPreservation): string {
  if (!state.enabled) return 'Each instance that stops renewing is removed when its lease ends, however many do so at once.';
  if (state.active) return 'So few renewals come in that this node keeps what it knows: a broken network is likelier than that many crashes at once.';
  if (state.warming_up) return 'This node has not run long enough to know how many renewals are normal.';
  return 'Renewals come in as expected. Instances that stop renewing are removed when their lease ends; if too many stop at once, all are kept.';
}
