// Every instance of every service, by search and status.
import { instances } from '../api.ts';
import { count } from '../format.ts';
import { keyOf } from '../live/coalesce.ts';
import { registry } from '../live/link.ts';
import { mergeInstances } from '../live/merge.ts';
import { useLiveList } from '../live/use.ts';
import { location } from '../router.ts';
import { announce } from '../ui/announce.tsx';
import { InstanceTable } from '../ui/instance-table.tsx';
import { Empty, Pager, Trouble, useRows } from '../ui/list.tsx';
import { Search } from '../ui/search.tsx';
import { StatusFilter } from '../ui/status-filter.tsx';

/** Renewals are not changes: the times are read again this often. */
export const EVERY_MS = 5_000;

/** The list of one service's instances, or of all, as the address narrows it. */
export function useInstances(service: string | null) {
  const { query } = location.value;
  const q = query.get('q') ?? '';
  const status = query.get('status') ?? '';
  const cursor = query.get('cursor');
  const scope = { service, filtered: Boolean(q || status) };
  const list = useLiveList(
    `instances ${service ?? '*'} ${status} ${cursor ?? ''} ${q}`,
    async (signal) => {
      const page = await instances(service, { q, status, cursor }, signal);
      if (scope.filtered) announce(`${count(page.total, 'instance')} found`);
      return page;
    },
    EVERY_MS,
    (page, changes) => mergeInstances(page, changes, scope),
  );
  const rows = useRows(list.data?.items.map(keyOf) ?? []);
  return { ...list, rows, q, status, scope };
}

export function InstancesPage() {
  const list = useInstances(null);
  const page = list.data;
  const facts = registry.value;
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Instances</h1>
      </div>
      <div class="tools">
        <Search label="Search id, host, address or service" />
        {facts && facts.instances > 0 && <StatusFilter counts={facts.statuses} />}
      </div>
      {list.error && <Trouble error={list.error} old={page !== null} reload={list.reload} />}
      {page && page.items.length === 0 && (
        <Empty title={list.scope.filtered ? 'No instance matches.' : 'No instance is registered yet.'}>
          {list.scope.filtered ? <a href="/ui/instances">Show all instances</a> : <a href="/">How to point a client here</a>}
        </Empty>
      )}
      {page && page.items.length > 0 && (
        <>
          <InstanceTable page={page} rows={list.rows} touched={list.touched} busy={list.loading} withService />
          <Pager page={page} unit="instances" />
        </>
      )}
    </>
  );
}
