// The mock by hand, for looking at the console: `npm run mock -- [port] [instances]`, with a little life in it.
import { large, small, transactions } from './estate.ts';
import { Mock } from './mock.ts';

const [port = '8790', instances = '0'] = process.argv.slice(2);
const mock = await Mock.start(Number(port));
if (Number(instances) > 0) large(mock, Number(instances));
else small(mock);
transactions(mock);
setInterval(() => mock.registry.put('GATEWAY', 'gateway-1', { status: Math.random() < 0.5 ? 'UP' : 'DOWN' }), 3_000);
console.log(`console with invented data at ${mock.url}/`);
