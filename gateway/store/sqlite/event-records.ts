/** The records inside a row of `events`: fixed width, so that 512 events are one insert. Their number is the row's `first` plus the position. */

export const EVENT_BYTES = 24;
/** Events in one row at most. */
export const EVENTS_PER_ROW = 512;

export type EventRecord = { task: number; owner: number; group: number; attempt: number; state: number };

/** Writes one record at position `index`. Group 0 means none. */
export function writeEvent(view: DataView, index: number, record: EventRecord): void {
  const at = index * EVENT_BYTES;
  view.setFloat64(at, record.task);
  view.setUint32(at + 8, record.owner);
  view.setUint32(at + 12, record.group);
  view.setUint32(at + 16, record.attempt);
  view.setUint8(at + 20, record.state);
}

/** Reads the record at position `index`. */
export function readEvent(view: DataView, index: number): EventRecord {
  const at = index * EVENT_BYTES;
  return {
    task: view.getFloat64(at),
    owner: view.getUint32(at + 8),
    group: view.getUint32(at + 12),
    attempt: view.getUint32(at + 16),
    state: view.getUint8(at + 20),
  };
}
