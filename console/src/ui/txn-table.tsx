// A table of transactions.
import { until } from '../contact.ts';
import { count, duration } from '../format.ts';
import { txnHref } from '../router.ts';
import type { TxnRow } from '../txn/api.ts';
import { MODE_NAMES, callName, calls, progress } from '../txn/words.ts';
import type { Row } from './list.tsx';
import { Ago } from './time.tsx';
import { StateBadge } from './txn-state.tsx';

interface Props {
  rows: TxnRow[];
  links: Row;
  touched: ReadonlySet<string>;
  busy: boolean;
  /** All of one kind, whose name is then the topic. */
  mode: string;
  label: string;
}

export function TxnTable({ rows, links, touched, busy, mode, label }: Props) {
  return (
    <table class="list transactions" aria-busy={busy} aria-label={label}>
      <thead>
        <tr>
          <th scope="col">{mode ? `${MODE_NAMES[mode as 'saga']}` : 'Transaction'}</th>
          <th scope="col" class="wide">
            {mode ? 'Topic' : 'Kind'}
          </th>
          <th scope="col">State</th>
          <th scope="col" class="wide">
            Progress
          </th>
          <th scope="col" class="wide num">
            Begun
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <TxnLine key={row.xid} row={row} links={links} touched={touched.has(row.xid)} mode={mode} />
        ))}
      </tbody>
    </table>
  );
}

function TxnLine({ row, links, touched, mode }: { row: TxnRow; links: Row; touched: boolean; mode: string }) {
  const kind = mode ? row.name : row.mode ? MODE_NAMES[row.mode] : '';
  const far = progress(row);
  return (
    <tr class={touched ? 'touched' : undefined} data-xid={row.xid}>
      <th scope="row">
        <a class="name mono" href={txnHref(row.xid)} {...links.link(row.xid)}>
          {row.gid ?? row.xid}
        </a>
        {!mode && row.name && <span class="called">{row.name}</span>}
        <span class="narrow sub">
          {[kind, far].filter(Boolean).join(' · ')}
          {row.begun_ms !== null && (
            <>
              {' · '}
              <Ago at={row.begun_ms} />
            </>
          )}
        </span>
        <Why row={row} />
      </th>
      <td class="wide tight">{kind || <span class="muted">–</span>}</td>
      <td class="tight">
        <StateBadge state={row.status} />
        {row.attention && row.status !== 'given_up' && <span class="tag alarm">failing</span>}
      </td>
      <td class="wide tight">{far || <span class="muted">–</span>}</td>
      <td class="wide num">{row.begun_ms === null ? <span class="muted">–</span> : <Ago at={row.begun_ms} />}</td>
    </tr>
  );
}

/** The calls that fail, or why it is not going forward. */
function Why({ row }: { row: TxnRow }) {
  if (!row.troubles?.length) return row.reason ? <span class="sub reason">{row.reason}</span> : null;
  return (
    <>
      {row.troubles.map((trouble) => (
        <span key={`${trouble.branch} ${trouble.way}`} class="sub trouble">
          <span class="failure">{trouble.last_error || 'at it'}</span>{' '}
          {[
            `${callName(row.mode, trouble.way)}${trouble.branch === null ? '' : ` of ${calls(row.mode).party} ${trouble.branch + 1}`}`,
            count(trouble.failures, 'failure'),
            until(trouble.next_attempt_ms) > 0 ? `next try in ${duration(until(trouble.next_attempt_ms))}` : 'being tried',
          ].join(' · ')}
        </span>
      ))}
    </>
  );
}
