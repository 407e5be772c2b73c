// Topics and who gets their messages.
import { count } from '../format.ts';
import { useLive } from '../live/use.ts';
import { location } from '../router.ts';
import { type Topic, topics } from '../txn/api.ts';
import { CopyLine } from '../ui/copy.tsx';
import { Empty, Pager, Trouble, useRows } from '../ui/list.tsx';
import { Ago } from '../ui/time.tsx';
import { TxnHead, useSummary } from '../ui/txn-nav.tsx';

/** Nothing tells of their changes: they are read again this often. */
const EVERY_MS = 3_000;

export function TopicsPage() {
  const cursor = location.value.query.get('cursor');
  const live = useLive(`topics ${cursor ?? ''}`, (signal) => topics(cursor, signal), { everyMs: EVERY_MS });
  const page = live.data;
  const rows = useRows(page?.topics.map((topic) => topic.name) ?? []);
  return (
    <>
      <TxnHead title="Topics" counts={useSummary()} />
      <p class="lead muted">A message to a topic goes to those who are its subscribers when it is begun.</p>
      {live.error && <Trouble error={live.error} old={page !== null} reload={live.reload} />}
      {!page && !live.error && <p class="muted waiting">Reading…</p>}
      {page?.topics.length === 0 && (
        <Empty title="There is no topic.">
          <p>One comes to be with its first subscriber:</p>
          <CopyLine text={`curl -s ${window.location.origin}/v1/topics/orders/subscribers -X PUT -H 'content-type: application/json' -d '{"url": "http://OTHER:9003/on-order"}'`} />
        </Empty>
      )}
      {page && page.topics.length > 0 && (
        <>
          <table class="list topics" aria-label="Topics" aria-busy={live.loading}>
            <thead>
              <tr>
                <th scope="col">Topic</th>
                <th scope="col">Subscribers</th>
                <th scope="col" class="num">
                  Changed
                </th>
              </tr>
            </thead>
            <tbody>
              {page.topics.map((topic) => (
                <TopicRow key={topic.name} topic={topic} row={rows.link(topic.name)} />
              ))}
            </tbody>
          </table>
          <Pager page={{ next: page.next, items: page.topics }} unit="topics" />
        </>
      )}
    </>
  );
}

function TopicRow({ topic, row }: { topic: Topic; row: object }) {
  return (
    <tr>
      <th scope="row">
        <a class="name" href={`/ui/messages?name=${encodeURIComponent(topic.name)}`} title="Its messages" {...row}>
          {topic.name}
        </a>
        <span class="sub">{count(topic.subscribers.length, 'subscriber')}</span>
      </th>
      <td>
        {topic.subscribers.length === 0 && <span class="muted">none: messages to it are refused</span>}
        {topic.subscribers.map(({ url, remark }) => (
          <span key={url} class="subscriber">
            <span class="mono">{url}</span> {remark && <span class="muted">{remark}</span>}
          </span>
        ))}
      </td>
      <td class="num">
        <Ago at={topic.changed_ms} />
      </td>
    </tr>
  );
}
