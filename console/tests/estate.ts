// Estates to look at: a small one that has some of everything, and one of a hundred thousand instances.
import type { Status } from '../src/api.ts';
import type { Mock } from './mock.ts';

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
