/** A task's result as JSON: inline JSON as it is, other bytes in base64, a blob by its name. */
import type { TaskResult } from "../../protocol/operations.ts";
import { isTerminal, type TaskView } from "../../protocol/task.ts";
import { jsonValueText } from "../events/batch.ts";
import type { Payload, Store } from "../store/port.ts";

/** The JSON text of a TaskResult. The value is copied as text: parsing it could change its numbers. */
export async function taskResultText(store: Pick<Store, "payloadOf" | "attemptsOf">, view: TaskView): Promise<string> {
  const shown: TaskResult = { id: view.id, state: view.state };
  if (!isTerminal(view.state)) return JSON.stringify(shown);
  shown.endpoint = view.endpointName;
  if (view.failure) shown.failure = view.failure;
  if (view.state !== "succeeded") shown.attempts = await store.attemptsOf(view.id);
  const payload = await store.payloadOf(view.id, "result");
  return payload ? withPayload(shown, payload) : JSON.stringify(shown);
}

function withPayload(shown: TaskResult, { encoding, bytes, blob, size }: Payload): string {
  if (blob !== null) return JSON.stringify({ ...shown, encoding, blob: { blob, size } });
  const text = JSON.stringify({ ...shown, encoding });
  const value = encoding === "json" && bytes ? jsonValueText(bytes) : undefined;
  return value === undefined
    ? JSON.stringify({ ...shown, encoding, base64: Buffer.from(bytes ?? []).toString("base64") })
    : `${text.slice(0, -1)},${value}}`;
}
