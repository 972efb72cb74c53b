/** Answers a server that asks who logs in, as `ssh2` wants it. */
import type { AnyAuthMethod, AuthHandlerMiddleware, NextAuthHandler, ParsedKey, Prompt } from "ssh2";
import { createAuthOrder } from "./auth-order.ts";
import { type LoginKey, readKeyFile } from "./credentials.ts";
import type { SshHost } from "./host.ts";
import { harmless, type Prompter } from "./prompter.ts";
import type { Ssh2 } from "./ssh2.ts";

export type Login = {
  handler: AuthHandlerMiddleware;
  /** What was tried, for the message when nothing helped. */
  tried(): string[];
  /** What the server took when it was asked last, as the protocol calls it. */
  taken(): readonly string[];
  /** Why the person could not be asked, or did not answer. */
  trouble(): Error | undefined;
};

export type LoginOptions = {
  ssh2: Ssh2;
  keys: readonly LoginKey[];
  prompter: Prompter;
  /** Ends the connection: a question that nobody answers is not answered with nothing, which would count as wrong. */
  giveUp(): void;
};

/** A login over one connection. Nothing that is typed is kept. */
export function createLogin(host: SshHost, { ssh2, keys, prompter, giveUp }: LoginOptions): Login {
  const username = host.user;
  const order = createAuthOrder(keys, { attended: prompter.unattended !== true, methods: host.methods });
  const tried: string[] = [];
  let taken: readonly string[] = [];
  let trouble: Error | undefined;

  async function next(left: readonly string[] | null, partial: boolean): Promise<AnyAuthMethod | false> {
    taken = left ?? [];
    const attempt = order.next(left, partial);
    if (attempt === false) {
      if (order.wantsPerson) trouble ??= new Error("it asks for what only a person can type");
      return false;
    }
    if (attempt.type === "none") return { type: "none", username };
    if (attempt.type === "key") {
      const method = await keyMethod(attempt.credential as LoginKey);
      if (typeof method === "object") {
        tried.push(attempt.credential.name);
        return method;
      }
      tried.push(`${attempt.credential.name}, not used: ${method}`);
      // A key that cannot be used is no attempt: the server has not heard of it.
      return next(left, false);
    }
    tried.push(attempt.type);
    if (attempt.type === "password") {
      const password = await prompter.ask({ text: `Password of ${username}@${host.host}: `, echo: false });
      return { type: "password", username, password };
    }
    return { type: "keyboard-interactive", username, prompt: answerRound };
  }
  /** How a key is tried, or why it cannot be. */
  async function keyMethod(key: LoginKey): Promise<AnyAuthMethod | string> {
    if (key.type === "agent") return { type: "agent", username, agent: agentOf(key.key, key.socket) };
    const parsed = await readKeyFile(key.name, { ssh2, prompter });
    return typeof parsed === "string" ? parsed : { type: "publickey", username, key: parsed as unknown as Buffer };
  }
  /** One key at a time: ssh2 goes on with an agent's next key when the server has taken one and wants more. */
  function agentOf(key: ParsedKey, socket: string) {
    const inner = ssh2.createAgent(socket);
    const agent = Object.create(ssh2.BaseAgent.prototype) as typeof inner;
    agent.getIdentities = (done) => done(undefined, [key]);
    agent.sign = ((wanted: ParsedKey, data: Buffer, ...rest: unknown[]) => {
      order.signed();
      (inner.sign as (...all: unknown[]) => void)(wanted, data, ...rest);
    }) as typeof inner.sign;
    return agent;
  }
  /** Shows what the server says as it says it; every prompt is answered by the person, none by the program. */
  function answerRound(
    name: string,
    instructions: string,
    _language: string,
    prompts: Prompt[],
    finish: (answers: string[]) => void,
  ): void {
    for (const text of [name, instructions]) if (text.trim() !== "") prompter.show(harmless(text).trimEnd());
    void (async () => {
      const answers: string[] = [];
      for (const { prompt, echo } of prompts) {
        answers.push(await prompter.ask({ text: signed(harmless(prompt), host), echo: echo ?? false }));
      }
      finish(answers);
    })().catch((error: Error) => {
      trouble = error;
      giveUp();
    });
  }
  const handler: AuthHandlerMiddleware = (left, partial, done: NextAuthHandler) => {
    next(left, partial).then(
      (method) => done(method as AnyAuthMethod),
      (error: Error) => {
        trouble = error;
        done(false as unknown as AnyAuthMethod);
      },
    );
  };
  return { handler, tried: () => [...tried], taken: () => taken, trouble: () => trouble };
}

/** A server's question with its name before the last line: else it could word it as that for a passphrase, or another host's. */
function signed(prompt: string, { user, host }: SshHost): string {
  const [, before = "", last = "", after = ""] = /^([\s\S]*?\n|)([^\n]*)(\n*)$/.exec(prompt) ?? [];
  return `${before}(${user}@${host}) ${last}${after}`;
}
