import { describe, expect, it } from "vitest";
import { TaskError } from "../../sdk/index.ts";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();

const submits = () => pair.gateway.requestsTo(/^POST \/v1\/tasks$/);

describe("a reply that is lost", () => {
  it("N9: the same submit is repeated with the same ids, and each task runs once", async () => {
    const { gateway, farcall } = pair;
    let lost = 0;
    gateway.loseReply = (path) => path === "/v1/tasks" && lost++ < 3;
    const runs = new Map<string, number>();
    gateway.run = async ({ id }) => {
      runs.set(id, (runs.get(id) ?? 0) + 1);
      return { encoding: "json", bytes: Buffer.from("1") };
    };
    const tasks = Array.from({ length: 50 }, (_, i) => farcall.function((x: number) => x, { name: "same" }).submit(i));
    await Promise.all(tasks.map((task) => task.accepted));
    expect(await Promise.all(tasks)).toEqual(tasks.map(() => 1));
    await expect.poll(() => submits().length).toBe(4);
    expect(gateway.tasks.size).toBe(50);
    expect([...runs.values()]).toEqual(tasks.map(() => 1));
  });

  it("G1: before the gateway saw the request, and after, gives the same ids", async () => {
    const { gateway, farcall } = pair;
    let requests = 0;
    gateway.intercept = (request, _, path) => {
      if (path !== "/v1/tasks" || ++requests !== 1) return false;
      request.socket.destroy();
      return true;
    };
    gateway.loseReply = (path) => path === "/v1/tasks" && requests === 2;
    const task = farcall.function((x: number) => x + 1).submit(1);
    expect(await task).toBe(2);
    await expect.poll(() => requests).toBe(3);
    expect([...gateway.tasks.keys()]).toEqual([task.id]);
  });

  it("of a registration is harmless", async () => {
    const { gateway, farcall } = pair;
    let lost = 0;
    gateway.loseReply = (path) => path === "/v1/functions" && lost++ < 2;
    expect(await farcall.function((x: number) => x + 1)(1)).toBe(2);
  });
});

describe("the event stream", () => {
  it("resumes from the last event after a break: nothing is missed, nothing comes twice", async () => {
    const { gateway, farcall } = pair;
    const held: string[] = [];
    gateway.run = ({ id }) =>
      new Promise((resolve) => {
        held.push(id);
        release.push(() => resolve({ encoding: "json", bytes: Buffer.from(String(held.indexOf(id))) }));
      });
    const release: (() => void)[] = [];
    const wait = farcall.function((x: number) => x);
    const tasks = [0, 1, 2, 3].map((i) => wait.submit(i));
    await Promise.all(tasks.map((task) => task.accepted));
    release[0]?.();
    expect(await tasks[0]).toBe(0);
    gateway.log.cut();
    release[1]?.();
    release[2]?.();
    expect([await tasks[1], await tasks[2]]).toEqual([1, 2]);
    release[3]?.();
    expect(await tasks[3]).toBe(3);
    expect(gateway.log.resumed).toEqual([undefined, "g1.1"]);
  });

  it("survives rubbish by opening it anew", async () => {
    const { gateway, farcall } = pair;
    const release = Promise.withResolvers<void>();
    gateway.run = async () => {
      await release.promise;
      return { encoding: "json", bytes: Buffer.from("7") };
    };
    const task = farcall.function(() => 7).submit();
    await task.accepted;
    gateway.log.write(Buffer.from("HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"));
    await expect.poll(() => gateway.log.resumed.length).toBe(2);
    release.resolve();
    expect(await task).toBe(7);
  });

  it("told to reset finds out by listing what ended meanwhile", async () => {
    const { gateway, farcall } = pair;
    const outcomes: (() => void)[] = [];
    gateway.run = (task) =>
      new Promise((resolve) => {
        const index = outcomes.length;
        outcomes.push(() =>
          resolve(
            index === 1
              ? { failure: { code: "OOM", message: "too much" } }
              : { encoding: "json", bytes: Buffer.from(`"${task.id}"`) },
          ),
        );
      });
    const same = farcall.function((x: number) => x);
    const tasks = [0, 1, 2].map((i) => same.submit(i));
    await Promise.all(tasks.map((task) => task.accepted));
    gateway.log.cut();
    gateway.log.forget();
    outcomes[0]?.();
    outcomes[1]?.();
    expect(await tasks[0]).toBe(tasks[0]?.id);
    await expect(Promise.resolve(tasks[1])).rejects.toMatchObject({ code: "OOM", taskId: tasks[1]?.id });
    outcomes[2]?.();
    expect(await tasks[2]).toBe(tasks[2]?.id);
  });

  it("told to reset by a gateway that lost its last moments ends those tasks as LOST", async () => {
    const { gateway, farcall } = pair;
    gateway.run = () => new Promise(() => {});
    const task = farcall.function(() => 1).submit();
    await task.accepted;
    gateway.tasks.clear();
    gateway.log.forget();
    gateway.log.cut();
    const error = await Promise.resolve(task).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toMatchObject({ code: "LOST", taskId: task.id });
  });

  it("is opened before the first submit is sent", async () => {
    const { gateway, farcall } = pair;
    await farcall.function(() => 1)();
    const paths = gateway.requests.map(({ method, path }) => `${method} ${path}`);
    expect(paths.indexOf("GET /v1/events")).toBeLessThan(paths.indexOf("POST /v1/tasks"));
  });
});

