// The fleet of a hundred thousand, on the real server.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { fleetTests } from '../browser/fleet.ts';
import { Stage } from '../browser/harness.ts';
import { INSTANCES, hostOf, idOf, ipOf, serviceOf, statusOf } from '../estate.ts';
import { Node } from './node.ts';

const BATCH = 1_000;
let node: Node;
let stage: Stage;

/** As a peer would tell of it: the quickest way to many. The leases outlast the tests. */
function registration(i: number): object {
  const now = Date.now();
  const status = statusOf(i);
  const instanceInfo = {
    instanceId: idOf(i),
    hostName: hostOf(i),
    app: serviceOf(i),
    ipAddr: ipOf(i),
    status,
    port: { $: 8080, '@enabled': 'true' },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: 1200, durationInSecs: 3600 },
    metadata: { zone: `z${i % 3}`, 'management.port': '9090' },
    vipAddress: serviceOf(i).toLowerCase(),
    lastDirtyTimestamp: String(now),
  };
  return { appName: serviceOf(i), id: idOf(i), lastDirtyTimestamp: now, status, action: 'Register', instanceInfo };
}

async function fill(): Promise<void> {
  for (let from = 0; from < INSTANCES; from += BATCH) {
    const replicationList = Array.from({ length: BATCH }, (_, n) => registration(from + n));
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await fetch(`${node.url}/eureka/peerreplication/batch/`, { method: 'POST', headers, body: JSON.stringify({ replicationList }) });
    if (response.status !== 200) throw new Error(`batch at ${from}: ${response.status}`);
    await response.arrayBuffer();
  }
}

before(async () => {
  node = await Node.start('registry.self.register=false', 'log.level=warn');
  await fill();
  stage = await Stage.open(false, node.url);
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(async () => {
  await stage?.close();
  await node?.stop();
});

test('a hundred thousand are registered', async (t) => {
  const registry = (await (await fetch(`${node.url}/v1/registry`)).json()) as { instances: number; applications: number };
  assert.deepEqual([registry.instances, registry.applications], [INSTANCES, INSTANCES / 100]);
  t.diagnostic(`${node.memoryMib().toFixed(0)} MiB resident`);
});

fleetTests({
  stage: () => stage,
  change: (i, status) => stage.register(serviceOf(i), idOf(i), { host: hostOf(i), ip: ipOf(i), status }),
});
