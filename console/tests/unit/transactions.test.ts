// Transactions without a browser: lists that hold still, what happened and what comes next, the axis, the words.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Branch, type Details, type Leg, type Mode, type State, type Txn, type TxnFilter, type TxnRow, matches, refused } from '../../src/txn/api.ts';
import { type Held, above, hold, mergeTxns, newer } from '../../src/txn/list.ts';
import { meant } from '../../src/txn/locks.ts';
import { scale } from '../../src/txn/scale.ts';
import { seataBranch } from '../../src/txn/seata.ts';
import { plan, story, upcoming } from '../../src/txn/story.ts';
import { callView, progress, sentence, traceId } from '../../src/txn/words.ts';

const xid = (n: number) => `10.0.0.1:8761:${n}`;
const row = (n: number, status: State = 'active', more: Partial<TxnRow> = {}): TxnRow => ({
  xid: xid(n),
  gid: `g-${n}`,
  mode: 'saga',
  name: '',
  status,
  ended: ['committed', 'rolled_back', 'stopped'].includes(status),
  reason: '',
  begun_ms: n,
  touched_ms: n,
  branches: 3,
  pending: 2,
  attention: false,
  ...more,
});

const all: TxnFilter = { q: '', status: '', mode: '', name: '', attention: false };
const page = (...rows: TxnRow[]): Held => ({ rows, next: null, fresh: new Set() });
const watching = { filter: all, first: true, held: false };
const reading = { ...watching, held: true };
const ids = (of: Held) => of.rows.map((one) => Number(one.xid.split(':').pop()));

test('ids are compared as numbers, however long', () => {
  assert.equal(newer(xid(10), xid(9)), true);
  assert.equal(newer('h:1:9007199254740993', 'h:1:9007199254740992'), true);
  assert.equal(above('h:1:9007199254740993'), 'h:1:9007199254740994');
});

test('a list that nobody reads takes newcomers in, in order, and lets go what does not belong any more', () => {
  const before = page(row(5), row(3));
  const merged = mergeTxns(before, [row(7), row(4), row(3, 'committed', { touched_ms: 9 })], watching);
  assert.deepEqual(ids(merged.page), [7, 5, 4, 3]);
  assert.equal(merged.page.rows.at(-1)?.status, 'committed');
  const open = { ...watching, filter: { ...all, status: 'open' } };
  assert.deepEqual(ids(mergeTxns(before, [row(3, 'committed', { touched_ms: 9 }), row(8, 'committed')], open).page), [5]);
});

test('under a reader rows change where they stand, and newcomers are only counted', () => {
  const open = { ...reading, filter: { ...all, status: 'open' } };
  const { page: seen } = mergeTxns(page(row(5), row(3)), [row(7), row(3, 'committed', { touched_ms: 9 }), row(9)], open);
  assert.deepEqual(ids(seen), [5, 3]);
  assert.equal(seen.rows[1]?.status, 'committed');
  assert.deepEqual([...seen.fresh], [xid(7), xid(9)]);
  assert.deepEqual([...mergeTxns(seen, [row(9, 'committed')], open).page.fresh], [xid(7)], 'what ended meanwhile is not new any more');
});

test('a reading under a reader brings news of the same rows', () => {
  const held = hold({ ...page(row(5), row(3)), next: xid(3) }, { rows: [row(9), row(5, 'committed')], next: null });
  assert.deepEqual(ids(held), [5, 3]);
  assert.equal(held.rows[0]?.status, 'committed');
  assert.deepEqual([...held.fresh], [xid(9)]);
  assert.equal(held.next, xid(3));
});

test('a page is never longer than a page, and goes on where it ends', () => {
  const rows = Array.from({ length: 50 }, (_, n) => row(100 - n));
  const { page: longer } = mergeTxns(page(...rows), [row(101), row(102)], watching);
  assert.equal(longer.rows.length, 50);
  assert.deepEqual([ids(longer)[0], longer.next], [102, xid(53)]);
  assert.deepEqual(ids(mergeTxns(longer, [row(10)], watching).page), ids(longer), 'older ones are for the next page');
});

