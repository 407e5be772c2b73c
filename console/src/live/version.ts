// Registry versions, `EPOCH.N`: the epoch changes with each start of a node, N counts its changes.

/** True when something read at `have` already includes the change `then`. Versions of other epochs never do. */
export function includes(have: string, then: string): boolean {
  const [a, b] = [split(have), split(then)];
  return a.epoch === b.epoch && b.n <= a.n;
}

function split(version: string): { epoch: string; n: number } {
  const dot = version.lastIndexOf('.');
  return { epoch: version.slice(0, dot), n: Number(version.slice(dot + 1)) };
}
