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
  const pages = { '/': 'services', '/ui': 'services', '/ui/': 'services', '/ui/services': 'services', '/ui/peers': 'peers', '/ui/changes/': 'changes', '/ui/node': 'node', '/ui/instances': 'instances', '/ui/transactions': 'transactions', '/ui/transactions/': 'transactions', '/ui/messages': 'messages', '/ui/notifications': 'notifications', '/ui/topics': 'topics', '/ui/locks': 'locks' };
  for (const [path, page] of Object.entries(pages)) assert.equal(router.match(path).page, page, path);
  for (const path of ['/nope', '/ui/nope', '/ui/peers/x', '/ui/services/a/b/c', '/ui/transactions/a/b', '/ui/topics/a', '/ui/services/%E0%A4%A']) {
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

test('a transaction has a page by its XID and by its gid', () => {
  assert.equal(router.txnHref('127.0.0.1:8761:42'), '/ui/transactions/127.0.0.1:8761:42');
  for (const id of ['127.0.0.1:8761:42', 'order/1 ä?#%', 'attention']) {
    assert.deepEqual(router.match(router.txnHref(id)), { page: 'transaction', id });
  }
  assert.deepEqual(router.match('/ui/transactions/127.0.0.1%3A8761%3A42'), { page: 'transaction', id: '127.0.0.1:8761:42' });
});
