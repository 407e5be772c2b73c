// The fleet of a hundred thousand, on the mock; tests/node/scale.test.ts has it on the real server.
import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { INSTANCES, idOf, large, serviceOf } from '../estate.ts';
import type { Mock } from '../mock.ts';
import { fleetTests } from './fleet.ts';
import { Stage } from './harness.ts';

let stage: Stage;

before(async () => {
  stage = await Stage.open(true);
  large(stage.mock as Mock, INSTANCES);
});
afterEach(async () => assert.deepEqual(await stage.sweep(), [], 'the browser complained'));
after(() => stage.close());

fleetTests({
  stage: () => stage,
  change: (i, status) => void (stage.mock as Mock).registry.put(serviceOf(i), idOf(i), { status }),
});
