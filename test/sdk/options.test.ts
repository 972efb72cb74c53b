import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { profilePath, readProfile } from "../../sdk/node-profile.ts";
import { mergeConnection } from "../../sdk/options.ts";

const profile = { url: "http://profile:1", token: "of profile", endpoint: "laptop" };
const env = { FARCALL_URL: "http://env:2", FARCALL_TOKEN: "of env" };

describe("the connection", () => {
  it("is the options', else the environment's, else the profile's", () => {
    const options = { url: "http://option:3/", token: "of option", endpoint: "cluster" };
    expect(mergeConnection(options, env, profile)).toEqual({
      url: "http://option:3",
      token: "of option",
      endpoint: "cluster",
    });
    expect(mergeConnection({}, env, profile)).toEqual({ url: "http://env:2", token: "of env", endpoint: undefined });
    expect(mergeConnection({}, {}, profile)).toEqual(profile);
    expect(mergeConnection({}, { FARCALL_ENDPOINT: "other" }, profile).endpoint).toBe("other");
  });

  it("never sends the profile's token to another address than the profile's", () => {
    expect(mergeConnection({ url: "http://other:1" }, {}, profile).token).toBeUndefined();
    expect(mergeConnection({}, { FARCALL_URL: "http://profile:1/" }, profile).token).toBe("of profile");
  });

  it("that is nowhere says the three places and the way out", () => {
    expect(() => mergeConnection({}, {}, {})).toThrow(/no url option, no FARCALL_URL, and no profile; `farcall up`/);
    expect(() => mergeConnection({ url: "localhost:1" }, {}, {})).toThrow(/"localhost:1"; expected http/);
  });
});

describe("the profile", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "farcall-profile-"));
    await mkdir(join(dir, "farcall"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const write = (text: string) => writeFile(join(dir, "farcall", "profile.json"), text);

  it("is read from XDG_CONFIG_HOME, or from ~/.config", async () => {
    await write(JSON.stringify({ ...profile, more: 1 }));
    expect(await readProfile({ XDG_CONFIG_HOME: dir })).toEqual(profile);
    expect(profilePath({ HOME: "/home/a" })).toBe("/home/a/.config/farcall/profile.json");
  });

  it("that is absent is empty", async () => {
    expect(await readProfile({ XDG_CONFIG_HOME: dir })).toEqual({});
  });

  it("that is damaged is an error that names it", async () => {
    await write("{");
    await expect(readProfile({ XDG_CONFIG_HOME: dir })).rejects.toThrow(`${dir}/farcall/profile.json is not JSON`);
    await write("[]");
    expect(await readProfile({ XDG_CONFIG_HOME: dir })).toEqual({});
  });

  it.skipIf(process.getuid?.() === 0)("that cannot be read is an error that names it", async () => {
    await write("{}");
    await chmod(join(dir, "farcall", "profile.json"), 0);
    await expect(readProfile({ XDG_CONFIG_HOME: dir })).rejects.toThrow("cannot be read");
  });
});
