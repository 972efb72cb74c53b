import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { logInFor, openPersonDoor, wantsPerson, whyPersonIsWanted } from "../../../deploy/ssh/person-door.ts";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import { ApiError } from "../../../protocol/errors.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "farcall-door-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const signal = new AbortController().signal;

describe("the door at which a person logs in for an agent", () => {
  it("passes questions and answers on, and keeps none", async () => {
    const door = await openPersonDoor(dir, async (prompter) => {
      prompter.show("Welcome\nto the site");
      const first = await prompter.ask({ text: "PASSCODE: ", echo: false });
      return `${first} ${await prompter.ask({ text: "Option: ", echo: true })}`;
    });
    expect(wantsPerson(dir)).toBe(true);
    const asked: unknown[] = [];
    const shown: string[] = [];
    const prompter: Prompter = {
      ask: async (question) => `answer ${asked.push(question)}\n"'`,
      show: (text) => void shown.push(text),
    };
    expect(await logInFor(dir, { prompter, signal })).toBe(`answer 1\n"' answer 2\n"'`);
    expect(asked).toEqual([
      { text: "PASSCODE: ", echo: false },
      { text: "Option: ", echo: true },
    ]);
    expect(shown).toEqual(["Welcome\nto the site"]);
    const files = readdirSync(dir).filter((name) => statSync(join(dir, name)).isFile());
    expect(files.filter((name) => readFileSync(join(dir, name), "utf8").includes("answer"))).toEqual([]);
    door.close();
    expect(wantsPerson(dir)).toBe(false);
  });

  it("tells why a login failed, and stays open for the next", async () => {
    let fails = true;
    const door = await openPersonDoor(dir, async () => {
      if (fails) throw new ApiError("SSH_LOGIN_REFUSED", "wrong");
      return "done";
    });
    await expect(logInFor(dir, { prompter: NOBODY, signal })).rejects.toMatchObject({
      code: "SSH_LOGIN_REFUSED",
      message: "wrong",
    });
    fails = false;
    expect(await logInFor(dir, { prompter: NOBODY, signal })).toBe("done");
    door.close();
  });

  it("says to those who cannot come why somebody is wanted", async () => {
    const door = await openPersonDoor(
      dir,
      async () => "done",
      "[127.0.0.1]:22 shows a key that is not known\nIs it its own?",
    );
    expect(whyPersonIsWanted(dir)).toBe("[127.0.0.1]:22 shows a key that is not known\nIs it its own?");
    expect(await logInFor(dir, { prompter: NOBODY, signal })).toBe("done");
    door.close();
  });

  it("lets one person in at a time; one who goes away makes room", async () => {
    const door = await openPersonDoor(dir, (prompter) => prompter.ask({ text: "PASSCODE: ", echo: false }));
    const gone = new AbortController();
    let asked = () => {};
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const never: Prompter = {
      show() {},
      ask: () => {
        asked();
        return new Promise(() => {});
      },
    };
    const first = logInFor(dir, { prompter: never, signal: gone.signal });
    first.catch(() => {});
    await isAsked;
    await expect(logInFor(dir, { prompter: NOBODY, signal })).rejects.toMatchObject({ code: "CONFLICT" });
    gone.abort();
    await expect(first).rejects.toThrow();
    const next = { show() {}, ask: () => Promise.resolve("in") };
    await expect
      .poll(() => logInFor(dir, { prompter: next, signal }).catch((error: ApiError) => error.code))
      .toBe("in");
    door.close();
  });

  it("says what a terminal could not answer", async () => {
    const door = await openPersonDoor(dir, (prompter) => prompter.ask({ text: "PASSCODE: ", echo: false }));
    await expect(logInFor(dir, { prompter: NOBODY, signal })).rejects.toMatchObject({
      message: "there is no terminal",
    });
    door.close();
  });

  it("is found where the directory's own name is too long for a socket", async () => {
    const deep = join(dir, "d".repeat(120));
    mkdirSync(deep);
    const door = await openPersonDoor(deep, async () => "done");
    expect(await logInFor(deep, { prompter: NOBODY, signal })).toBe("done");
    door.close();
  });
});

const NOBODY: Prompter = { show() {}, ask: () => Promise.reject(new Error("there is no terminal")) };
