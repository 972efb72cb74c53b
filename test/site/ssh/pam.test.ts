import { afterEach, describe, expect, it } from "vitest";
import type { Prompter, Question } from "../../../deploy/ssh/prompter.ts";
import { openSession } from "../../../deploy/ssh/session.ts";
import { HAS_PAM, type PamSite, startPamSite } from "../../support/pam-site.ts";
import { clientConfig } from "../../support/sshd.ts";

type Answer = string | ((question: string) => string);

// Not installed, or not root: `apt-get install openssh-server libpam-oath`.
describe.skipIf(!HAS_PAM)("one-time passwords, on a real sshd with real PAM", () => {
  let site: (PamSite & AsyncDisposable) | undefined;
  afterEach(async () => {
    await site?.[Symbol.asyncDispose]();
    site = undefined;
  });
  const start = async (methods: string, { askPassword = true } = {}) => {
    site = await startPamSite({ methods, askPassword });
    return site;
  };

  /** Logs in as somebody who answers what is asked, in order. */
  async function login(at: PamSite, answers: Answer[], lines: string[] = []) {
    const asked: Question[] = [];
    const shown: string[] = [];
    const prompter: Prompter = {
      show: (text) => void shown.push(text),
      async ask(question) {
        asked.push(question);
        const answer = answers.shift();
        if (answer === undefined) throw new Error("nobody answers");
        return typeof answer === "string" ? answer : answer(question.text);
      },
    };
    const configFile = clientConfig({ site: at }, { site: lines });
    const signal = new AbortController().signal;
    const session = await openSession("site", {
      env: process.env,
      configFile,
      prompter,
      acceptNewHostKey: false,
      signal,
    });
    const { stdout } = await session.exec(["id", "-un"], { timeoutMs: 20_000 });
    session.close();
    await session.closed;
    return { user: stdout.trim(), asked, shown: shown.join("\n") };
  }
  const failures = (at: PamSite) => at.log().match(/Failed keyboard-interactive/g)?.length ?? 0;

  it("asks for the password, then for the code, each unseen and with the host's name; the menu is shown", async () => {
    const at = await start("keyboard-interactive");
    const { user, asked, shown } = await login(at, [at.password, at.code()]);
    expect(user).toBe(at.user);
    expect(asked).toEqual([
      { text: `(${at.user}@127.0.0.1) Password: `, echo: false },
      { text: expect.stringMatching(/\(fc\w+@127\.0\.0\.1\) One-time password \(OATH\) for `fc\w+': $/), echo: false },
    ]);
    expect(shown + asked[1]?.text).toMatch(/Duo two-factor login for fc\w+[\s\S]*1\. Duo Push/);
  });

  it("takes the key first and then the code, where the site wants both", async () => {
    const at = await start("publickey,keyboard-interactive", { askPassword: false });
    const { user, asked } = await login(at, [at.code()]);
    expect({ user, questions: asked.length }).toEqual({ user: at.user, questions: 1 });
    expect(at.log()).toMatch(/Partial publickey|Postponed keyboard-interactive|Accepted keyboard-interactive\/pam/);
  });

  it("lets a password that has expired be changed, in the server's own words", async () => {
    const at = await start("keyboard-interactive");
    at.expire();
    const fresh = `New-${at.password.slice(3)}-0aZ`;
    const change: Answer[] = [at.password, fresh, fresh];
    const { user, asked } = await login(at, [at.password, at.code(), ...change]);
    expect(user).toBe(at.user);
    expect(asked.slice(2).map(({ text }) => text)).toEqual([
      expect.stringMatching(/[Cc]urrent .*password: $/),
      expect.stringMatching(/[Nn]ew .*password: $/),
      expect.stringMatching(/[Rr]etype .*password: $/),
    ]);
    expect((await login(at, [fresh, at.code()])).user).toBe(at.user);
  });

  it("says that a code was refused, three times of three, and counts once each; the right one is then as good", async () => {
    const at = await start("keyboard-interactive");
    for (const tries of [1, 2, 3]) {
      const refused = login(at, [at.password, "000000", at.password, "000000"]);
      await expect(refused).rejects.toMatchObject({
        code: "SSH_LOGIN_REFUSED",
        message: expect.not.stringContaining(at.password),
      });
      await expect.poll(() => failures(at)).toBe(tries);
    }
    expect((await login(at, [at.password, at.code()])).user).toBe(at.user);
  });

  it("is not answered with nothing where nobody is there: that would count as wrong", async () => {
    const at = await start("keyboard-interactive");
    await expect(login(at, [])).rejects.toMatchObject({ code: "SSH_LOGIN_REFUSED" });
    await expect(login(at, [at.password])).rejects.toThrow(/nobody answers/);
    await expect(login(at, [at.password, at.code()], ["KbdInteractiveAuthentication no"])).rejects.toThrow(/forbids/);
    const ended = () => at.log().match(/(?:closed by|from) authenticating user/g)?.length;
    await expect.poll(ended).toBeGreaterThan(1);
    expect(failures(at)).toBe(0);
    expect(at.log()).not.toContain(at.password);
  });
});