test('what a reading has overtaken is not applied', () => {
  const before = page(row(5, 'committed', { touched_ms: 9 }), row(4, 'rolling_back', { touched_ms: 8 }));
  const { page: after } = mergeTxns(before, [row(5, 'committing', { touched_ms: 7 }), row(4, 'committing', { touched_ms: 7 })], watching);
  assert.deepEqual(after.rows.map((one) => one.status), ['committed', 'rolling_back']);
});

test('later pages take changes, no newcomers', () => {
  const later = mergeTxns(page(row(5)), [row(9), row(5, 'committed')], { ...watching, first: false });
  assert.deepEqual([ids(later.page), later.page.rows[0]?.status], [[5], 'committed']);
});

test('a list belongs together as the server would say', () => {
  const found = (filter: Partial<TxnFilter>) => [row(1), row(12, 'committed', { mode: 'tcc', attention: true })].filter((one) => matches(one, { ...all, ...filter })).length;
  assert.deepEqual([found({}), found({ status: 'open' }), found({ status: 'ended' }), found({ status: 'committed' })], [2, 1, 1, 1]);
  assert.deepEqual([found({ q: 'g-1' }), found({ q: 'g-12' }), found({ q: xid(1) }), found({ mode: 'tcc' }), found({ attention: true }), found({ name: 'x' })], [2, 1, 1, 1, 1, 0]);
});

const leg = (more: Partial<Leg> = {}): Leg => ({ url: 'http://a/x', protocol: 'http', step: 'pending', counted_failures: 0, failures: 0, last_error: null, next_attempt_ms: null, calling_since_ms: null, at_ms: null, ...more });
const branch = (number: number, forward: Partial<Leg> = {}, backward: Partial<Leg> = {}): Branch => ({ number, id: `0${number + 1}`, label: '', payload: null, after: [], joined_ms: 1_000, forward: leg(forward), backward: leg(backward) });
const txn = (mode: Mode, status: State, details: Partial<Details>, more: Partial<Txn> = {}): Txn => ({
  ...row(1, status, { mode, begun_ms: 1_000, touched_ms: 9_000 }),
  result: null,
  decided_ms: null,
  details: { timeout_ms: 0, call_timeout_ms: 0, retry_interval_ms: 0, retry_limit: 0, delay_ms: 0, concurrent: false, forward_only: false, schedule_ms: [], headers: {}, back_check: null, payload: null, branches: [], attempts: [], ...details },
  ...more,
});

test('the story of a saga that failed and turned back, in order', () => {
  const turned = txn(
    'saga',
    'rolled_back',
    {
      branches: [branch(0, { step: 'done', at_ms: 1_020 }, { step: 'done', at_ms: 3_000 }), branch(1, { step: 'refused', at_ms: 2_000 }, { step: 'skipped' })],
      attempts: [
        { branch: '01', number: 0, way: 'forward', at_ms: 1_010, took_ms: 10, result: 'done', error: null },
        { branch: '02', number: 1, way: 'forward', at_ms: 1_500, took_ms: 400, result: 'refused', error: 'no money' },
      ],
    },
    { decided_ms: 2_000, reason: 'no money' },
  );
  assert.deepEqual(
    story(turned).map((event) => [event.at, event.what, event.look]),
    [
      [1_000, 'Begun', 'mark'],
      [1_010, 'Action 01', 'done'],
      [1_500, 'Action 02', 'refused'],
      [2_000, 'Turned back', 'decision'],
      [3_000, 'Compensation 01', 'done'],
      [9_000, 'Rolled back', 'end'],
    ],
  );
});

