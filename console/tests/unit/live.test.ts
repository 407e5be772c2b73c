// The live path without a browser: stream parsing, coalescing, merging.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change, Instance, Page, Service, Status } from '../../src/api.ts';
import { Coalescer, REGISTRY } from '../../src/live/coalesce.ts';
import { joinRecent, noteModified, select } from '../../src/live/feed.ts';
import { mergeInstances, mergeServices } from '../../src/live/merge.ts';
import { SseParser } from '../../src/live/sse.ts';
import { includes } from '../../src/live/version.ts';

const instance = (service: string, id: string, status: Status = 'UP') => ({ service, id, status, updated_ms: 7 }) as Instance;

function change(version: string, kind: Change['kind'], service: string, id: string, status: Status = 'UP'): Change {
  return { version, kind, service, id, status, instance: kind === 'removed' ? null : instance(service, id, status) };
}

const page = (version: string, ...items: Instance[]): Page<Instance> => ({ version, total: 40, next: null, items });
const everything = { service: null, filtered: false };

test('a version includes what came before it in its own epoch only', () => {
  assert.equal(includes('e.5', 'e.5'), true);
  assert.equal(includes('e.10', 'e.9'), true);
  assert.equal(includes('e.9', 'e.10'), false);
  assert.equal(includes('e.9', 'f.1'), false);
  assert.equal(includes('a.b.9', 'a.b.2'), true);
});

test('events come out of the stream however it is cut', () => {
  const text = ': hello\r\n\r\nid: e.1\nevent: change\ndata: {"a":\ndata: 1}\n\n:beat\n\nid: e.2\r\nevent: reset\r\ndata: x\r\n\r\ndata:bare\r\r';
  const whole = new SseParser().push(`${text}\n`);
  assert.deepEqual(whole, [
    { id: 'e.1', event: 'change', data: '{"a":\n1}' },
    { id: 'e.2', event: 'reset', data: 'x' },
    { id: 'e.2', event: 'message', data: 'bare' },
  ]);
  for (let size = 1; size < 9; size += 1) {
    const parser = new SseParser();
    const events = [];
    for (let at = 0; at <= text.length; at += size) events.push(...parser.push(`${text}\n`.slice(at, at + size)));
    assert.deepEqual(events, whole, `pieces of ${size}`);
  }
});

test('a stream that is not ours is refused rather than collected', () => {
  const parser = new SseParser();
  assert.throws(() => {
    for (let i = 0; i < 100; i += 1) parser.push('x'.repeat(100_000));
  }, /too large/);
});

function harness() {
  let flush: (() => void) | null = null;
  const delivered: Change[][] = [];
  let overflows = 0;
  const coalescer = new Coalescer(
    REGISTRY,
    (run) => {
      assert.equal(flush, null, 'one frame at a time');
      flush = run;
    },
    (changes) => delivered.push(changes),
    () => (overflows += 1),
  );
  const frame = () => {
    const run = flush;
    flush = null;
    run?.();
  };
  return { coalescer, delivered, frame, overflows: () => overflows };
}

test('a frame brings the latest change of each instance, once', () => {
  const { coalescer, delivered, frame } = harness();
  for (let n = 1; n <= 500; n += 1) coalescer.add(change(`e.${n}`, 'modified', 'A', String(n % 3)));
  assert.equal(delivered.length, 0, 'nothing before the frame');
  frame();
  assert.deepEqual(delivered.map((batch) => batch.map((one) => one.version)), [['e.498', 'e.499', 'e.500']]);
  coalescer.add(change('e.501', 'removed', 'A', '1'));
  frame();
  assert.equal(delivered[1]?.length, 1);
});

test('an addition that is modified within the frame is still an addition', () => {
  const { coalescer, delivered, frame } = harness();
  coalescer.add(change('e.1', 'added', 'A', '1'));
  coalescer.add(change('e.2', 'modified', 'A', '1', 'DOWN'));
  coalescer.add(change('e.3', 'added', 'A', '2'));
  coalescer.add(change('e.4', 'removed', 'A', '2'));
  frame();
  assert.deepEqual(delivered[0]?.map((one) => [one.kind, one.version, one.status]), [
    ['added', 'e.2', 'DOWN'],
    ['removed', 'e.4', 'UP'],
  ]);
});

