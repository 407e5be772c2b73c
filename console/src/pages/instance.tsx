// One instance: what it says of itself, how its lease stands, and the override an operator may lay over its status.
import { useRef } from 'preact/hooks';
import { ApiError, type Change, type Instance, ask, instancePath } from '../api.ts';
import { now } from '../contact.ts';
import { clock, duration, safeLink } from '../format.ts';
import { includes } from '../live/version.ts';
import { useLive } from '../live/use.ts';
import { serviceHref } from '../router.ts';
import { Empty, Trouble } from '../ui/list.tsx';
import { Metadata } from '../ui/metadata.tsx';
import { Override } from '../ui/override.tsx';
import { StatusBadge } from '../ui/status.tsx';
import { Ago, Moment } from '../ui/time.tsx';

/** Renewals are not changes: the lease is read again this often. */
const EVERY_MS = 5_000;

interface Seen {
  instance: Instance;
  /** This browser's time of the reading: the lease runs on from here. */
  readAt: number;
  /** The change that put it here, '' when it was read. */
  version: string;
  removedAt: number | null;
}

function merge(seen: Seen, changes: Change[], service: string, id: string): Seen {
  const own = changes.find((change) => change.service === service && change.id === id);
  if (!own || (seen.version && includes(seen.version, own.version))) return seen;
  if (own.kind === 'removed') return { ...seen, removedAt: Date.now() };
  return own.instance ? { instance: own.instance, readAt: Date.now(), version: own.version, removedAt: null } : seen;
}

export function InstancePage({ service, id }: { service: string; id: string }) {
  const last = useRef<Seen | null>(null);
  const live = useLive<Seen>(
    `instance ${service} ${id}`,
    async (signal) => {
      try {
        const instance = await ask<Instance>(instancePath(service, id), { signal });
        return { instance, readAt: Date.now(), version: '', removedAt: null };
      } catch (error) {
        // Seen a moment ago, gone now: keep showing what it was, and say so.
        if (!(error instanceof ApiError) || error.status !== 404 || !last.current) throw error;
        return { ...last.current, removedAt: last.current.removedAt ?? Date.now() };
      }
    },
    { everyMs: EVERY_MS, merge: (seen, changes) => ({ data: merge(seen, changes, service, id), stale: 'no' }) },
  );
  last.current = live.data;
  const seen = live.data;
  const missing = live.error instanceof ApiError && live.error.status === 404;
  return (
    <>
      <nav class="crumbs" aria-label="Breadcrumb">
        <a href="/">Services</a>
        <span aria-hidden="true">/</span>
        <a href={serviceHref(service)} data-up>
          {service}
        </a>
      </nav>
      <div class="head near">
        <h1 class="mono" tabIndex={-1}>
          {id}
        </h1>
        {seen && !seen.removedAt && <StatusBadge status={seen.instance.status} />}
      </div>
      {missing && !seen && (
        <Empty title="No such instance is registered.">
          <p>It may have left, or its lease ran out. If it registers again, it shows up here by itself.</p>
          <a href={serviceHref(service)}>Instances of {service}</a>
        </Empty>
      )}
      {live.error && !missing && <Trouble error={live.error} old={seen !== null} reload={live.reload} />}
      {seen?.removedAt && (
        <p class="note warn" role="status">
          <strong>No longer registered</strong> since {clock(seen.removedAt)}. Below is what was last known of it.
        </p>
      )}
      {seen && (
        <div class={seen.removedAt ? 'detail gone' : 'detail'}>
          <div>
            <Facts instance={seen.instance} />
            <Metadata entries={seen.instance.metadata} />
          </div>
          <div>
            {!seen.removedAt && <Lease seen={seen} />}
            {!seen.removedAt && <Override instance={seen.instance} done={live.reload} />}
          </div>
        </div>
      )}
    </>
  );
}

function Facts({ instance: of }: { instance: Instance }) {
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">Details</h2>
      <dl class="facts">
        <dt>Host</dt>
        <dd class="mono">{of.host}</dd>
        <dt>Address</dt>
        <dd class="mono">{of.ip}</dd>
        <dt>Port</dt>
        <dd class="mono">{of.port ?? <span class="muted">off</span>}</dd>
        <dt>Secure port</dt>
        <dd class="mono">{of.secure_port ?? <span class="muted">off</span>}</dd>
        <dt>Zone</dt>
        <dd>{of.zone ?? <span class="muted">none</span>}</dd>
        <dt>VIP</dt>
        <dd class="mono">{of.vip.join(', ') || <span class="muted">none</span>}</dd>
        <dt>Secure VIP</dt>
        <dd class="mono">{of.secure_vip.join(', ') || <span class="muted">none</span>}</dd>
        <dt>Home page</dt>
        <dd>
          <Outside url={of.home_page} />
        </dd>
        <dt>Status page</dt>
        <dd>
          <Outside url={of.status_page} />
        </dd>
        <dt>Health check</dt>
        <dd>
          <Outside url={of.health_check} />
        </dd>
        <dt>Registered</dt>
        <dd>
          <Moment at={of.registered_ms} />
        </dd>
        <dt>Last changed</dt>
        <dd>
          <Moment at={of.updated_ms} />
        </dd>
      </dl>
    </section>
  );
}

function Outside({ url }: { url: string | null }) {
  if (!url) return <span class="muted">none</span>;
  const href = safeLink(url);
  if (!href) return <span class="mono">{url}</span>;
  return (
    <a class="mono" href={href} target="_blank" rel="noopener noreferrer">
      {url}
    </a>
  );
}

function Lease({ seen }: { seen: Seen }) {
  const { lease, last_renewal_ms, provisional } = seen.instance;
  const left = lease.remaining_ms - (now.value - seen.readAt);
  const part = Math.max(0, Math.min(1, left / Math.max(1, lease.duration_ms)));
  return (
    <section aria-labelledby="lease" class="card">
      <h2 id="lease">Lease</h2>
      <svg class={`bar lease-bar ${part < 0.34 ? 'is-OUT_OF_SERVICE' : 'is-UP'}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
        <rect x="0" y="0" width={100 * part} height="4" />
      </svg>
      <p>{left > 0 ? <>Ends in <strong>{duration(left)}</strong> unless renewed.</> : <strong>Ran out {duration(-left)} ago.</strong>}</p>
      <dl class="facts">
        <dt>Renewed</dt>
        <dd>
          <Ago at={last_renewal_ms} />
        </dd>
        <dt>Renews every</dt>
        <dd>{duration(lease.renew_interval_ms)}</dd>
        <dt>Lasts</dt>
        <dd>{duration(lease.duration_ms)}</dd>
      </dl>
      {provisional && <p class="muted">Restored from disk when this node started; it has not renewed since.</p>}
    </section>
  );
}
