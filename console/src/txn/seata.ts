// What is known of a branch of a Seata client: it stands in the URL under which the coordinator keeps it. Pure.

export interface SeataBranch {
  /** The database, or what the client calls its resource. */
  resource: string;
  /** `AT`, `TCC`, `XA`, `SAGA`, … */
  kind: string;
  application: string;
  /** The client's end of its connection when it registered the branch. */
  client: string;
}

/** `seata://<resource>/<kind>/<application>/<ip:port>/…`, each part percent-encoded. */
export function seataBranch(url: string | null): SeataBranch | null {
  if (!url?.startsWith('seata://')) return null;
  try {
    const [resource, kind, application, client] = url.slice('seata://'.length).split('/').map(decodeURIComponent);
    if (resource === undefined || !kind || application === undefined || client === undefined) return null;
    return { resource, kind, application, client };
  } catch {
    return null;
  }
}
