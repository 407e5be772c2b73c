// Estates to look at: a small one that has some of everything, and one of a hundred thousand instances.
import type { Status } from '../src/api.ts';
import type { Leg } from '../src/txn/api.ts';
import type { Mock } from './mock.ts';
import { attempt, branch, leg } from './transactions.ts';

const NAMES = ['CART', 'CATALOG', 'CHECKOUT', 'CUSTOMERS', 'GATEWAY', 'INVENTORY', 'INVOICES', 'NOTIFICATIONS', 'ORDERS', 'PAYMENTS', 'RECOMMENDATIONS', 'SHIPPING'];

export function small(mock: Mock): void {
  const now = Date.now();
  NAMES.forEach((name, i) => {
    for (let n = 1; n <= 2 + ((i * 5) % 7); n += 1) {
      const host = `${name.toLowerCase()}-${n}.shop.internal`;
      const port = 8080 + i;
      mock.registry.put(name, `${host}:${name.toLowerCase()}:${port}`, {
        host,
        ip: `10.20.${i + 1}.${10 + n}`,
        port,
        zone: n % 2 ? 'eu-west-1a' : 'eu-west-1b',
        registered_ms: now - 3_600_000 * (i + n) - 480_000,
        last_renewal_ms: now - ((i * 7 + n * 11) % 29) * 1000,
        lease: { renew_interval_ms: 30_000, duration_ms: 90_000, remaining_ms: 90_000 - ((i * 7 + n * 11) % 29) * 1000 },
        metadata: { 'management.port': String(port + 1000), version: `2.${i}.${n}`, team: ['storefront', 'fulfilment', 'billing'][i % 3] ?? '' },
        home_page: `http://${host}:${port}/`,
        status_page: `http://${host}:${port}/actuator/info`,
        health_check: `http://${host}:${port}/actuator/health`,
      });
    }
  });
  const id = (name: string, n: number) => `${name.toLowerCase()}-${n}.shop.internal:${name.toLowerCase()}:${8080 + NAMES.indexOf(name)}`;
  mock.registry.put('CATALOG', id('CATALOG', 2), { status: 'DOWN' });
  mock.registry.put('ORDERS', id('ORDERS', 1), { status: 'STARTING' });
  mock.registry.override('PAYMENTS', id('PAYMENTS', 2), 'OUT_OF_SERVICE');
  mock.registry.put('SHIPPING', 'old', {});
  mock.registry.remove('SHIPPING', 'old', 'expired');
  mock.registry.remove('INVOICES', id('INVOICES', 3), 'cancelled');
  mock.peers = [
    { url: 'http://synod-1.shop.internal:8761/eureka/', name: 'mock-1', kind: 'synod', state: 'self', reachable: true, lag_ms: 0, queued: 0, sent: 0, failed: 0, last_success_ms: null, last_error: null },
    { url: 'http://synod-2.shop.internal:8761/eureka/', name: 'synod-2', kind: 'synod', state: 'idle', reachable: true, lag_ms: 3, queued: 0, sent: 48_213, failed: 0, last_success_ms: now - 800, last_error: null },
    { url: 'http://eureka-old.shop.internal:8761/eureka/', name: null, kind: 'eureka', state: 'backoff', reachable: false, lag_ms: 74_000, queued: 211, sent: 9_120, failed: 14, last_success_ms: now - 74_000, last_error: 'connect to 10.20.0.9:8761: connection refused' },
  ];
}

export const INSTANCES = 100_000;

