/** Ends of very many tasks: their events come in slices, never all at once. */
import { describe, expect, it } from "vitest";
import type { Effects } from "../../gateway/store/port.ts";
import { createEndpoint, registerFunction, startTestGateway } from "./support/gateway.ts";
import { createUnwiredDispatcher } from "./support/unwired.ts";

const TASKS = 4000;

describe("the end of many tasks at once", () => {
  for (const [what, method, path, body] of [
    ["a cancel", "POST", "/v1/tasks/cancel", { all: true }],
    ["the deletion of a function", "DELETE", "/v1/functions/f", undefined],
    ["the deletion of an endpoint", "DELETE", "/v1/endpoints/lap", undefined],
  ] as const) {
    it(`of ${what} is handed to the dispatcher slice by slice, and told in whole`, async () => {
      const applied: number[] = [];
      await using gateway = await startTestGateway({
        dispatcher(parts) {
          const dispatcher = createUnwiredDispatcher(parts);
          const apply = (effects: Effects) => {
            if (effects.events.length > 0) applied.push(effects.events.length);
            dispatcher.apply(effects);
          };
          return { ...dispatcher, apply };
        },
      });
      const fn = await registerFunction(gateway, "f");
      await createEndpoint(gateway, "lap");
      for (let i = 0; i < TASKS; i += 1000) {
        const tasks = Array.from({ length: 1000 }, () => ({}));
        const submit = { specs: [{ function: fn, endpoint: "lap" }], tasks };
        expect((await gateway.request("POST", "/v1/tasks", { body: submit })).status).toBe(202);
      }
      const answer = await gateway.json(method, path, body ? { body } : {});
      if ("cancelled" in answer) expect(answer.cancelled).toBe(TASKS);
      expect(applied.reduce((sum, n) => sum + n, 0)).toBe(TASKS);
      expect(Math.max(...applied)).toBeLessThan(TASKS);
    });
  }
});
