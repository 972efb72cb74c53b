/**
 * The event stream, `GET /v1/events`: one message a group of tasks that changed in one commit. As Server-Sent Events it is
 * for browsers and curl (`data` is this header, payloads as text or base64 in `value`); with
 * `Accept: application/vnd.farcall.frames` it is a sequence of frames, payload bytes in the body, which is what the SDK reads.
 *
 * An event id is `<generation>.<sequence>` in commit order (PROTOCOL.md rule 15). A client resumes with Last-Event-ID.
 */
import type { PayloadEntry } from "./batch.ts";
import type { Attempt, TaskFailure, TaskState } from "./task.ts";

export type TaskEvent = PayloadEntry & {
  id: string;
  state: TaskState;
  group?: string;
  attempt?: number;
  ranMs?: number;
  failure?: TaskFailure;
  /** present when the task ended otherwise than succeeded */
  endpoint?: string;
  attempts?: Attempt[];
  /** exists, but was left out because the stream's buffer was full: fetch it */
  omitted?: boolean;
};

export type EventMessage =
  /** first on every stream: the id to resume from */
  | { kind: "hello"; id: string }
  | { kind: "tasks"; id: string; tasks: TaskEvent[] }
  /** the id to resume from is not known any more: list the tasks again, then go on from `id` */
  | { kind: "reset"; id: string }
  | { kind: "beat"; id: string };
