import { describe, expect, it } from "vitest";
import { type KeepOptions, keepSession } from "../../../deploy/ssh/keep-session.ts";
import type { Prompter } from "../../../deploy/ssh/prompter.ts";
import type { LoginSession } from "../../../deploy/ssh/session.ts";
import { ApiError } from "../../../protocol/errors.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("a login that is kept", () => {
  it("is made again by itself when the network fails, as often as it takes", async () => {
    await using site = createSite();
    const kept = await keepSession(site.options);
    site.answer = unreachable;
    site.lose();
    await waitFor(() => site.logins > 6, { what: "several tries" });
    expect(kept.trouble).toMatch(/no connection to site: no route; trying on/);
    await expect(kept.current()).rejects.toMatchObject({
      code: "SSH_FAILED",
      message: expect.stringContaining("no route"),
    });
    const back = kept.ready();
    site.answer = undefined;
    await back;
    expect(kept.trouble).toBeNull();
    expect((await kept.current()).name).toBe("me@site");
  });

  it("is not tried again by itself once it was refused: a person is waited for", async () => {
    await using site = createSite();
    const kept = await keepSession(site.options);
    site.answer = refused;
    site.lose();
    await waitFor(() => site.login !== undefined, { what: "the door" });
    const tries = site.logins;
    expect(kept.trouble).toMatch(/needs you: run `log in` \(.*wants a password\)/);
    // A person's mistake leaves the door open.
    await expect(site.login?.(PERSON)).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
    expect(site.logins).toBe(tries + 1);
    site.answer = undefined;
    expect(await site.login?.(PERSON)).toBe("logged in as me@site");
    await kept.ready();
    expect(kept.trouble).toBeNull();
    await waitFor(() => site.login === undefined, { what: "the door to close" });
  });

  it("waits at its start for a person, but does not start where the site cannot be reached", async () => {
    await using away = createSite(unreachable);
    await expect(keepSession(away.options)).rejects.toMatchObject({ code: "SSH_FAILED" });
    await using site = createSite(refused);
    const keeping = keepSession(site.options);
    await waitFor(() => site.login !== undefined, { what: "the door" });
    site.answer = undefined;
    await site.login?.(PERSON);
    expect((await (await keeping).current()).name).toBe("me@site");
  });

  it("gives up waiting when the agent ends", async () => {
    const site = createSite(refused);
    const keeping = keepSession(site.options);
    await waitFor(() => site.login !== undefined, { what: "the door" });
    await site[Symbol.asyncDispose]();
    await expect(keeping).rejects.toThrow();
    expect(site.login).toBeUndefined();
  });

  it("a person's connection that the agent cannot use is closed, and the person is told", async () => {
    await using site = createSite(refused);
    let broken = true;
    const onOpen = async () => {
      if (broken) throw new ApiError("SITE_UNFIT", "it forwards no port");
    };
    const keeping = keepSession({ ...site.options, onOpen });
    await waitFor(() => site.login !== undefined, { what: "the door" });
    site.answer = undefined;
    await expect(site.login?.(PERSON)).rejects.toMatchObject({ code: "SITE_UNFIT" });
    expect(site.open).toBe(0);
    broken = false;
    await site.login?.(PERSON);
    await keeping;
    expect(site.open).toBe(1);
  });
});

const PERSON: Prompter = { ask: () => Promise.resolve("secret"), show() {} };
const unreachable = () => new ApiError("SSH_FAILED", "no route");
const refused = () => new ApiError("SSH_LOGIN_REFUSED", "it wants a password");

/** Logins that go as a test says; nothing of SSH is in them. */
function createSite(answer?: () => ApiError) {
  const ends = new Set<() => void>();
  const stop = new AbortController();
  const site = {
    answer,
    logins: 0,
    login: undefined as ((prompter: Prompter) => Promise<string>) | undefined,
    get open() {
      return ends.size;
    },
    lose() {
      for (const end of ends) end();
    },
    options: {
      host: "site",
      loginCommand: "log in",
      async open() {
        site.logins++;
        if (site.answer) throw site.answer();
        let end = () => {};
        const closed = new Promise<void>((resolve) => {
          end = () => {
            ends.delete(end);
            resolve();
          };
        });
        ends.add(end);
        return { name: "me@site", closed, close: () => end() } as unknown as LoginSession;
      },
      async openDoor(login) {
        site.login = login;
        return {
          close() {
            site.login = undefined;
          },
        };
      },
      onOpen: async () => {},
      onTrouble() {},
      signal: stop.signal,
      waits: { firstMs: 1, mostMs: 4 },
    } as KeepOptions,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the agent ends"));
      site.lose();
    },
  };
  return site;
}
