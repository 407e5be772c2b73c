// The other nodes, and how far behind what we send them is.
import { type Peer, ask } from '../api.ts';
import { duration, number } from '../format.ts';
import { useLive } from '../live/use.ts';
import { CopyLine } from '../ui/copy.tsx';
import { Empty, Trouble } from '../ui/list.tsx';
import { Ago } from '../ui/time.tsx';

const EVERY_MS = 2_000;

const STATES: Record<Peer['state'], string> = { idle: 'up to date', sending: 'sending', backoff: 'waiting to retry', self: 'this node' };
const KINDS: Record<Peer['kind'], string> = { synod: 'Synod', eureka: 'Eureka', unknown: 'not known yet' };

export function PeersPage() {
  const live = useLive<{ peers: Peer[] }>('peers', (signal) => ask('/v1/peers', { signal }), { everyMs: EVERY_MS });
  const peers = live.data?.peers;
  const others = peers?.filter((peer) => peer.state !== 'self') ?? [];
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Peers</h1>
        {peers && others.length > 0 && (
          <p class="summary">
            {number(others.filter((peer) => peer.reachable).length)} of {number(others.length)} reachable
          </p>
        )}
      </div>
      <p class="lead muted">Each change made at this node is sent to every peer. Lag is how long the oldest change not yet taken by the peer has been waiting.</p>
      {live.error && <Trouble error={live.error} old={Boolean(peers)} reload={live.reload} />}
      {peers?.length === 0 && (
        <Empty title="This node has no peers.">
          <p>It works alone. To replicate with another Synod or Eureka server, start it with that server's address:</p>
          <CopyLine text="synod serve --set registry.peers=http://OTHER:8761/eureka/" />
        </Empty>
      )}
      {peers && peers.length > 0 && (
        <table class="list peers" aria-label="Peers">
          <thead>
            <tr>
              <th scope="col">Peer</th>
              <th scope="col">State</th>
              <th scope="col" class="num">
                Lag
              </th>
              <th scope="col" class="num wide">
                Queued
              </th>
              <th scope="col" class="num wide">
                Sent
              </th>
              <th scope="col" class="num wide">
                Failed
              </th>
              <th scope="col" class="num wide">
                Last success
              </th>
            </tr>
          </thead>
          <tbody>
            {peers.map((peer) => (
              <PeerRow key={peer.url} peer={peer} />
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function PeerRow({ peer }: { peer: Peer }) {
  const self = peer.state === 'self';
  return (
    <tr>
      <th scope="row">
        <span class="name">{peer.name ?? peer.url}</span>
        <span class="sub">
          {peer.name && `${peer.url} · `}
          {self ? 'recognised as this node, nothing is sent' : KINDS[peer.kind]}
        </span>
        {!self && (
          <span class="narrow sub">
            {number(peer.queued)} queued · {number(peer.sent)} sent · {number(peer.failed)} failed
          </span>
        )}
        {peer.last_error && <span class="sub failure">{peer.last_error}</span>}
      </th>
      <td>
        <PeerState peer={peer} />
      </td>
      <td class="num">
        {self ? (
          <span class="muted">–</span>
        ) : (
          <>
            <span class="narrow word">lag </span>
            {duration(peer.lag_ms)}
          </>
        )}
      </td>
      <td class="num wide">{self ? <span class="muted">–</span> : number(peer.queued)}</td>
      <td class="num wide">{self ? <span class="muted">–</span> : number(peer.sent)}</td>
      <td class="num wide">{self ? <span class="muted">–</span> : number(peer.failed)}</td>
      <td class="num wide">{self ? <span class="muted">–</span> : peer.last_success_ms === null ? <span class="muted">never</span> : <Ago at={peer.last_success_ms} />}</td>
    </tr>
  );
}

function PeerState({ peer }: { peer: Peer }) {
  const look = peer.state === 'self' ? 'UNKNOWN' : !peer.reachable ? 'DOWN' : peer.state === 'backoff' ? 'OUT_OF_SERVICE' : 'UP';
  const shape = { UNKNOWN: 'M6 2a4 4 0 1 0 0 8A4 4 0 0 0 6 2Z', DOWN: 'M1 2h10L6 11Z', OUT_OF_SERVICE: 'M2 2h8v8H2Z', UP: 'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1Z' }[look];
  return (
    <span class={`badge is-${look}`}>
      <svg class={`shape is-${look}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d={shape} />
      </svg>
      {peer.reachable || peer.state === 'self' ? STATES[peer.state] : `not reachable, ${STATES[peer.state]}`}
    </span>
  );
}
