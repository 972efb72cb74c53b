/** Groups, and the event log as clients resume from it (PROTOCOL.md rule 15). */
import type { DatabaseSync } from "node:sqlite";
import type { TaskFailure } from "../../../../protocol/task.ts";
import type { Page, StoredEvent } from "../../port.ts";
import { type EventRecord, readEvent } from "../event-records.ts";
import { CODE, encodingOf, PLACE, payloadKey, placeOf, stateOf } from "../states.ts";
import { type Rows, TASK_COLUMNS, type TaskRow } from "./rows.ts";
import type { createTaskReads } from "./tasks.ts";

type EventFilter = { owner: string | null; groups: string[] | null };
type EventPage = { events: StoredEvent[]; oldest: number; last: number; scannedTo: number };

/** Result bytes in one answer at most, so that a page of large results does not fill the memory. */
const PAGE_BYTES = 4 * 1024 * 1024;
/** Events looked at in one answer at most; `scannedTo` says how far it came. */
const SCANNED_EVENTS = 50_000;

/** Prepares the reads of the log. */
export function createEventReads(
  db: DatabaseSync,
  { rows, tasks }: { rows: Rows; tasks: ReturnType<typeof createTaskReads> },
) {
  const bounds = db.prepare(
    `select (select first from events order by first limit 1) as oldest, (select last from events order by first desc limit 1) as last,
       (select value from meta where name = 'last_event') as kept`,
  );
  const rowsAfter = db.prepare(
    `select first, last, entries from events
     where first >= coalesce((select max(first) from events where first <= :next), 0) order by first limit :rows`,
  );
  const task = db.prepare(`select ${TASK_COLUMNS}, t.result, t.ran_ms from tasks t where t.seq = ?`);
  const payload = db.prepare("select bytes from payloads where key = ?");
  const attemptFailure = db.prepare("select failure from attempts where task = ? and attempt = ?");
  const ownerKey = db.prepare("select key from owners where name = ?");
  const groupKeys = db.prepare("select key from groups where name = ?");
  const groups = db.prepare(
    `select g.key as key, g.name as name, g.created_at as createdAt,
       (select coalesce(sum(held + staging + queued + leased + running + waiting), 0)
        from specs s join counts c on c.spec = s.key where s.grp = g.key) as unfinished
     from groups g where (:owner is null or g.owner = (select key from owners where name = :owner)) and g.key < :before
     order by g.key desc limit :limit`,
  );

  /** A test on records, which needs no look-up of the task. */
  function matcher({ owner, groups: names }: EventFilter): (record: EventRecord) => boolean {
    const key = owner === null ? null : ((ownerKey.get(owner) as { key: number } | undefined)?.key ?? -1);
    const wanted =
      names && new Set(names.flatMap((name) => (groupKeys.all(name) as { key: number }[]).map((row) => row.key)));
    return (record) => (key === null || record.owner === key) && (wanted === null || wanted.has(record.group));
  }

  function resultOf(row: EventTaskRow): Pick<StoredEvent, "encoding" | "size" | "blob" | "bytes"> {
    const form = row.result_form;
    if (form === null) return { encoding: null, size: null, blob: null };
    const base = { encoding: encodingOf(form), size: row.result_size };
    if (placeOf(form) === PLACE.blob)
      return { ...base, blob: Buffer.from(row.result_blob as Uint8Array).toString("hex") };
    const aside = placeOf(form) === PLACE.table;
    const bytes = aside ? (payload.get(payloadKey(row.seq, "result")) as { bytes: Uint8Array }).bytes : row.result;
    return { ...base, blob: null, bytes: bytes ?? new Uint8Array(0) };
  }

  function failureOf(record: EventRecord, row: EventTaskRow): TaskFailure | null {
    if (record.state >= CODE.succeeded) return row.failure === null ? null : (JSON.parse(row.failure) as TaskFailure);
    if (record.state === CODE.running) return null;
    const ended = attemptFailure.get(record.task, record.attempt) as { failure: string } | undefined;
    return ended ? (JSON.parse(ended.failure) as TaskFailure) : null;
  }

  /** The event of a record; undefined when its task was deleted. */
  function eventOf(sequence: number, record: EventRecord): StoredEvent | undefined {
    const row = task.get(record.task) as EventTaskRow | undefined;
    if (!row) return undefined;
    const view = rows.view(row);
    const terminal = record.state >= CODE.succeeded;
    return {
      sequence,
      id: view.id,
      owner: view.owner,
      group: view.group,
      state: stateOf(record.state),
      attempt: record.attempt,
      failure: failureOf(record, row),
      ranMs: terminal ? row.ran_ms : null,
      endpoint: view.endpoint,
      attempts: record.state >= CODE.failed ? tasks.attempts(row) : null,
      ...(terminal ? resultOf(row) : { encoding: null, size: null, blob: null }),
    };
  }

  function eventsAfter({ filter, after, limit }: { filter: EventFilter; after: number; limit: number }): EventPage {
    const {
      oldest,
      last: lastRow,
      kept,
    } = bounds.get() as { oldest: number | null; last: number | null; kept: number | null };
    const last = Math.max(lastRow ?? 0, kept ?? 0);
    const page: EventPage = { events: [], oldest: oldest ?? last + 1, last, scannedTo: Math.min(after, last) };
    const matches = matcher(filter);
    let bytes = 0;
    let scanned = 0;
    while (page.scannedTo < last) {
      const logRows = rowsAfter.all({ next: page.scannedTo + 1, rows: 8 }) as LogRow[];
      if (logRows.length === 0) break;
      for (const { first, last: rowLast, entries } of logRows) {
        const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
        for (let sequence = Math.max(first, page.scannedTo + 1); sequence <= rowLast; sequence++) {
          if (page.events.length >= limit || bytes >= PAGE_BYTES || scanned++ >= SCANNED_EVENTS) return page;
          const record = readEvent(view, sequence - first);
          const event = matches(record) ? eventOf(sequence, record) : undefined;
          if (event) page.events.push(event);
          bytes += event?.bytes?.length ?? 0;
          page.scannedTo = sequence;
        }
      }
    }
    return page;
  }

  return {
    ops: {
      eventsAfter,
      listGroups({ owner, page }: { owner: string | null; page: { cursor?: string | undefined; limit: number } }) {
        const before = page.cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(page.cursor);
        const found = groups.all({ owner, before, limit: page.limit }) as (GroupRow & { key: number })[];
        const cursor = found.length < page.limit ? null : String(found.at(-1)?.key);
        return { items: found.map(({ key: _, ...group }) => group), cursor } satisfies Page<GroupRow>;
      },
    },
  };
}

type EventTaskRow = TaskRow & { result: Uint8Array | null; ran_ms: number | null };
type LogRow = { first: number; last: number; entries: Uint8Array };
type GroupRow = { name: string; createdAt: number; unfinished: number };
