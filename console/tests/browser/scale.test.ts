// A hundred thousand instances: the console reads pages, not the registry, and keeps up with a thousand changes a second.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { large } from '../estate.ts';
import { Mock } from '../mock.ts';
import { Stage, live } from './harness.ts';

const INSTANCES = 100_000;
let stage: Stage;
let mock: Mock;

before(async () => {
  stage = await Stage.open(true);
  mock = stage.mock as Mock;
  large(mock, INSTANCES);
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(() => stage.close());

test('the first view of each list is quick and small', async (t) => {
  for (const [path, rows] of [['/', '.services tbody tr'], ['/ui/instances', '.instances tbody tr'], ['/ui/services/SERVICE-0500', '.instances tbody tr']] as const) {
    const began = Date.now();
    const page = await stage.page(path);
    await page.waitForSelector(rows);
    const took = Date.now() - began;
    const shown = await page.locator(rows).count();
    const elements = await page.locator('*').count();
    const bytes = await page.evaluate(() => performance.getEntriesByType('resource').reduce((sum, one) => sum + (one as PerformanceResourceTiming).encodedBodySize, 0));
    t.diagnostic(`${path}: ${took} ms to the first rows, ${elements} elements, ${bytes} bytes`);
    assert.equal(shown, 50);
    assert.ok(elements < 1_500, `${elements} elements`);
    assert.ok(bytes < 300_000, `${bytes} bytes read`);
    assert.ok(took < 5_000, `${took} ms`);
  }
});

test('pages turn forth and back by cursor, by key and by the browser, to the very end', async () => {
  const page = await stage.page('/ui/instances');
  await page.waitForSelector('text=1–50 of 100,000 instances');
  await page.keyboard.press('n');
  await page.waitForSelector('text=51–100 of 100,000 instances');
  await page.waitForSelector('text=host-000050.fleet.internal');
  await page.click('[data-page=next]');
  await page.waitForSelector('text=101–150 of 100,000 instances');
  await page.keyboard.press('p');
  await page.waitForSelector('text=host-000050.fleet.internal');
  await page.goBack();
  await page.waitForSelector('text=101–150 of 100,000 instances');
  await page.reload();
  await page.waitForSelector('text=101–150 of 100,000 instances');
  await page.click('text=Previous');
  await page.click('text=Previous');
  await page.waitForSelector('text=1–50 of 100,000 instances');
  assert.equal(await page.locator('[data-page=previous]').isDisabled(), true);
});

test('one instance of a hundred thousand is found by its host', async () => {
  const page = await stage.page('/ui/instances');
  await page.fill('[data-search]', 'host-077777');
  await page.waitForFunction(() => document.querySelectorAll('.instances tbody tr').length === 1);
  await page.click('.instances tbody a.name');
  await page.waitForSelector('h1:has-text("host-077777.fleet.internal:8080")');
});

test('a status narrows the hundred thousand', async () => {
  const page = await stage.page('/ui/instances');
  await page.click('.filter button:has-text("down")');
  await page.waitForSelector('text=1–50 of 101 instances');
  assert.equal(await page.locator('.instances [data-status=UP]').count(), 0);
});

test('a thousand changes a second elsewhere cost little, and those on screen show', async (t) => {
  const page = await stage.page('/ui/services/SERVICE-0000');
  await live(page);
  await page.waitForSelector('.instances');
  // Each change is worked off before it is painted: long tasks would show as frames that never come.
  await page.evaluate(() => {
    const seen = { frames: 0, worst: 0 };
    let last = performance.now();
    const frame = (at: number) => {
      seen.frames += 1;
      seen.worst = Math.max(seen.worst, at - last);
      last = at;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    Object.assign(window, { seen });
  });
  const before = mock.asked.length;
  for (let tick = 0; tick < 100; tick += 1) {
    for (let n = 0; n < 10; n += 1) {
      const i = 100 + tick * 10 + n;
      mock.registry.put(`SERVICE-${String(Math.floor(i / 100)).padStart(4, '0')}`, `host-${String(i).padStart(6, '0')}.fleet.internal:8080`, { status: 'DOWN' });
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  mock.registry.put('SERVICE-0000', 'host-000007.fleet.internal:8080', { status: 'OUT_OF_SERVICE' });
  await page.waitForSelector('.instances [data-status=OUT_OF_SERVICE]');
  const seen = await page.evaluate(() => (window as unknown as { seen: { frames: number; worst: number } }).seen);
  const asked = mock.asked.length - before;
  t.diagnostic(`${seen.frames} frames, the longest ${seen.worst.toFixed(0)} ms, ${asked} questions`);
  assert.ok(asked < 20, `${asked} questions for a thousand changes that are not on screen`);
  assert.ok(seen.worst < 1_000, `a frame took ${seen.worst} ms`);
});
