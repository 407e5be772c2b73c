// eureka-js-client driven over standard input and output: `client.js URL APP ID PORT full|delta`.
// One command a line (list, override S, clear-override, counters, leave), one JSON object a line as the answer.
import { createInterface } from 'node:readline';
import eurekaModule from 'eureka-js-client';

const [url, app, instanceId, port, mode] = process.argv.slice(2);
const { hostname, port: serverPort } = new URL(url);
const counters = { full: 0, delta: 0, heartbeats: 0, registrations: 0, errors: 0 };
const toStderr = (...words) => console.error(...words);
const failure = (...words) => {
  counters.errors += 1;
  console.error(...words);
};

const client = new eurekaModule.Eureka({
  logger: { level: () => 20, debug: () => {}, info: toStderr, warn: toStderr, error: failure },
  shouldUseDelta: mode === 'delta',
  instance: {
    app,
    instanceId,
    hostName: `${instanceId}.test`,
    ipAddr: '127.0.0.1',
    port: { $: Number(port), '@enabled': true },
    vipAddress: app,
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: 1, durationInSecs: 10 },
  },
  eureka: {
    host: hostname,
    port: Number(serverPort),
    servicePath: '/eureka/apps/',
    heartbeatInterval: 1000,
    registryFetchInterval: 1000,
    filterUpInstances: false,
  },
});

// Counts the successful fetches that the client starts by itself.
for (const [key, method] of [['full', 'fetchFullRegistry'], ['delta', 'fetchDelta']]) {
  const original = client[method].bind(client);
  client[method] = (done) => original((error) => {
    if (!error) counters[key] += 1;
    done(error);
  });
}
client.on('heartbeat', () => { counters.heartbeats += 1; });
client.on('registered', () => { counters.registrations += 1; });

const say = (value) => console.log(JSON.stringify(value));

// The library has no status call of its own; its users send one over its transport.
const status = (method, query) => new Promise((resolve, reject) => {
  client.eurekaRequest({ method, uri: `${app}/${instanceId}/status${query}` }, (error, response) => {
    if (error) reject(error);
    else if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`));
    else resolve({ ok: true });
  });
});

const listing = () => Object.values(client.cache.app).flat()
  .map((instance) => ({ app: instance.app, id: instance.instanceId, status: instance.status }))
  .sort((a, b) => `${a.app}/${a.id}`.localeCompare(`${b.app}/${b.id}`));

const answer = async ([command, argument]) => {
  switch (command) {
    case 'list': return { instances: listing() };
    case 'counters': return counters;
    case 'override': return status('PUT', `?value=${argument}`);
    case 'clear-override': return status('DELETE', '');
    case 'leave': return new Promise((resolve) => {
      client.stop((error) => resolve(error ? { error: String(error) } : { ok: true }));
    });
    default: return { error: `unknown command ${command}` };
  }
};

client.start(async (error) => {
  say(error ? { error: String(error) } : { ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const words = line.trim().split(' ');
    say(await answer(words).catch((failed) => ({ error: String(failed) })));
    if (words[0] === 'leave') break;
  }
  process.exit(0);
});
