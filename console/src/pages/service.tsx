// One service: how its instances are, and which they are.
import { ApiError, type Service, ask, servicePath } from '../api.ts';
import { count } from '../format.ts';
import { useLive } from '../live/use.ts';
import { InstanceTable } from '../ui/instance-table.tsx';
import { Empty, Pager, Trouble } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { StatusBar } from '../ui/status.tsx';
import { StatusFilter } from '../ui/status-filter.tsx';
import { useInstances } from './instances.tsx';

const EVERY_MS = 15_000;

const isGone = (error: Error | null) => error instanceof ApiError && error.status === 404;

/** The counts of one service, read again when one of its instances changes. */
function useService(service: string) {
  return useLive<Service>(`service ${service}`, (signal) => ask(servicePath(service), { signal }), {
    everyMs: EVERY_MS,
    merge: (data, changes) => ({ data, stale: changes.some((change) => change.service === service) ? 'hard' : 'no' }),
  });
}

export function ServicePage({ service }: { service: string }) {
  const facts = useService(service);
  const list = useInstances(service);
  const page = list.data;
  const gone = isGone(facts.error);
  const error = list.error ?? facts.error;
  return (
    <>
      <nav class="crumbs" aria-label="Breadcrumb">
        <a href="/" data-up>
          Services
        </a>
      </nav>
      <div class="head">
        <h1 tabIndex={-1}>{service}</h1>
        {facts.data && !gone && <p class="summary">{count(facts.data.instances, 'instance')}</p>}
      </div>
      {gone ? (
        <Empty title="No instance of this service is registered.">
          <p>It shows up here by itself when one registers.</p>
          <a href="/">All services</a>
        </Empty>
      ) : (
        <>
          {facts.data && (
            <div class="wide-bar">
              <StatusBar counts={facts.data.statuses} total={facts.data.instances} />
            </div>
          )}
          <div class="tools">
            <Search label="Search id, host or address" />
            {facts.data && <StatusFilter counts={facts.data.statuses} />}
          </div>
          {error && !isGone(error) && <Trouble error={error} old={page !== null} reload={list.reload} />}
          {page && page.items.length === 0 && <Empty title={list.scope.filtered ? 'No instance matches.' : 'No instance.'} />}
          {page && page.items.length > 0 && (
            <>
              <InstanceTable page={page} rows={list.rows} touched={list.touched} busy={list.loading} withService={false} />
              <Pager page={page} unit="instances" />
            </>
          )}
        </>
      )}
    </>
  );
}
