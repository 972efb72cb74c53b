/** The endpoints in memory, and the rows behind them. */
import type { DatabaseSync } from "node:sqlite";
import type { Endpoint } from "./model.ts";

export type Endpoints = {
  byId(id: string): Endpoint | undefined;
  byKey(key: number): Endpoint;
  all(): Iterable<Endpoint>;
  /** Takes a new row into memory. */
  load(id: string): Endpoint;
  reset(): void;
};

/** Reads every endpoint; deleted ones stay, because finished tasks name them. */
export function createEndpoints(db: DatabaseSync): Endpoints {
  const ids = new Map<string, Endpoint>();
  const keys = new Map<number, Endpoint>();
  const select = "select key, id, name, epoch, pull, draining, deleted_at is not null as deleted from endpoints";
  const rows = db.prepare(select);
  const row = db.prepare(`${select} where id = ?`);

  function remember(row: EndpointRecord): Endpoint {
    const endpoint: Endpoint = {
      ...row,
      draining: row.draining === 1,
      deleted: row.deleted === 1,
      tasks: 0,
      bytes: 0,
      leases: new Map(),
      queues: new Map(),
    };
    ids.set(endpoint.id, endpoint);
    keys.set(endpoint.key, endpoint);
    return endpoint;
  }

  function reset(): void {
    ids.clear();
    keys.clear();
    for (const each of rows.all()) remember(each as EndpointRecord);
  }
  reset();

  return {
    byId(id) {
      const found = ids.get(id);
      return found?.deleted ? undefined : found;
    },
    byKey: (key) => keys.get(key) as Endpoint,
    all: () => ids.values(),
    load: (id) => remember(row.get(id) as EndpointRecord),
    reset,
  };
}

type EndpointRecord = {
  key: number;
  id: string;
  name: string;
  epoch: number;
  pull: number;
  draining: number;
  deleted: number;
};
