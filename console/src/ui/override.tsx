// Laying a status over what an instance reports, and taking it off again; both only after saying what follows.
import { useState } from 'preact/hooks';
import { type Instance, STATUSES, type Service, type Status, ask, instancePath, servicePath } from '../api.ts';
import { announce } from './announce.tsx';
import { Confirm } from './dialog.tsx';
import { StatusBadge } from './status.tsx';

/** UNKNOWN laid over a status means "no override" to Eureka, so it is not offered. */
const OFFERED = STATUSES.filter((status) => status !== 'UNKNOWN');

type Asking = { status: Status; lastUp: boolean } | 'remove' | null;

export function Override({ instance, done }: { instance: Instance; done: () => void }) {
  const [asking, setAsking] = useState<Asking>(null);
  const [failure, setFailure] = useState('');
  const [chosen, setChosen] = useState<Status>(instance.status === 'OUT_OF_SERVICE' ? 'UP' : 'OUT_OF_SERVICE');
  const path = `${instancePath(instance.service, instance.id)}/override`;

  const open = async () => {
    setFailure('');
    try {
      const service = await ask<Service>(servicePath(instance.service));
      setAsking({ status: chosen, lastUp: chosen !== 'UP' && instance.status === 'UP' && service.statuses.UP === 1 });
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  };
  const act = async (method: 'PUT' | 'DELETE', status?: Status) => {
    await ask<Instance>(path, { method, ...(status && { body: { status } }) });
    announce(status ? `${instance.id} is overridden to ${status}` : `The override of ${instance.id} is removed`);
    done();
  };

  return (
    <section aria-labelledby="override" class="card" data-testid="override">
      <h2 id="override">Status override</h2>
      {instance.override ? (
        <p>
          An operator set <StatusBadge status={instance.override} />. It holds whatever the instance reports, until it is removed.
        </p>
      ) : (
        <p class="muted">None: clients see the status the instance reports itself.</p>
      )}
      <div class="override-form">
        <label>
          <span class="unseen">Status to set</span>
          <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value as Status)}>
            {OFFERED.map((status) => (
              <option key={status} value={status}>
                {status}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="button" onClick={open} disabled={chosen === instance.override}>
          Override…
        </button>
        {instance.override && (
          <button type="button" class="button" onClick={() => setAsking('remove')}>
            Remove override…
          </button>
        )}
      </div>
      {failure && (
        <p class="failure" role="alert">
          {failure}
        </p>
      )}
      {asking === 'remove' && (
        <Confirm title="Remove the override?" verb="Remove override" act={() => act('DELETE')} close={() => setAsking(null)}>
          <p>
            <Named instance={instance} /> is shown to clients with the status it reports itself again; until its next report that may be UNKNOWN.
          </p>
        </Confirm>
      )}
      {asking && asking !== 'remove' && (
        <Confirm
          title={`Override to ${asking.status}?`}
          verb={`Set ${asking.status}`}
          danger={asking.status !== 'UP'}
          act={() => act('PUT', asking.status)}
          close={() => setAsking(null)}
        >
          <p>
            <Named instance={instance} /> is shown to every client as <StatusBadge status={asking.status} />, whatever it reports, until the
            override is removed. {asking.status === 'UP' ? 'Clients will send requests to it.' : 'Clients stop sending requests to it.'}
          </p>
          {asking.lastUp && (
            <p class="failure">
              It is the last instance of {instance.service} that is up: clients will find none.
            </p>
          )}
        </Confirm>
      )}
    </section>
  );
}

function Named({ instance }: { instance: Instance }) {
  return (
    <>
      <strong class="mono">{instance.id}</strong> of <strong>{instance.service}</strong>
    </>
  );
}