test('what happened in the same millisecond is told in the order in which it can have happened', () => {
  const at = { at_ms: 1_000, took_ms: 0, error: null };
  const quick = txn(
    'saga',
    'rolled_back',
    {
      branches: [branch(0, { step: 'done', at_ms: 1_000 }, { step: 'done', at_ms: 1_000 }), branch(1, { step: 'refused', at_ms: 1_000 }, { step: 'done', at_ms: 1_000 })],
      attempts: [
        { branch: '01', number: 0, way: 'forward', result: 'done', ...at },
        { branch: '02', number: 1, way: 'forward', result: 'refused', ...at },
        { branch: '02', number: 1, way: 'backward', result: 'done', ...at },
        { branch: '01', number: 0, way: 'backward', result: 'done', ...at },
      ],
    },
    { decided_ms: 1_000, touched_ms: 1_000 },
  );
  assert.deepEqual(
    story(quick).map((event) => event.what),
    ['Begun', 'Action 01', 'Action 02', 'Turned back', 'Compensation 02', 'Compensation 01', 'Rolled back'],
  );
});

test('what comes next: retries, deadlines, back-checks', () => {
  const failing = { failures: 2, last_error: '500', next_attempt_ms: 5_000 };
  assert.deepEqual(upcoming(txn('saga', 'committing', { timeout_ms: 30_000, branches: [branch(0, failing)] })), [
    { at: 5_000, what: 'Action 01 is tried again' },
    { at: 31_000, what: 'It turns back, unless it is through' },
  ]);
  assert.deepEqual(upcoming(txn('tcc', 'active', { timeout_ms: 30_000 })).map((one) => one.at), [31_000]);
  assert.deepEqual(upcoming(txn('message', 'active', { timeout_ms: 10_000, back_check: leg() })), [{ at: 11_000, what: 'Its initiator is asked what became of it' }]);
  assert.deepEqual(upcoming(txn('message', 'active', { timeout_ms: 10_000, back_check: leg(failing) })), [{ at: 5_000, what: 'Back-check is tried again' }]);
  assert.deepEqual(upcoming(txn('saga', 'rolled_back', { branches: [branch(0, failing)] })), []);
});

test('the plan of a notification goes on where its attempts are, and ends with its schedule', () => {
  const schedule_ms = [15_000, 15_000, 30_000];
  const sent = (forward: Partial<Leg>) => plan(txn('notification', 'committing', { schedule_ms, branches: [branch(0, forward)] }), 2_000);
  assert.deepEqual(sent({}), [{ attempt: 1, at: 2_000 }, { attempt: 2, at: 17_000 }, { attempt: 3, at: 32_000 }, { attempt: 4, at: 62_000 }]);
  assert.deepEqual(sent({ counted_failures: 2, failures: 2, next_attempt_ms: 20_000 }), [{ attempt: 3, at: 20_000 }, { attempt: 4, at: 50_000 }]);
  assert.deepEqual(sent({ counted_failures: 3, failures: 3, next_attempt_ms: 20_000 }), [{ attempt: 4, at: 20_000 }]);
});

test('the axis keeps the order, has every moment inside, and gives milliseconds room beside minutes', () => {
  const moments = [1_000, 1_010, 1_030, 61_000, 361_000];
  const axis = scale([...moments, 1_000]);
  const places = moments.map(axis.x);
  assert.deepEqual([places[0], places.at(-1)], [0, 100]);
  for (let n = 1; n < places.length; n += 1) assert.ok((places[n] ?? 0) - (places[n - 1] ?? 0) > 2, places.join());
  assert.ok(axis.x(31_000) > axis.x(1_030) && axis.x(31_000) < axis.x(61_000));
  assert.deepEqual([axis.x(0), axis.x(999_999)], [0, 100], 'nothing lies outside');
  for (let n = 1; n < axis.ticks.length; n += 1) assert.ok((axis.ticks[n]?.x ?? 0) - (axis.ticks[n - 1]?.x ?? 0) >= 15);
  assert.deepEqual(scale([]).ticks, []);
  assert.equal(scale([5]).x(5), 0);
});

