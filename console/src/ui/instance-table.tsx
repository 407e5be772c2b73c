// A table of instances: of one service, or of all.
import type { Instance, Page } from '../api.ts';
import { keyOf } from '../live/coalesce.ts';
import { instanceHref, serviceHref } from '../router.ts';
import { type Row } from './list.tsx';
import { StatusBadge } from './status.tsx';
import { Ago } from './time.tsx';

const address = (of: Instance) => {
  const port = of.port ?? of.secure_port;
  return port === null ? of.ip : `${of.ip}:${port}`;
};

interface Props {
  page: Page<Instance>;
  rows: Row;
  touched: ReadonlySet<string>;
  busy: boolean;
  withService: boolean;
}

export function InstanceTable({ page, rows, touched, busy, withService }: Props) {
  return (
    <table class="list instances" aria-busy={busy} aria-label="Instances">
      <thead>
        <tr>
          <th scope="col">Instance</th>
          {withService && (
            <th scope="col" class="wide">
              Service
            </th>
          )}
          <th scope="col">Status</th>
          <th scope="col" class="wide">
            Address
          </th>
          {!withService && (
            <th scope="col" class="wide">
              Zone
            </th>
          )}
          <th scope="col" class="wide num">
            Renewed
          </th>
        </tr>
      </thead>
      <tbody>
        {page.items.map((row) => (
          <InstanceRow key={keyOf(row)} row={row} rows={rows} touched={touched.has(keyOf(row))} withService={withService} />
        ))}
      </tbody>
    </table>
  );
}

function InstanceRow({ row, rows, touched, withService }: { row: Instance; rows: Row; touched: boolean; withService: boolean }) {
  return (
    <tr class={touched ? 'touched' : undefined}>
      <th scope="row">
        <a class="name mono" href={instanceHref(row.service, row.id)} {...rows.link(keyOf(row))}>
          {row.id}
        </a>
        <span class="narrow sub">
          {withService ? row.service : address(row)} · renewed <Ago at={row.last_renewal_ms} />
        </span>
      </th>
      {withService && (
        <td class="wide">
          <a href={serviceHref(row.service)} tabIndex={-1}>
            {row.service}
          </a>
        </td>
      )}
      <td class="tight">
        <StatusBadge status={row.status} />
        {row.override && <span class="tag">override</span>}
        {row.provisional && <span class="tag">restored</span>}
      </td>
      <td class="wide mono tight">{address(row)}</td>
      {!withService && <td class="wide tight">{row.zone ?? <span class="muted">–</span>}</td>}
      <td class="wide num">
        <Ago at={row.last_renewal_ms} />
      </td>
    </tr>
  );
}
