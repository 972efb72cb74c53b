import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Duplex, PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBlocks } from "../../../deploy/ssh/block-transfer.ts";
import type { LoginSession } from "../../../deploy/ssh/session.ts";
import { createWayBack } from "../../../deploy/ssh/way-back.ts";
import { ApiError } from "../../../protocol/errors.ts";

const agent = createServer((socket) => socket.pipe(socket));
beforeAll(async () => {
  agent.listen(0, "127.0.0.1");
  await once(agent, "listening");
});
afterAll(() => void agent.close());
const local = () => ({
  kind: "tls" as const,
  host: "127.0.0.1",
  port: (agent.address() as AddressInfo).port,
  fingerprint: "0".repeat(64),
});
const wayBack = (port?: number) =>
  createWayBack({ address: "10.0.0.1", port, local: local(), python: "python3", init: undefined, dir: "/d" });

describe("the way back of a site's managers", () => {
  it("keeps its port over connections, and takes another one where the lost connection still holds it", async () => {
    const way = wayBack();
    const first = login({ free: 4001 });
    expect(await way.open(first.session)).toMatchObject({ host: "10.0.0.1", port: 4001 });
    const second = login({ free: 4002 });
    expect(await way.open(second.session)).toMatchObject({ port: 4001 });
    const third = login({ free: 4003, held: [4001] });
    expect(await way.open(third.session)).toMatchObject({ port: 4003 });
    expect(third.asked).toEqual([4001, 0]);
  });

  it("does not leave a port that was configured", async () => {
    await expect(wayBack(4001).open(login({ free: 4003, held: [4001] }).session)).rejects.toMatchObject({
      code: "SITE_UNFIT",
    });
  });

  it("passes on both ways what comes, and the end of either side", async () => {
    const there = login({ free: 4001 });
    await wayBack().open(there.session);
    const near = new PassThrough();
    const far = new PassThrough();
    const stream = Duplex.from({ readable: near, writable: far });
    there.come(stream);
    near.write("from a node");
    expect(String((await once(far, "data"))[0])).toBe("from a node");
    const closed = once(stream, "close");
    near.end();
    await closed;
  });
});

describe("the end of a manager's connection", () => {
  it("comes after all that the agent has said, however slowly it is taken", async () => {
    const last = randomBytes(400_000);
    const talker = createServer((socket) => void socket.end(last)).listen(0, "127.0.0.1");
    await once(talker, "listening");
    const there = login({ free: 4001 });
    const at = { ...local(), port: (talker.address() as AddressInfo).port };
    const options = { address: "10.0.0.1", port: undefined, local: at, python: "python3", init: undefined, dir: "/d" };
    await createWayBack(options).open(there.session);
    const heard: Buffer[] = [];
    const stream = new Duplex({
      read() {},
      write: (chunk: Buffer, _encoding, done) =>
        void sleep(5).then(() => {
          heard.push(chunk);
          done();
        }),
    });
    there.come(stream);
    await once(stream, "close");
    expect(Buffer.concat(heard).equals(last)).toBe(true);
    talker.close();
  });
});

describe("what blocks have said", () => {
  it("is told apart by a mark that no log can know", () => {
    const text = "\nm a\nend=1\ncode=0\n\nm-\nlast\n\nother b\nwords\nm c\n\nm-\n";
    expect(parseBlocks(text, "m")).toEqual([
      { block: "a", exit: "end=1\ncode=0\n", words: "last\n\nother b\nwords" },
      { block: "c", exit: "", words: "" },
    ]);
    expect(parseBlocks("motd only", "m")).toEqual([]);
  });
});

/** A connection that gives the ports a test says; no SSH is in it. */
function login({ free, held = [] }: { free: number; held?: number[] }) {
  const asked: number[] = [];
  let come: (stream: Duplex) => void = () => {};
  const session = {
    name: "me@site",
    async listen({ port }: { port: number }, onConnection: (stream: Duplex) => void) {
      asked.push(port);
      if (held.includes(port)) throw new ApiError("SITE_UNFIT", "forwards no port");
      come = onConnection;
      return port === 0 ? free : port;
    },
    exec: async () => ({ code: 0, stdout: "", stderr: "" }),
    open: async () => {
      throw new ApiError("SITE_UNFIT", "no Python");
    },
  } as unknown as LoginSession;
  return { session, asked, come: (stream: Duplex) => come(stream) };
}
