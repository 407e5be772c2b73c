// Addresses to pages and back.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';

type Router = typeof import('../../src/router.ts');
let router: Router;

before(async () => {
  Object.assign(globalThis, { window: { location: { pathname: '/', search: '' } }, history: { state: null } });
  router = await import('../../src/router.ts');
});

test('paths', () => {
  const pages = { '/': 'services', '/ui': 'services', '/ui/': 'services', '/ui/services': 'services', '/ui/peers': 'peers', '/ui/changes/': 'changes', '/ui/node': 'node', '/ui/instances': 'instances' };
  for (const [path, page] of Object.entries(pages)) assert.equal(router.match(path).page, page, path);
  for (const path of ['/nope', '/ui/nope', '/ui/peers/x', '/ui/services/a/b/c', '/ui/services/%E0%A4%A']) {
    assert.equal(router.match(path).page, 'unknown', path);
  }
});

test('any name and id survive the address', () => {
  for (const [service, id] of [['CART', 'host:cart:8080'], ['A/B', 'x/y?z#1'], ['ÜNÏCODE 100%', '{"json":1}'], ['A', 'ä%2Fb']]) {
    assert.deepEqual(router.match(router.instanceHref(service!, id!)), { page: 'instance', service, id });
    assert.deepEqual(router.match(router.serviceHref(service!)), { page: 'service', service });
  }
  assert.deepEqual(router.match('/ui/services/cart/Id'), { page: 'instance', service: 'CART', id: 'Id' });
});