/** A hundred to a service; every 997th is down. */
export const serviceOf = (i: number) => `SERVICE-${String(Math.floor(i / 100)).padStart(4, '0')}`;
export const hostOf = (i: number) => `host-${String(i).padStart(6, '0')}.fleet.internal`;
export const idOf = (i: number) => `${hostOf(i)}:8080`;
export const ipOf = (i: number) => `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
export const statusOf = (i: number): Status => (i % 997 === 0 ? 'DOWN' : 'UP');

/** `instances` of them, a hundred to a service. */
export function large(mock: Mock, instances: number): void {
  for (let i = 0; i < instances; i += 1) {
    mock.registry.fill(serviceOf(i), idOf(i), { host: hostOf(i), ip: ipOf(i), status: statusOf(i) });
  }
}

/** Some transactions of every kind, in every state. */
export function transactions(mock: Mock): void {
  const of = mock.transactions;
  const now = Date.now();
  const shop = (name: string, path: string) => `http://${name}.shop.internal:8080/${path}`;
  const ok = (at: number): Partial<Leg> => ({ step: 'done', at_ms: at });
  for (let n = 0; n < 70; n += 1) {
    const begun = now - 4_000_000 + n * 50_000;
    const saga = n % 3 !== 0;
    const status = n % 17 === 5 ? 'rolled_back' : 'committed';
    of.put(saga ? 'saga' : 'tcc', status, {
      gid: `order-${48_211 + n}`,
      name: saga ? 'place-order' : 'reserve-seats',
      begun_ms: begun,
      decided_ms: begun + 2,
      touched_ms: begun + 40,
      reason: status === 'rolled_back' ? 'card declined' : '',
      details: { branches: [0, 1, 2].map((number) => branch(number, `0${number + 1}`, leg(shop('stock', 'reserve'), ok(begun + 10 * number)))) },
    });
  }
  of.put('saga', 'rolling_back', {
    gid: 'order-48290',
    name: 'place-order',
    reason: 'card declined: insufficient funds',
    begun_ms: now - 95_000,
    decided_ms: now - 94_200,
    touched_ms: now - 94_150,
    details: {
      timeout_ms: 300_000,
      retry_interval_ms: 2_000,
      headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      payload: null,
      branches: [
        branch(0, '01', leg(shop('stock', 'reserve'), ok(now - 94_960)), leg(shop('stock', 'release'), { failures: 5, counted_failures: 0, last_error: '503 Service Unavailable: the warehouse is being moved', next_attempt_ms: now + 23_000 }), { joined_ms: now - 95_000, payload: { bytes: 41, json: { order: 48290, items: [{ sku: 'A-17', count: 2 }] } } }),
        branch(1, '02', leg(shop('vouchers', 'redeem'), ok(now - 94_500)), leg(shop('vouchers', 'restore'), ok(now - 94_150)), { joined_ms: now - 95_000, payload: { bytes: 25, json: { voucher: 'WINTER-10' } } }),
        branch(2, '03', leg(shop('payments', 'charge'), { step: 'refused', at_ms: now - 94_200 }), leg(shop('payments', 'refund'), ok(now - 94_180)), { joined_ms: now - 95_000, payload: { bytes: 30, json: { amount: 8990, currency: 'EUR' } } }),
        branch(3, '04', leg(shop('shipping', 'book')), leg(shop('shipping', 'cancel'), { step: 'skipped' }), { joined_ms: now - 95_000 }),
      ],
      attempts: [
        attempt(0, 'forward', now - 94_995, 35, 'done'),
        attempt(1, 'forward', now - 94_955, 205, 'failed', 'no answer within 200 ms'),
        attempt(1, 'forward', now - 94_540, 40, 'done'),
        attempt(2, 'forward', now - 94_490, 290, 'refused', 'card declined: insufficient funds'),
        attempt(2, 'backward', now - 94_195, 15, 'done'),
        attempt(1, 'backward', now - 94_175, 25, 'done'),
        ...[94_140, 92_000, 87_900, 79_800, 63_500].map((ago) => attempt(0, 'backward', now - ago, 30, 'failed', '503 Service Unavailable: the warehouse is being moved')),
      ],
    },
  });
  of.put('saga', 'committing', {
    gid: 'order-48291',
    name: 'place-order',
    begun_ms: now - 41_000,
    decided_ms: now - 41_000,
    details: {
      branches: [
        branch(0, '01', leg(shop('stock', 'reserve'), ok(now - 40_960)), leg(shop('stock', 'release')), { joined_ms: now - 41_000 }),
        branch(1, '02', leg(shop('payments', 'charge'), { failures: 1, last_error: 'connection refused', calling_since_ms: now - 3_000 }), leg(shop('payments', 'refund')), { joined_ms: now - 41_000 }),
      ],
      attempts: [attempt(0, 'forward', now - 40_990, 30, 'done'), attempt(1, 'forward', now - 40_950, 2, 'failed', 'connection refused')],
    },
  });
  of.put('tcc', 'active', {
    gid: 'transfer-7731',
    name: 'transfer',
    begun_ms: now - 4_000,
    details: {
      timeout_ms: 30_000,
      branches: [branch(0, 'debit', leg(shop('bank-a', 'confirm')), leg(shop('bank-a', 'cancel')), { joined_ms: now - 3_900 }), branch(1, 'credit', leg(shop('bank-b', 'confirm')), leg(shop('bank-b', 'cancel')), { joined_ms: now - 3_700 })],
    },
  });
  of.put('xa', 'committing', { gid: 'payroll-2026-11', begun_ms: now - 2_000, decided_ms: now - 1_900, details: { branches: [branch(0, '01', leg(shop('bank-a', 'xa'), ok(now - 1_800)), leg(shop('bank-a', 'xa'))), branch(1, '02', leg(shop('bank-b', 'xa')), leg(shop('bank-b', 'xa')))] } });
  of.put('message', 'active', { gid: 'order-48291-placed', name: 'orders', begun_ms: now - 6_000, details: { timeout_ms: 30_000, back_check: leg(shop('orders', 'was-it-placed')), branches: [branch(0, '01', leg(shop('mail', 'on-order'))), branch(1, '02', leg(shop('stats', 'on-order')))], payload: null } });
  of.put('message', 'committing', {
    gid: 'order-48288-placed',
    name: 'orders',
    begun_ms: now - 66_000,
    decided_ms: now - 65_900,
    details: {
      branches: [branch(0, '01', leg(shop('mail', 'on-order'), ok(now - 65_800))), branch(1, '02', leg(shop('stats', 'on-order'), { failures: 4, last_error: 'connection refused', next_attempt_ms: now + 4_000 }))],
      attempts: [attempt(0, 'forward', now - 65_850, 20, 'done'), ...[65_850, 64_800, 62_700, 58_600].map((ago) => attempt(1, 'forward', now - ago, 2, 'failed', 'connection refused'))],
    },
  });
  const failed = (agos: number[]) => agos.map((ago) => attempt(0, 'forward', now - ago, 8, 'failed', '500 Internal Server Error'));
  of.put('notification', 'committing', {
    gid: 'bill-9',
    name: 'bills',
    begun_ms: now - 34_000,
    decided_ms: now - 34_000,
    details: { schedule_ms: [15_000, 15_000, 30_000, 180_000, 600_000], branches: [branch(0, '01', leg(shop('books', 'hook'), { failures: 3, counted_failures: 3, last_error: '500 Internal Server Error', next_attempt_ms: now + 26_000 }))], attempts: failed([34_000, 19_000, 4_000]) },
  });
  of.put('notification', 'given_up', {
    gid: 'bill-8',
    name: 'bills',
    reason: 'the schedule is over and nobody has acknowledged it',
    begun_ms: now - 900_000,
    decided_ms: now - 840_000,
    details: { schedule_ms: [15_000, 45_000], branches: [branch(0, '01', leg(shop('books', 'hook'), { counted_failures: 3 }))], attempts: failed([900_000, 885_000, 840_000]) },
  });
  of.put('workflow', 'active', { gid: 'onboarding-311', begun_ms: now - 9_000, details: { timeout_ms: 30_000, back_check: leg(shop('onboarding', 'run')), branches: [branch(0, '01', leg(null, ok(now - 8_000)), leg(null), { label: 'create-account', joined_ms: now - 8_000 })] } });
  of.put('tcc', 'stopped', { gid: 'transfer-7702', reason: 'bank B is gone for good', begun_ms: now - 700_000, decided_ms: now - 5_000, details: { branches: [branch(0, 'debit', leg(shop('bank-a', 'confirm')), leg(shop('bank-a', 'cancel')))] } });
  const seata = (resource: string, kind: string, application: string) => `seata://${encodeURIComponent(resource).replaceAll('%3A', ':')}/${kind}/${application}/10.0.0.7:50123/10.20.0.1:8091`;
  const stock = 'jdbc:mysql://db-1:3306/stock';
  const at = (more: Partial<Leg> = {}) => leg(seata(stock, 'AT', 'stock service'), { protocol: 'seata', ...more });
  const order = of.put('mixed', 'rolling_back', {
    name: 'order',
    reason: 'no credit',
    begun_ms: now - 95_000,
    decided_ms: now - 90_000,
    details: {
      branches: [
        branch(0, '7001', at(), at({ step: 'refused', at_ms: now - 88_000 }), { joined_ms: now - 94_000 }),
        branch(1, '7002', leg(seata('credit', 'TCC', 'bank'), { protocol: 'seata' }), leg(seata('credit', 'TCC', 'bank'), { protocol: 'seata', ...ok(now - 89_000) }), { joined_ms: now - 93_000 }),
      ],
      attempts: [attempt(1, 'backward', now - 89_000, 12, 'done'), attempt(0, 'backward', now - 88_000, 9, 'refused', 'the row was changed by somebody else')],
    },
  });
  const waiter = of.put('mixed', 'active', { name: 'restock', begun_ms: now - 2_000, details: { timeout_ms: 60_000 } });
  of.locks = ['17', '18'].map((key) => ({ xid: order.xid, name: 'order', status: 'rolling_back', number: 0, branch: '7001', resource: stock, table: 'amount', key, since_ms: now - 94_000 }));
  of.waits = [{ waiter: waiter.xid, waiter_name: 'restock', holder: order.xid, holder_name: 'order', resource: stock, table: 'amount', key: '17', count: 28, first_ms: now - 1_900, last_ms: now - 10, waiting: true }];
  of.topics = [
    { name: 'bills', version: 1, created_ms: now - 90_000_000, changed_ms: now - 90_000_000, subscribers: [{ url: shop('books', 'hook'), remark: 'accounting' }] },
    { name: 'orders', version: 4, created_ms: now - 90_000_000, changed_ms: now - 3_600_000, subscribers: [{ url: shop('mail', 'on-order'), remark: '' }, { url: shop('stats', 'on-order'), remark: 'nightly figures' }] },
  ];
}
