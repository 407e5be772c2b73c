// What must hold of the console with a hundred thousand instances, whoever serves them: it reads pages, not the registry,
// and keeps up with a thousand changes a second.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import type { Status } from '../../src/api.ts';
import { type Stage, live } from './harness.ts';

export interface Fleet {
  stage(): Stage;
  /** The instance says that it has another status now. */
  change(i: number, status: Status): Promise<void> | void;
}

/** Bytes, questions and the slowest answer, of everything under /v1 that this page asked for. */
const spent = (page: Page) =>
  page.evaluate(() => {
    const all = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    // The stream of changes never ends by itself.
    const asked = all.filter((one) => one.name.includes('/v1/') && !one.name.includes('/v1/watch'));
    return {
      bytes: all.reduce((sum, one) => sum + one.encodedBodySize, 0),
      asked: asked.length,
      slowest: asked.reduce((most, one) => Math.max(most, one.duration), 0),
    };
  });

export function fleetTests(fleet: Fleet): void {
  test('the first view of each list is quick and small', async (t) => {
    for (const [path, rows] of [['/', '.services tbody tr'], ['/ui/instances', '.instances tbody tr'], ['/ui/services/SERVICE-0500', '.instances tbody tr']] as const) {
      const began = Date.now();
      const page = await fleet.stage().page(path);
      await page.waitForSelector(rows);
      const took = Date.now() - began;
      const shown = await page.locator(rows).count();
      const elements = await page.locator('*').count();
      const { bytes, slowest } = await spent(page);
      t.diagnostic(`${path}: ${took} ms to the first rows, ${elements} elements, ${bytes} bytes, slowest answer ${slowest.toFixed(0)} ms`);
      assert.equal(shown, 50);
      assert.ok(elements < 1_500, `${elements} elements`);
      assert.ok(bytes < 300_000, `${bytes} bytes read`);
      assert.ok(took < 5_000, `${took} ms`);
    }
  });

  test('pages turn forth and back by cursor, by key and by the browser, to the very end', async (t) => {
    const page = await fleet.stage().page('/ui/instances');
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
    const { bytes, asked, slowest } = await spent(page);
    t.diagnostic(`since the reload: ${asked} questions, ${bytes} bytes, slowest answer ${slowest.toFixed(0)} ms`);
    assert.ok(bytes < 600_000, `${bytes} bytes read`);
  });

  test('one instance of a hundred thousand is found by its host', async (t) => {
    const page = await fleet.stage().page('/ui/instances');
    await page.waitForSelector('.instances tbody tr');
    const began = Date.now();
    await page.fill('[data-search]', 'host-077777');
    await page.waitForFunction(() => document.querySelectorAll('.instances tbody tr').length === 1);
    const took = Date.now() - began;
    await page.click('.instances tbody a.name');
    await page.waitForSelector('h1:has-text("host-077777.fleet.internal:8080")');
    const { slowest } = await spent(page);
    t.diagnostic(`found after ${took} ms, slowest answer ${slowest.toFixed(0)} ms`);
    assert.ok(took < 5_000, `${took} ms`);
  });

  test('a status narrows the hundred thousand', async () => {
    const page = await fleet.stage().page('/ui/instances');
    await page.click('.filter button:has-text("down")');
    await page.waitForSelector('text=1–50 of 101 instances');
    assert.equal(await page.locator('.instances [data-status=UP]').count(), 0);
  });

  test('a thousand changes a second elsewhere cost little, and those on screen show', async (t) => {
    const page = await fleet.stage().page('/ui/services/SERVICE-0000');
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
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().includes('/v1/')) asked += 1;
    });
    for (let tick = 0; tick < 100; tick += 1) {
      await Promise.all(Array.from({ length: 10 }, (_, n) => fleet.change(100 + tick * 10 + n, 'DOWN')));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await fleet.change(7, 'OUT_OF_SERVICE');
    await page.waitForSelector('.instances [data-status=OUT_OF_SERVICE]');
    const seen = await page.evaluate(() => (window as unknown as { seen: { frames: number; worst: number } }).seen);
    t.diagnostic(`${seen.frames} frames, the longest ${seen.worst.toFixed(0)} ms, ${asked} questions`);
    assert.ok(asked < 20, `${asked} questions for a thousand changes that are not on screen`);
    assert.ok(seen.worst < 1_000, `a frame took ${seen.worst} ms`);
  });
}