test('how a call stands, in words', () => {
  const word = (mode: Mode, status: State, way: 'forward' | 'backward', more: Partial<Leg>) => callView(txn(mode, status, {}), leg(more), way);
  assert.deepEqual(word('saga', 'committing', 'forward', {}), { look: 'due', word: 'waits for its turn' });
  assert.deepEqual(word('saga', 'committing', 'backward', {}), { look: 'later', word: 'if it turns back' });
  assert.deepEqual(word('saga', 'committing', 'forward', { next_attempt_ms: 5, failures: 3, last_error: 'x' }), { look: 'failing', word: 'failed 3 times' });
  assert.deepEqual(word('saga', 'committing', 'forward', { next_attempt_ms: 5 }).look, 'ongoing');
  assert.deepEqual(word('tcc', 'committed', 'forward', { step: 'done' }), { look: 'done', word: 'confirmed' });
  assert.deepEqual(word('tcc', 'active', 'forward', {}), { look: 'later', word: 'if committed' });
  assert.deepEqual(word('saga', 'rolling_back', 'backward', { step: 'skipped' }), { look: 'never', word: 'not needed' });
  assert.deepEqual(word('saga', 'stopped', 'forward', {}), { look: 'never', word: 'not called' });
  assert.equal(word('saga', 'committing', 'forward', { step: 'done', url: null }).word, 'nobody to call');
});

test('every kind and state has its sentence', () => {
  for (const mode of ['saga', 'tcc', 'xa', 'message', 'notification', 'workflow', 'mixed'] as const) {
    for (const status of ['active', 'committing', 'rolling_back', 'given_up', 'committed', 'rolled_back', 'stopped'] as const) {
      const said = sentence(txn(mode, status, { branches: [branch(0)] }));
      assert.match(said, /^[A-Z].*\.$/, `${mode} ${status}`);
      assert.doesNotMatch(said, /undefined|null/);
    }
  }
  assert.equal(progress(row(1, 'committing')), '1 of 3 done');
  assert.equal(progress(row(1, 'committed', { mode: 'tcc', branches: 1 })), '1 branch');
});

test('what a branch has refused stops a mixed transaction and no other', () => {
  const stands = (mode: Mode, status: State, forward: Partial<Leg>, backward: Partial<Leg>) => refused(txn(mode, status, { branches: [branch(0), branch(1, forward, backward)] }));
  assert.equal(stands('mixed', 'rolling_back', {}, { step: 'refused' }), true);
  assert.equal(stands('mixed', 'committing', { step: 'refused' }, {}), true);
  assert.equal(stands('mixed', 'committing', {}, { step: 'refused' }), false);
  assert.equal(stands('mixed', 'stopped', { step: 'refused' }, { step: 'refused' }), false);
  assert.equal(stands('saga', 'committing', { step: 'refused' }, {}), false);
  assert.match(sentence(txn('mixed', 'rolling_back', { branches: [branch(0, {}, { step: 'refused' })] })), /refused that for good/);
});

test('a branch of a Seata client says what it is', () => {
  assert.deepEqual(seataBranch('seata://jdbc:mysql:%2F%2Fdb%2Fpay/AT/x%20y/10.0.0.7:50123/10.0.0.1:8091'), { resource: 'jdbc:mysql://db/pay', kind: 'AT', application: 'x y', client: '10.0.0.7:50123' });
  for (const url of [null, 'http://a/b/c/d', 'seata://a/b', 'seata://%E0/AT/a/b', 'seata://r//a/b']) assert.equal(seataBranch(url), null, String(url));
});

test('what is typed over the locks is a table, a row, or a transaction', () => {
  assert.deepEqual(meant('acc'), { xid: '', table: 'acc', key: '' });
  assert.deepEqual(meant('account:17'), { xid: '', table: 'account', key: '17' });
  assert.deepEqual(meant('10.0.0.1:8091:77'), { xid: '10.0.0.1:8091:77', table: '', key: '' });
  assert.deepEqual(meant('account:2024-01-01 10:00'), { xid: '', table: 'account', key: '2024-01-01 10:00' });
});

test('the trace is read from traceparent, and nothing else', () => {
  assert.equal(traceId({ Traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }), '0af7651916cd43dd8448eb211c80319c');
  assert.equal(traceId({ traceparent: 'nonsense', tracestate: 'x' }), null);
});
