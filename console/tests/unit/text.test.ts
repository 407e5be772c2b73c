// What people read, and what addresses mean.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ago, clock, count, duration, moment, number, safeLink, skewFrom } from '../../src/format.ts';

test('numbers', () => {
  assert.deepEqual([number(0), number(100_000), number(5.1), number(100.30000001), number(6.0)], ['0', '100,000', '5.1', '100.3', '6']);
  assert.deepEqual([count(1, 'instance'), count(2_000, 'instance'), count(0, 'entry', 'entries')], ['1 instance', '2,000 instances', '0 entries']);
});

test('lengths of time', () => {
  const read = [0, 850, 12_900, 60_000, 185_000, 7_440_000, 442_800_000].map(duration);
  assert.deepEqual(read, ['0 ms', '850 ms', '12 s', '1 min', '3 min 5 s', '2 h 4 min', '5 d 3 h']);
  assert.deepEqual([0, 999, 1_000, 59_999, 60_000, 3_600_000, 172_800_000].map(ago), ['now', 'now', '1 s ago', '59 s ago', '1 min ago', '1 h ago', '2 d ago']);
});

test('moments are told in local time', () => {
  const at = new Date(2026, 10, 2, 3, 4, 5).getTime();
  assert.equal(clock(at), '03:04:05');
  assert.equal(moment(at), '2026-11-02 03:04:05');
});

test('a clock that is ahead is noticed, the rounding of a Date header is not', () => {
  const date = 'Sun, 22 Nov 2026 10:00:00 GMT';
  const at = Date.parse(date);
  assert.equal(skewFrom(date, at + 900), 0);
  assert.equal(skewFrom(date, at - 60_000), 60_000);
  assert.equal(skewFrom('nonsense', at), 0);
});

test('only pages of the web are linked to', () => {
  assert.equal(safeLink('http://host:80/x'), 'http://host/x');
  assert.equal(safeLink('https://host/'), 'https://host/');
  for (const bad of ['javascript:alert(1)', ' JavaScript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', '/relative', '', null]) {
    assert.equal(safeLink(bad), null, String(bad));
  }
});
