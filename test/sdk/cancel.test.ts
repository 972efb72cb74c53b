import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();
const never = () => new Promise<never>(() => {});

describe("aborting a call", () => {
  it("rejects it at once with the signal's reason, and cancels its task", async () => {
    const { gateway, farcall } = pair;
    gateway.run = never;
    const controller = new AbortController();
    const slow = farcall.function((x: number) => x);
    const call = slow.with({ signal: controller.signal })(1);
    await expect.poll(() => gateway.tasks.size).toBe(1);
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    await expect.poll(() => [...gateway.tasks.values()][0]?.event.state).toBe("cancelled");
  });

  it("before it was sent sends nothing", async () => {
    const { gateway, farcall } = pair;
    const controller = new AbortController();
    const inc = farcall.function((x: number) => x + 1);
    const aborted = inc.with({ signal: controller.signal })(1);
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    await expect(inc.with({ signal: controller.signal })(2)).rejects.toMatchObject({ name: "AbortError" });
    expect(await inc(3)).toBe(4);
    expect(gateway.tasks.size).toBe(1);
  });

  it("while its submit is under way cancels it after the submit", async () => {
    const { gateway, farcall } = pair;
    gateway.run = never;
    const controller = new AbortController();
    const arrived = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    gateway.intercept = async (_, __, path) => {
      if (path !== "/v1/tasks") return false;
      arrived.resolve();
      await goOn.promise;
      return false;
    };
    const call = farcall.function(() => 1).with({ signal: controller.signal })();
    await arrived.promise;
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    goOn.resolve();
    await expect.poll(() => [...gateway.tasks.values()][0]?.event.state).toBe("cancelled");
  });

  it("cancels every call under the signal in one request", async () => {
    const { gateway, farcall } = pair;
    gateway.run = never;
    const controller = new AbortController();
    const slow = farcall.function((x: number) => x).with({ signal: controller.signal });
    const tasks = Array.from({ length: 500 }, (_, i) => slow.submit(i));
    await Promise.all(tasks.map((task) => task.accepted));
    controller.abort();
    const results = await Promise.allSettled(tasks);
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    await expect.poll(() => [...gateway.tasks.values()].every(({ event }) => event.state === "cancelled")).toBe(true);
    expect(gateway.requestsTo(/cancel/)).toHaveLength(1);
  });

  it("leaves nothing listening to the signal once the calls have ended", async () => {
    const { farcall } = pair;
    const { signal } = new AbortController();
    const inc = farcall.function((x: number) => x + 1);
    for (let i = 0; i < 5; i++) expect(await inc.with({ signal })(i)).toBe(i + 1);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});

it("aborting a map ends its loop with the reason, and cancels what is in flight", async () => {
  const { gateway, farcall } = pair;
  gateway.run = never;
  const controller = new AbortController();
  const loop = (async () => {
    for await (const _ of farcall.function((x: number) => x).map([1, 2, 3], { signal: controller.signal })) return;
  })();
  await expect.poll(() => gateway.tasks.size).toBe(3);
  controller.abort(new Error("enough"));
  await expect(loop).rejects.toThrow("enough");
  await expect.poll(() => [...gateway.tasks.values()].every(({ event }) => event.state === "cancelled")).toBe(true);
});

describe("a task", () => {
  it("is awaited like a promise, and knows its id and state", async () => {
    const { farcall } = pair;
    const task = farcall.function((x: number) => x * x).submit(12);
    expect(task.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(task.state).toBe("queued");
    expect(await task).toBe(144);
    expect(await task).toBe(144);
    expect(task.state).toBe("succeeded");
  });

  it("ends as CANCELLED when it is cancelled", async () => {
    const { gateway, farcall } = pair;
    gateway.run = never;
    const task = farcall.function(() => 1).submit();
    expect(await task.cancel()).toEqual({ cancelled: true, state: "cancelled" });
    await expect(Promise.resolve(task)).rejects.toMatchObject({ code: "CANCELLED", taskId: task.id });
    expect(task.state).toBe("cancelled");
  });

  it("that fails and is awaited by nobody bothers nobody", async () => {
    const { gateway, farcall } = pair;
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    const task = farcall
      .function(() => {
        throw new Error("quiet");
      })
      .submit();
    await expect.poll(() => gateway.tasks.get(task.id)?.event.state).toBe("failed");
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
    expect(await task.catch((error: unknown) => (error as Error).message)).toBe("quiet");
  });
});

describe("closing a client", () => {
  it("G3: leaves its tasks to go on, and says so to those who wait", async () => {
    const { gateway, farcall } = pair;
    const finish = Promise.withResolvers<void>();
    gateway.run = async () => {
      await finish.promise;
      return { encoding: "json", bytes: Buffer.from("1") };
    };
    const call = farcall.function(() => 1)();
    const outcome = call.catch((error: unknown) => error);
    await farcall.close();
    expect(await outcome).toMatchObject({ code: "CLIENT_CLOSED" });
    const [task] = gateway.tasks.values();
    expect(task?.event.state).toBe("queued");
    finish.resolve();
    await expect.poll(() => task?.event.state).toBe("succeeded");
    expect(await pair.client().tasks.result(task?.id ?? "")).toBe(1);
  });

  it("first submits what was called in the same tick", async () => {
    const { gateway, farcall } = pair;
    gateway.run = never;
    const inc = farcall.function((x: number) => x + 1);
    for (let i = 0; i < 1500; i++) inc.submit(i);
    await farcall.close();
    expect(gateway.tasks.size).toBe(1500);
  });

  it("ends its stream, and refuses what comes after", async () => {
    const { gateway, farcall } = pair;
    const inc = farcall.function((x: number) => x + 1);
    await inc(1);
    await farcall.close();
    await expect.poll(() => gateway.log.streams).toBe(0);
    await expect(inc(2)).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
    await expect(farcall.tasks.counts()).rejects.toMatchObject({ code: "CLIENT_CLOSED" });
  });

  it("happens when the signal in its options aborts", async () => {
    const { gateway } = pair;
    const controller = new AbortController();
    const farcall = pair.client({ signal: controller.signal });
    await farcall.function(() => 1)();
    controller.abort();
    await expect.poll(() => gateway.log.streams).toBe(0);
  });
});
