/** Submitting over HTTP: in both forms, again, at the same time, in part. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../../gateway/store/port.ts";
import type { SubmitHeader } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { encodeFrame, FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import { newId } from "../../protocol/ids.ts";
import { codeOf, createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";

let gateway: TestGateway;
let fn: string;
let endpoint: string;
beforeAll(async () => {
  gateway = await startTestGateway();
  fn = await registerFunction(gateway);
  endpoint = (await createEndpoint(gateway, "lap")).id;
});
afterAll(() => gateway[Symbol.asyncDispose]());

type Answer = { accepted: number; tasks: { id: string; code: string }[]; ids?: string[] };
const bytes = (text: string) => new TextEncoder().encode(text);

function frame(header: SubmitHeader, payloads: string[]): { body: Uint8Array; headers: Record<string, string> } {
  return { body: encodeFrame(header, payloads.map(bytes)), headers: { "content-type": FRAME_MEDIA_TYPE } };
}

function oneTask(id: string, args = "[1]", more: Partial<SubmitHeader["specs"][0]> = {}) {
  return frame({ specs: [{ function: fn, endpoint: "lap", ...more }], tasks: [{ id, length: args.length }] }, [args]);
}

describe("a submit", () => {
  it("takes a frame and is answered 202 when the tasks are stored", async () => {
    const ids = [newId(), newId(), newId()];
    const header = { specs: [{ function: fn, endpoint: "lap" }], tasks: ids.map((id) => ({ id, length: 3 })) };
    const answer = await gateway.request("POST", "/v1/tasks", frame(header, ["[1]", "[2]", "[3]"]));
    expect([answer.status, await answer.json()]).toEqual([202, { accepted: 3, tasks: [] }]);
    for (const id of ids)
      expect(await gateway.json("GET", `/v1/tasks/${id}`)).toMatchObject({ id, state: "queued", endpoint });
  });

  it("takes JSON, makes the ids that are missing and says which", async () => {
    const id = newId();
    const body = { specs: [{ function: fn, endpoint: "lap" }], tasks: [{ args: [{ a: 1 }] }, { id, args: [2] }, {}] };
    const answer = await gateway.json<Answer>("POST", "/v1/tasks", { body });
    expect(answer).toMatchObject({ accepted: 3, tasks: [] });
    expect(answer.ids?.[1]).toBe(id);
    const sent = await Promise.all(
      (answer.ids ?? []).map(async (each) => (await gateway.request("GET", `/v1/tasks/${each}/arguments`)).text()),
    );
    expect(sent).toEqual(['[{"a":1}]', "[2]", "[]"]);
  });

  it("of JSON keeps the digits of long integers on their way to the function", async () => {
    const text = `{"specs":[{"function":"${fn}","endpoint":"lap"}],"tasks":[{"args":[12345678901234567890]}]}`;
    const answer = await gateway.request("POST", "/v1/tasks", { body: bytes(text) });
    const { ids } = (await answer.json()) as { ids: string[] };
    expect(await (await gateway.request("GET", `/v1/tasks/${ids[0]}/arguments`)).text()).toBe("[12345678901234567890]");
  });

  it("refuses a frame whose lengths do not add up", async () => {
    const header = { specs: [{ function: fn, endpoint: "lap" }], tasks: [{ id: newId(), length: 4 }] };
    const answer = await gateway.request("POST", "/v1/tasks", frame(header, ["[1]"]));
    expect([answer.status, await codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
  });
});

describe("the endpoint of a call", () => {
  it("may be a name or an id", async () => {
    for (const wanted of ["lap", endpoint]) {
      const id = newId();
      expect((await gateway.request("POST", "/v1/tasks", oneTask(id, "[1]", { endpoint: wanted }))).status).toBe(202);
      expect(await gateway.json("GET", `/v1/tasks/${id}`)).toMatchObject({ endpoint, endpointName: "lap" });
    }
  });

  it("may be left out when exactly one is visible; else the error lists them", async () => {
    const token = await gateway.tokenFor(["read", "invoke", "endpoints"], "one");
    const own = await registerFunction(gateway, "f", token);
    const submit = () =>
      gateway.request("POST", "/v1/tasks", { token, body: { specs: [{ function: own }], tasks: [{}] } });
    const none = await submit();
    expect([none.status, await codeOf(none)]).toEqual([422, "ENDPOINT_REQUIRED"]);
    await createEndpoint(gateway, "one-first", token);
    expect((await submit()).status).toBe(202);
    await createEndpoint(gateway, "one-second", token);
    const several = await submit();
    const { error } = (await several.json()) as { error: { code: string; details: { choices: string[] } } };
    expect([several.status, error.code]).toEqual([422, "ENDPOINT_REQUIRED"]);
    expect(error.details.choices.sort()).toEqual(["one-first", "one-second"]);
  });

  it("of another owner is unknown, as one that does not exist", async () => {
    const token = await gateway.tokenFor(["invoke"], "two");
    const own = await registerFunction(gateway, "f", token);
    for (const wanted of ["lap", endpoint, "nowhere"]) {
      const body = { specs: [{ function: own, endpoint: wanted }], tasks: [{}] };
      const answer = await gateway.request("POST", "/v1/tasks", { token, body });
      expect([answer.status, await codeOf(answer)]).toEqual([422, "ENDPOINT_UNKNOWN"]);
    }
  });
});

describe("a submit that is repeated", () => {
  it("G1, N9: gets the same answer, and there is one task", async () => {
    const id = newId();
    const answers = [];
    for (let i = 0; i < 5; i++) {
      const answer = await gateway.request("POST", "/v1/tasks", oneTask(id));
      answers.push([answer.status, await answer.text()]);
    }
    for (const answer of answers) expect(answer).toEqual([202, '{"accepted":1,"tasks":[]}']);
    expect(await queuedWith(id)).toBe(1);
  });

  it("G1: gets the same answer from a gateway that was started anew meanwhile", async () => {
    await using first = await startTestGateway();
    const own = await registerFunction(first);
    await createEndpoint(first, "lap");
    const id = newId();
    const submit = (to: TestGateway) =>
      to.request("POST", "/v1/tasks", { body: { specs: [{ function: own }], tasks: [{ id, args: [1] }] } });
    expect((await submit(first)).status).toBe(202);
    await first.stop();
    await using second = await startTestGateway({ stateDir: first.stateDir });
    expect((await submit(second)).status).toBe(202);
    const other = await second.request("POST", "/v1/tasks", {
      body: { specs: [{ function: own }], tasks: [{ id, args: [2] }] },
    });
    expect([other.status, await codeOf(other)]).toEqual([422, "TASK_MISMATCH"]);
  });

  it("G4: 100 times at once makes one task and 100 equal answers; another body is 422", async () => {
    for (let round = 0; round < 5; round++) {
      const id = newId();
      const answers = await Promise.all(
        Array.from({ length: 100 }, async () => {
          const answer = await gateway.request("POST", "/v1/tasks", oneTask(id));
          return `${answer.status} ${await answer.text()}`;
        }),
      );
      expect([...new Set(answers)]).toEqual(['202 {"accepted":1,"tasks":[]}']);
      expect(await queuedWith(id)).toBe(1);
      const other = await gateway.request("POST", "/v1/tasks", oneTask(id, "[2]"));
      expect([other.status, await codeOf(other)]).toEqual([422, "TASK_MISMATCH"]);
    }
  });
});

describe("a submit that is accepted in part", () => {
  it("G5: says of each task that was not, and repeats without harm", async () => {
    const taken = newId();
    await gateway.request("POST", "/v1/tasks", oneTask(taken));
    const ids = [newId(), taken, newId(), newId(), newId()];
    const header: SubmitHeader = {
      specs: [
        { function: fn, endpoint: "lap" },
        { function: fn, endpoint: "nowhere" },
        { function: "0".repeat(64), endpoint: "lap" },
      ],
      tasks: [
        { id: ids[0] as string, length: 3 },
        { id: ids[1] as string, length: 3 },
        { id: ids[2] as string, spec: 1, length: 4 },
        { id: ids[3] as string, spec: 2, length: 3 },
        { id: ids[4] as string, length: 5 },
      ],
    };
    for (let round = 0; round < 2; round++) {
      const answer = await gateway.request("POST", "/v1/tasks", frame(header, ["[8]", "[9]", "[10]", "[1]", "[100]"]));
      expect(answer.status).toBe(202);
      const { accepted, tasks } = (await answer.json()) as Answer;
      expect(accepted).toBe(2);
      expect(new Map(tasks.map(({ id, code }) => [id, code]))).toEqual(
        new Map([
          [ids[1], "TASK_MISMATCH"],
          [ids[2], "ENDPOINT_UNKNOWN"],
          [ids[3], "FUNCTION_UNKNOWN"],
        ]),
      );
    }
    // The arguments of the accepted ones are their own, though others between them were left out.
    expect(await (await gateway.request("GET", `/v1/tasks/${ids[0]}/arguments`)).text()).toBe("[8]");
    expect(await (await gateway.request("GET", `/v1/tasks/${ids[4]}/arguments`)).text()).toBe("[100]");
    expect((await gateway.request("GET", `/v1/tasks/${ids[2]}`)).status).toBe(404);
  });
});

describe("a submit that the store cannot take", () => {
  const refusing =
    (error: ApiError) =>
    (store: Store): Store => ({
      ...store,
      generation: store.generation,
      submit: async () => {
        throw error;
      },
    });

  it("N4: is 507 with Retry-After when the disk or the queue is full", async () => {
    for (const code of ["STORAGE_FULL", "QUEUE_FULL"] as const) {
      const error = new ApiError(code, "full", { details: { retryAfterMs: 2500 } });
      await using full = await startTestGateway({ wrapStore: refusing(error) });
      const own = await registerFunction(full);
      await createEndpoint(full, "lap");
      const answer = await full.request("POST", "/v1/tasks", { body: { specs: [{ function: own }], tasks: [{}] } });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([507, "3"]);
      expect((await answer.json()) as unknown).toMatchObject({ error: { code, retryable: true } });
    }
  });

  it("is 500 with a request id, and without the inner error's words, when something fails that should not", async () => {
    const wrapStore = (store: Store): Store => ({
      ...store,
      generation: store.generation,
      submit: async () => {
        throw new Error("secret inner words");
      },
    });
    await using broken = await startTestGateway({ wrapStore });
    const own = await registerFunction(broken);
    await createEndpoint(broken, "lap");
    const answer = await broken.request("POST", "/v1/tasks", { body: { specs: [{ function: own }], tasks: [{}] } });
    expect(answer.status).toBe(500);
    expect(answer.headers.get("farcall-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await answer.text()).not.toContain("secret");
  });
});

async function queuedWith(id: string): Promise<number> {
  const { items } = await gateway.json<{ items: { id: string }[] }>("GET", "/v1/tasks?limit=1000");
  return items.filter((task) => task.id === id).length;
}
