// All services with their health: the first thing one sees.
import { STATUSES, type Service, services } from '../api.ts';
import { count, number } from '../format.ts';
import { registry } from '../live/link.ts';
import { mergeServices } from '../live/merge.ts';
import { useLiveList } from '../live/use.ts';
import { location, serviceHref } from '../router.ts';
import { announce } from '../ui/announce.tsx';
import { CopyLine } from '../ui/copy.tsx';
import { Empty, Pager, Trouble, useRows } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { StatusBar, StatusCounts, word } from '../ui/status.tsx';

const EVERY_MS = 15_000;

export function ServicesPage() {
  const { query } = location.value;
  const q = query.get('q') ?? '';
  const cursor = query.get('cursor');
  const list = useLiveList(
    `services ${q} ${cursor ?? ''}`,
    async (signal) => {
      const page = await services({ q, cursor }, signal);
      if (q) announce(`${count(page.total, 'service')} found`);
      return page;
    },
    EVERY_MS,
    mergeServices,
  );
  const page = list.data;
  const rows = useRows(page?.items.map((row) => row.name) ?? []);
  const facts = registry.value;

  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Services</h1>
        {facts && (
          <p class="summary" data-testid="summary">
            <span>{count(facts.applications, 'service')}</span>
            <span>{count(facts.instances, 'instance')}</span>
            {facts.instances > 0 && <StatusCounts counts={facts.statuses} />}
          </p>
        )}
      </div>
      <Search label="Search services" />
      {list.error && <Trouble error={list.error} old={page !== null} reload={list.reload} />}
      {page && page.items.length === 0 && <Nothing q={q} />}
      {page && page.items.length > 0 && (
        <>
          <table class="list services" aria-busy={list.loading} aria-label="Services">
            <thead>
              <tr>
                <th scope="col">Service</th>
                <th scope="col" class="wide">
                  <span class="unseen">Health as a bar</span>
                </th>
                <th scope="col">Health</th>
                <th scope="col" class="num">
                  Instances
                </th>
              </tr>
            </thead>
            <tbody>
              {page.items.map((row) => (
                <tr key={row.name} class={list.touched.has(row.name) ? 'touched' : undefined}>
                  <th scope="row">
                    <a class="name" href={serviceHref(row.name)} {...rows.link(row.name)}>
                      {row.name}
                    </a>
                  </th>
                  <td class="wide bar-cell">
                    <StatusBar counts={row.statuses} total={row.instances} />
                  </td>
                  <td>
                    <Health service={row} />
                  </td>
                  <td class="num">{number(row.instances)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          <Pager page={page} unit="services" />
          {q && (
            <p class="muted">
              Looking for a host, an address or an instance id? <a href={`/ui/instances?q=${encodeURIComponent(q)}`}>Search instances for “{q}”</a>
            </p>
          )}
        </>
      )}
    </>
  );
}

/** One word when all agree, the counts when they do not. */
function Health({ service }: { service: Service }) {
  const present = STATUSES.filter((status) => service.statuses[status]);
  if (present.length !== 1 || !present[0] || service.instances === 1) return <StatusCounts counts={service.statuses} />;
  return (
    <>
      <StatusCounts counts={service.statuses} /> <span class="unseen">all {word(present[0])}</span>
    </>
  );
}

function Nothing({ q }: { q: string }) {
  if (q) {
    return (
      <Empty title={`No service has “${q}” in its name.`}>
        <p>
          <a href={`/ui/instances?q=${encodeURIComponent(q)}`}>Search instances for “{q}”</a> by host, address or id.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No service is registered yet.">
      <p>Point a Eureka client at this node with one line; it appears here by itself:</p>
      <CopyLine text={`eureka.client.service-url.defaultZone=${window.location.origin}/eureka/`} />
    </Empty>
  );
}