test('too much in one frame is a reset, and what follows is delivered again', () => {
  const { coalescer, delivered, frame, overflows } = harness();
  for (let n = 0; n < 20_000; n += 1) coalescer.add(change(`e.${n}`, 'modified', 'A', String(n)));
  frame();
  assert.deepEqual([delivered.length, overflows()], [0, 1]);
  coalescer.add(change('e.20001', 'modified', 'A', '1'));
  frame();
  assert.deepEqual([delivered.length, overflows()], [1, 1]);
});

test('rows on screen take their change, others are not added', () => {
  const merged = mergeInstances(page('e.1', instance('A', '1'), instance('A', '2')), [change('e.2', 'modified', 'A', '2', 'DOWN'), change('e.3', 'modified', 'B', '9')], everything);
  assert.deepEqual(merged.page.items.map((row) => row.status), ['UP', 'DOWN']);
  assert.deepEqual([merged.stale, merged.touched, merged.page.total], ['no', ['A/2'], 40]);
});

test('what a page already includes is not applied again', () => {
  const before = page('e.5', instance('A', '1'));
  const merged = mergeInstances(before, [change('e.4', 'removed', 'A', '1'), change('e.5', 'modified', 'A', '1', 'DOWN')], everything);
  assert.equal(merged.page, before);
  assert.equal(merged.stale, 'no');
});

test('a removal takes the row away and asks for the page again', () => {
  const merged = mergeInstances(page('e.1', instance('A', '1'), instance('A', '2')), [change('e.2', 'removed', 'A', '1')], everything);
  assert.deepEqual([merged.page.items.map((row) => row.id), merged.page.total, merged.stale], [['2'], 39, 'hard']);
});

test('an addition elsewhere asks for the page when convenient, one of another service does not', () => {
  const added = [change('e.2', 'added', 'B', '1')];
  assert.equal(mergeInstances(page('e.1', instance('A', '1')), added, everything).stale, 'soft');
  assert.equal(mergeInstances(page('e.1', instance('A', '1')), added, { service: 'A', filtered: false }).stale, 'no');
});

test('with a filter a modification may bring a row in or put one out', () => {
  const filtered = { service: null, filtered: true };
  assert.equal(mergeInstances(page('e.1'), [change('e.2', 'modified', 'A', '7', 'DOWN')], filtered).stale, 'soft');
  assert.equal(mergeInstances(page('e.1', instance('A', '7')), [change('e.2', 'modified', 'A', '7', 'DOWN')], filtered).stale, 'hard');
});

test('services are read again for what is on screen, at leisure for what is not', () => {
  const services: Page<Service> = { version: 'e.1', total: 9, next: null, items: [{ name: 'A', instances: 1, statuses: { UP: 1 } }] };
  assert.deepEqual(mergeServices(services, [change('e.2', 'modified', 'A', '1'), change('e.3', 'modified', 'A', '2')]), { page: services, stale: 'hard', touched: ['A'] });
  assert.equal(mergeServices(services, [change('e.2', 'modified', 'B', '1')]).stale, 'no');
  assert.equal(mergeServices(services, [change('e.2', 'removed', 'B', '1')]).stale, 'soft');
  assert.equal(mergeServices(services, [change('e.1', 'removed', 'A', '1')]).stale, 'no');
});

test('the feed joins memory and observation, newest first, and filters', () => {
  const seen = noteModified([], [change('e.1', 'modified', 'A', '1', 'DOWN'), change('e.2', 'added', 'A', '2'), change('e.3', 'removed', 'A', '3')]);
  assert.deepEqual(seen.map((entry) => [entry.kind, entry.id, entry.status]), [['modified', '1', 'DOWN']]);
  const recent = { registered: [{ at_ms: 9, service: 'A', id: '2' }], removed: [{ at_ms: 8, service: 'B', id: '3', reason: 'expired' as const }] };
  const all = joinRecent(recent, seen);
  assert.deepEqual(all.map((entry) => [entry.kind, entry.at]), [['registered', 9], ['expired', 8], ['modified', 7]]);
  assert.deepEqual(select(all, 'removed', '').map((entry) => entry.id), ['3']);
  assert.deepEqual(select(all, 'all', 'b').map((entry) => entry.id), ['3']);
  assert.deepEqual(select(all, 'registered', 'b'), []);
});

test('the feed of modifications is bounded', () => {
  let seen = noteModified([], []);
  for (let n = 0; n < 30; n += 1) seen = noteModified(seen, Array.from({ length: 100 }, (_, i) => change(`e.${n * 100 + i}`, 'modified', 'A', String(i))));
  assert.equal(seen.length, 1_000);
  assert.equal(seen[0]?.id, '99');
});