describe("what the gateway has lost", () => {
  it("a function is registered again, and the call goes on", async () => {
    const { gateway, farcall } = pair;
    const inc = farcall.function((x: number) => x + 1);
    expect(await inc(1)).toBe(2);
    gateway.functions.clear();
    expect(await Promise.all([inc(2), inc(3)])).toEqual([3, 4]);
    expect(gateway.requestsTo(/POST \/v1\/functions/)).toHaveLength(2);
  });

  it("a blob is uploaded again, and the call goes on", async () => {
    const { gateway, farcall } = pair;
    const length = farcall.function((bytes: Uint8Array) => bytes.length);
    const bytes = new Uint8Array(400_000);
    expect(await length(bytes)).toBe(400_000);
    expect(await length(bytes)).toBe(400_000);
    expect(gateway.requestsTo(/PUT/)).toHaveLength(1);
    gateway.blobs.clear();
    expect(await length(bytes)).toBe(400_000);
    expect(gateway.requestsTo(/PUT/)).toHaveLength(2);
  });
});

describe("a gateway", () => {
  it("that is full is tried again when it says so", async () => {
    const { gateway, farcall } = pair;
    let refused = 0;
    gateway.intercept = (_, response, path) => {
      if (path !== "/v1/tasks" || refused++ >= 2) return false;
      const error = { code: "QUEUE_FULL", message: "full" };
      response.writeHead(507, { "retry-after": "0" }).end(JSON.stringify({ error }));
      return true;
    };
    expect(await farcall.function(() => 1)()).toBe(1);
    expect(refused).toBe(3);
  });

  it("that refuses the token ends every call with its error", async () => {
    const { gateway, farcall } = pair;
    gateway.intercept = (_, response) => {
      response.writeHead(401).end(JSON.stringify({ error: { code: "UNAUTHENTICATED", message: "no such token" } }));
      return true;
    };
    const calls = [farcall.function(() => 1)(), farcall.function(() => 2)()];
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ name: "ApiError", code: "UNAUTHENTICATED", message: "no such token" });
    }
  });

  it("that is not there ends the call soon, saying where it was looked for", async () => {
    const farcall = pair.client({ url: "http://127.0.0.1:9", connectForMs: 200 });
    await expect(farcall.function(() => 1)()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/http:\/\/127\.0\.0\.1:9 .*ECONNREFUSED/),
    });
  });

  it("that refuses one call's options does not refuse the others of its batch", async () => {
    const { gateway, farcall } = pair;
    gateway.intercept = async (_, response, path) => {
      if (path !== "/v1/tasks") return false;
      const body = gateway.lastBody.toString("latin1");
      if (!body.includes('"endpoint":"nowhere"')) return false;
      response
        .writeHead(422)
        .end(JSON.stringify({ error: { code: "ENDPOINT_UNKNOWN", message: "no endpoint nowhere" } }));
      return true;
    };
    const inc = farcall.function((x: number) => x + 1);
    const results = await Promise.allSettled([inc(1), inc.with({ endpoint: "nowhere" })(2), inc(3)]);
    expect(results).toMatchObject([{ value: 2 }, { reason: { code: "ENDPOINT_UNKNOWN" } }, { value: 4 }]);
  });
});
