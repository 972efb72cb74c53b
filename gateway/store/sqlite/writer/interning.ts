/** Owners, groups, queues, specs and names: texts that many rows share, kept once and named by an integer. */
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { CallSpec } from "../../../../protocol/task.ts";
import { bounded } from "../bounded.ts";
import { type Endpoint, type Group, type Owner, type Queue, type Spec, specOptions } from "./model.ts";

export type Interning = {
  owner(name: string): Owner;
  /** The spec of this text and owner; `parsed` is its content, its function and endpoint are known to exist. */
  spec(owner: Owner, text: string, context: { parsed: CallSpec; endpoint: Endpoint; now: number; seq: number }): Spec;
  /** The spec when it is interned already. */
  knownSpec(owner: Owner, text: string): Spec | undefined;
  specByKey(key: number): Spec;
  /** The key of a block's or worker's name. */
  name(text: string | undefined): number | null;
  nameText(key: number | null): string | null;
  /** Forgets a spec whose row is gone. */
  forgetSpec(key: number): void;
  forgetFunctions(): void;
  owners(): Iterable<Owner>;
  /** Forgets everything, after a rollback. */
  reset(): void;
};

const MAX_SPECS = 20_000;
/** Texts of specs kept in memory: most are short, but an environment may be large. */
const MAX_SPEC_TEXT = 16 * 1024 * 1024;
const MAX_NAMES = 20_000;

