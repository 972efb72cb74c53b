import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ensureNatsAuth } from "../../../deploy/nats/auth.ts";
import { readRevoker, readSigner } from "../../../gateway/wire/credentials.ts";

async function temporary(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "farcall-auth-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return join(dir, "nats");
}

const contents = async (dir: string) =>
  Promise.all((await readdir(dir)).sort().map(async (name) => [name, await readFile(join(dir, name), "utf8")]));

describe("the auth directory of a nats-server", () => {
  it("is readable by its owner alone", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    const names = (await readdir(dir)).sort();
    expect(names).toEqual(["authority.json", "gateway.creds", "nats.conf", "revoker.json", "signer.json"]);
    for (const name of names) expect((await stat(join(dir, name))).mode & 0o777, name).toBe(0o600);
  });

  it("is made once: a second time changes nothing", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    const before = await contents(dir);
    await ensureNatsAuth(dir);
    expect(await contents(dir)).toEqual(before);
  });

  it("is signed anew with the same keys when the permissions have changed since", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    const signer = await readSigner(dir);
    const file = join(dir, "authority.json");
    const old = JSON.parse(await readFile(file, "utf8"));
    await writeFile(file, JSON.stringify({ ...old, permissions: {} }));
    await writeFile(join(dir, "nats.conf"), "old");
    await ensureNatsAuth(dir);
    expect(await readSigner(dir)).toEqual(signer);
    expect(await readFile(join(dir, "nats.conf"), "utf8")).toContain(signer.account);
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual(old);
  });

  it("that an older version made keeps its keys and is given those that are new", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    const file = join(dir, "authority.json");
    const made = JSON.parse(await readFile(file, "utf8"));
    const { operator, account, signer } = made.authority;
    await writeFile(file, JSON.stringify({ ...made, format: 1, authority: { operator, account, signer } }));
    await rm(join(dir, "revoker.json"));
    await ensureNatsAuth(dir);
    const { format, authority } = JSON.parse(await readFile(file, "utf8"));
    expect({ format, ...authority }).toMatchObject({ format: 2, operator, account, signer });
    expect(await readRevoker(dir)).toMatchObject({ account: (await readSigner(dir)).account });
    expect(await readFile(join(dir, "nats.conf"), "utf8")).toContain("system_account");
  });

  it("a damaged revoker is refused with its file's name; none is none", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    await writeFile(join(dir, "revoker.json"), "{}");
    await expect(readRevoker(dir)).rejects.toThrow("revoker.json");
    await rm(join(dir, "revoker.json"));
    expect(await readRevoker(dir)).toBeUndefined();
  });

  it("listens on loopback, keeps nothing, and lets nobody in without credentials", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    const config = await readFile(join(dir, "nats.conf"), "utf8");
    expect(config).toContain('listen: "127.0.0.1:');
    expect(config.replaceAll(/^#.*$/gm, "")).not.toMatch(/jetstream|no_auth_user|http|cluster|leafnodes/i);
  });

  it("a damaged signer is refused with its file's name", async () => {
    const dir = await temporary();
    await ensureNatsAuth(dir);
    await writeFile(join(dir, "signer.json"), "{}");
    await expect(readSigner(dir)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(readSigner(dir)).rejects.toThrow("signer.json");
  });
});
