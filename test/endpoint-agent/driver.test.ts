import { describe, expect, it } from "vitest";
import { type Driver, driven } from "../../endpoint-agent/driver.ts";
import type { BlockRequest, Provider } from "../../endpoint-agent/provider/port.ts";

describe("a provider that is driven from elsewhere", () => {
  it("submits a block once its files are there, however often the connection is lost before", async () => {
    const site = createSite();
    site.connect(false);
    const submitted = site.provider.submit(request("a"));
    site.failPush = () => site.connect(false);
    site.connect(true);
    await site.settled();
    expect(site.said).toEqual(["push a"]);
    site.failPush = undefined;
    site.connect(true);
    expect(await submitted).toBe("1/a");
    expect(site.said).toEqual(["push a", "push a", "submit a"]);
  });

  it("fails a submission whose files cannot be written, and knows that there is no job of it", async () => {
    const site = createSite();
    site.failPush = () => {};
    await expect(site.provider.submit(request("a"))).rejects.toThrow("disk is full");
    expect(await site.provider.find("a")).toBeUndefined();
    expect(site.said).toEqual(["push a"]);
  });

  it("does not submit what was given up before there was a connection", async () => {
    const site = createSite();
    site.connect(false);
    const submitted = site.provider.submit(request("a"));
    expect(await site.provider.find("a")).toBeUndefined();
    site.connect(true);
    await expect(submitted).rejects.toThrow("given up");
    expect(site.said).toEqual([]);
  });

  it("asks nothing without a connection: what was known stays, and the trouble is said", async () => {
    const site = createSite();
    expect(await site.provider.status(["1/a"])).toEqual(new Map([["1/a", { state: "running", reason: null }]]));
    expect(site.provider.trouble).toBe("the scheduler's own");
    site.connect(false);
    expect(await site.provider.status(["1/a"])).toEqual(new Map());
    expect(site.provider.trouble).toBe("no connection");
    expect(site.provider.statusIntervalMs).toBeGreaterThan(0);
    expect(site.said).toEqual(["pull a", "status 1/a"]);
  });

  it("looks for a job only when it knows whether the block's script has begun", async () => {
    const site = createSite();
    site.failPull = true;
    await expect(site.provider.find("a")).rejects.toThrow("cut");
    site.failPull = false;
    expect(await site.provider.find("a")).toBe("1/a");
    expect(site.said).toEqual(["pull a", "pull a", "find a"]);
  });

  it("cancels when there is a connection again, each job once, with force if that was asked for", async () => {
    const site = createSite();
    site.connect(false);
    const all = [
      site.provider.cancel(["1/a", "2/b"], { force: false }),
      site.provider.cancel(["1/a"], { force: true }),
      site.provider.cancel(["1/a"], { force: false }),
    ];
    expect(site.said).toEqual([]);
    site.connect(true);
    await Promise.all(all);
    expect(site.said).toEqual(["cancel 2/b", "kill 1/a"]);
    await site.provider.cancel(["3/c"], { force: false });
    expect(site.said.at(-1)).toBe("cancel 3/c");
  });
});

const request = (name: string) => ({ name }) as BlockRequest;

/** A scheduler and the way to it; what reaches the site is in `said`. */
function createSite() {
  const said: string[] = [];
  let connected = true;
  let waiting: (() => void)[] = [];
  const scheduler: Provider = {
    statusIntervalMs: 0,
    trouble: "the scheduler's own",
    async submit({ name }) {
      said.push(`submit ${name}`);
      return `1/${name}`;
    },
    async status(ids) {
      said.push(`status ${ids}`);
      return new Map(ids.map((id) => [id, { state: "running", reason: null }]));
    },
    async cancel(ids, { force }) {
      said.push(`${force ? "kill" : "cancel"} ${ids}`);
    },
    async find(name) {
      said.push(`find ${name}`);
      return `1/${name}`;
    },
  };
  const driver = {
    get connected() {
      return connected;
    },
    get trouble() {
      return connected ? null : "no connection";
    },
    ready: () => (connected ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve))),
    async push(block: string) {
      said.push(`push ${block}`);
      site.failPush?.();
      if (site.failPush) throw new Error("disk is full");
    },
    async pull(blocks: readonly string[]) {
      said.push(`pull ${blocks}`);
      if (site.failPull) throw new Error("cut");
    },
  } as unknown as Driver;
  const site = {
    said,
    failPush: undefined as (() => void) | undefined,
    failPull: false,
    provider: driven(scheduler, driver, (job) => job.split("/")[1] as string),
    connect(up: boolean) {
      connected = up;
      if (!up) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
  return site;
}