/** Interns over `db`; `endpoints` by key. */
export function createInterning(db: DatabaseSync, endpoints: { byKey(key: number): Endpoint }): Interning {
  const owners = new Map<string, Owner>();
  const ownersByKey = new Map<number, Owner>();
  // Queues are few (endpoints x classes x priorities) and carry counters, so they are never evicted.
  const queues = new Map<string, Queue>();
  const specs = bounded<string, Spec>(MAX_SPECS);
  const specsByKey = bounded<number, Spec>(MAX_SPECS);
  let specText = 0;
  const names = bounded<string, number>(MAX_NAMES);
  const nameTexts = bounded<number, string>(MAX_NAMES);

  const findOwner = db.prepare("select key, name from owners where name = ? or key = ?");
  const addOwner = db.prepare("insert into owners(name) values(?)");
  const findGroup = db.prepare("select key, name from groups where owner = ? and name = ?");
  const groupByKey = db.prepare("select key, name from groups where key = ?");
  const addGroup = db.prepare("insert into groups(owner, name, created_at, first_seq, last_seq) values(?, ?, ?, ?, ?)");
  const findQueue = db.prepare("select key from queues where endpoint = ? and class = ? and priority = ?");
  const addQueue = db.prepare("insert into queues(endpoint, class, priority) values(?, ?, ?)");
  const findSpec = db.prepare("select key, owner, endpoint, grp, text from specs where hash = ?");
  const specRow = db.prepare("select key, owner, endpoint, grp, text from specs where key = ?");
  const addSpec = db.prepare(
    "insert into specs(hash, owner, endpoint, queue, grp, function, text) values(?, ?, ?, ?, ?, ?, ?)",
  );
  // A spec whose tasks are all refused is found by retention like one whose tasks are all gone.
  const addCounts = db.prepare("insert into counts values(?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)");
  const findName = db.prepare("select key, text from names where text = ? or key = ?");
  const addName = db.prepare("insert into names(text) values(?)");

  function rememberOwner(row: { key: number; name: string }): Owner {
    const owner: Owner = { key: row.key, name: row.name, tasks: 0, bytes: 0, functions: new Set() };
    owners.set(row.name, owner);
    ownersByKey.set(row.key, owner);
    return owner;
  }

  function owner(name: string): Owner {
    const known = owners.get(name);
    if (known) return known;
    const row = findOwner.get(name, null) as { key: number; name: string } | undefined;
    return rememberOwner(row ?? { key: Number(addOwner.run(name).lastInsertRowid), name });
  }

  function ownerByKey(key: number): Owner {
    return ownersByKey.get(key) ?? rememberOwner(findOwner.get(null, key) as { key: number; name: string });
  }

  function queue(endpoint: Endpoint, className: string, priority: number): Queue {
    const id = `${endpoint.key} ${className} ${priority}`;
    let found = queues.get(id);
    if (!found) {
      const row = findQueue.get(endpoint.key, className, priority) as { key: number } | undefined;
      const key = row?.key ?? Number(addQueue.run(endpoint.key, className, priority).lastInsertRowid);
      found = { key, endpoint, className, priority, queued: 0 };
      queues.set(id, found);
    }
    return found;
  }

  function group(owner: Owner, name: string | undefined, context: { now: number; seq: number }): Group | null {
    if (name === undefined) return null;
    const row = findGroup.get(owner.key, name) as Group | undefined;
    if (row) return row;
    const { lastInsertRowid } = addGroup.run(owner.key, name, context.now, context.seq, context.seq);
    return { key: Number(lastInsertRowid), name };
  }

  function remember(row: SpecRow, parsed: CallSpec, group: Group | null): Spec {
    const owner = ownerByKey(row.owner);
    const endpoint = endpoints.byKey(row.endpoint);
    const { className, priority, ...options } = specOptions(parsed);
    const spec: Spec = {
      key: row.key,
      text: row.text,
      owner,
      endpoint,
      queue: queue(endpoint, className, priority),
      group,
      ...options,
    };
    specText += row.text.length;
    if (specText > MAX_SPEC_TEXT) {
      specText = row.text.length;
      specs.clear();
      specsByKey.clear();
    }
    specs.set(`${owner.key} ${row.text}`, spec);
    specsByKey.set(spec.key, spec);
    return spec;
  }

  function load(row: SpecRow): Spec {
    const group = row.grp === null ? null : (groupByKey.get(row.grp) as Group);
    return remember(row, JSON.parse(row.text) as CallSpec, group);
  }

  function knownSpec(owner: Owner, text: string): Spec | undefined {
    const cached = specs.get(`${owner.key} ${text}`);
    if (cached) return cached;
    const row = findSpec.get(specHash(owner, text)) as SpecRow | undefined;
    return row && load(row);
  }

  return {
    owner,
    knownSpec,
    spec(owner, text, { parsed, endpoint, now, seq }) {
      const known = knownSpec(owner, text);
      if (known) return known;
      const { className, priority } = specOptions(parsed);
      const inGroup = group(owner, parsed.group, { now, seq });
      const queueKey = queue(endpoint, className, priority).key;
      const { lastInsertRowid } = addSpec.run(
        specHash(owner, text),
        owner.key,
        endpoint.key,
        queueKey,
        inGroup?.key ?? null,
        parsed.function,
        text,
      );
      const key = Number(lastInsertRowid);
      addCounts.run(key);
      return remember({ key, owner: owner.key, endpoint: endpoint.key, grp: null, text }, parsed, inGroup);
    },
    specByKey(key) {
      return specsByKey.get(key) ?? load(specRow.get(key) as SpecRow);
    },
    name(text) {
      if (text === undefined) return null;
      let key = names.get(text);
      if (key === undefined) {
        const row = findName.get(text, null) as { key: number } | undefined;
        key = row?.key ?? Number(addName.run(text).lastInsertRowid);
        names.set(text, key);
      }
      return key;
    },
    nameText(key) {
      if (key === null) return null;
      let text = nameTexts.get(key);
      if (text === undefined) {
        text = (findName.get(null, key) as { text: string }).text;
        nameTexts.set(key, text);
      }
      return text;
    },
    forgetSpec(key) {
      const spec = specsByKey.get(key);
      if (spec) specs.delete(`${spec.owner.key} ${spec.text}`);
      specsByKey.delete(key);
    },
    forgetFunctions() {
      for (const owner of owners.values()) owner.functions.clear();
    },
    owners: () => owners.values(),
    reset() {
      for (const map of [owners, ownersByKey, queues, specs, specsByKey, names, nameTexts]) map.clear();
    },
  };
}

type SpecRow = { key: number; owner: number; endpoint: number; grp: number | null; text: string };

function specHash(owner: Owner, text: string): Uint8Array {
  return createHash("sha256").update(`${owner.key} ${text}`).digest().subarray(0, 16);
}
