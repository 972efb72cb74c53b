/** What a journal's records come to. */
import type { ResultEntry } from "../protocol/batch.ts";
import type { ProcessIdentity } from "./process-identity.ts";

/** A block that was submitted and is not known to be gone. `job` is null until the provider answered. */
export type BlockRecord = {
  id: string;
  job: string | null;
  submittedAt: number;
  nodes: number;
  walltimeMs: number | null;
};
/** A manager that was welcomed. */
export type ManagerRecord = {
  block: string;
  node: number;
  nonce: string;
  host: string;
  bootId: string;
} & ProcessIdentity;
export type ResultRecord = { entry: ResultEntry; bytes: Uint8Array };

export type JournalRecord =
  /** the epoch that an agent with this journal was given; it precedes all that this agent did */
  | { kind: "epoch"; epoch: number }
  | ({ kind: "block" } & BlockRecord)
  /** the block and its managers are known to be dead */
  | { kind: "block-gone"; id: string }
  | ({ kind: "manager" } & ManagerRecord)
  | { kind: "result"; entry: ResultEntry; bytes: Uint8Array }
  /** the gateway has committed it */
  | { kind: "result-taken"; id: string; lease: number };

export type JournalState = {
  /** 0 before the first */
  epoch: number;
  blocks: Map<string, BlockRecord>;
  managers: Map<string, ManagerRecord>;
  results: Map<string, ResultRecord>;
  /** records of kinds that only a newer version knows: kept for its return (FAULTS.md A2) */
  foreign: { header: unknown; bytes: Uint8Array }[];
  /** about what the records that still count take on disk */
  bytes: number;
};

const RECORD_BYTES = 300;
const GROUP_BYTES = 1024 * 1024;

/** The state of a journal without records. */
export function emptyState(): JournalState {
  return { epoch: 0, blocks: new Map(), managers: new Map(), results: new Map(), foreign: [], bytes: 0 };
}

/** Forgets all of it. */
export function clearState(state: JournalState): void {
  state.epoch = state.bytes = state.foreign.length = 0;
  for (const records of [state.blocks, state.managers, state.results]) records.clear();
}

/** Applies one record; what another version wrote and this one does not know is only kept. */
export function applyRecord(state: JournalState, frame: { header: unknown; body: Uint8Array }): void {
  const record = (frame.header ?? {}) as JournalRecord;
  switch (record.kind) {
    case "epoch":
      state.epoch = record.epoch;
      break;
    case "block": {
      const { kind: _, ...block } = record;
      state.blocks.set(block.id, block);
      break;
    }
    case "block-gone":
      state.blocks.delete(record.id);
      for (const [key, manager] of state.managers) if (manager.block === record.id) state.managers.delete(key);
      break;
    case "manager": {
      const { kind: _, ...manager } = record;
      state.managers.set(`${manager.block}/${manager.node}`, manager);
      break;
    }
    case "result":
      state.results.set(`${record.entry.id}/${record.entry.lease}`, { entry: record.entry, bytes: frame.body });
      state.bytes += RECORD_BYTES + frame.body.length;
      break;
    case "result-taken": {
      const key = `${record.id}/${record.lease}`;
      const result = state.results.get(key);
      if (result) state.bytes -= RECORD_BYTES + result.bytes.length;
      state.results.delete(key);
      break;
    }
    default:
      state.foreign.push({ header: frame.header, bytes: frame.body });
      state.bytes += RECORD_BYTES + frame.body.length;
  }
}

/** The records that make this state, in groups of a bearable size. */
export function* stateRecords(state: JournalState): Generator<JournalRecord[]> {
  let group: JournalRecord[] = [{ kind: "epoch", epoch: state.epoch }];
  for (const block of state.blocks.values()) group.push({ kind: "block", ...block });
  for (const manager of state.managers.values()) group.push({ kind: "manager", ...manager });
  for (const { header, bytes } of state.foreign) group.push({ ...(header as JournalRecord & object), bytes } as never);
  let size = 0;
  for (const { entry, bytes } of state.results.values()) {
    group.push({ kind: "result", entry, bytes });
    size += RECORD_BYTES + bytes.length;
    if (size < GROUP_BYTES) continue;
    yield group;
    group = [];
    size = 0;
  }
  if (group.length > 0) yield group;
}
