/** A stand-in for an SSH server, made of ssh2's own: it asks for one-time passwords in as many rounds as a test says. */
import { generateKeyPairSync } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import ssh2, { type AuthContext, type KeyboardAuthContext, type Prompt, type ServerChannel } from "ssh2";

/** One question and answer of keyboard-interactive. */
export type Round = { name?: string; instructions?: string; prompts: (string | Prompt)[]; answers: string[] };

export type StandInOptions = {
  /** the ways in, in the order in which they are wanted; all are needed */
  login: ("publickey" | "password" | "keyboard-interactive")[];
  rounds?: Round[];
  password?: string;
  publicKey?: Buffer;
  /** runs a command; without it none is run */
  onExec?: (command: string, channel: ServerChannel) => void;
};

export type StandIn = {
  port: number;
  /** what clients tried, with what they said */
  attempts: string[];
  /** connections that came */
  connections(): number;
  /** ends all connections at once */
  cut(): void;
};

/** Starts one on loopback; `await using` stops it. */
export async function startStandIn(options: StandInOptions): Promise<StandIn & AsyncDisposable> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const hostKey = privateKey.export({ type: "pkcs1", format: "pem" });
  const attempts: string[] = [];
  let connections = 0;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    connections++;
    const left = [...options.login];
    client.on("error", () => {});
    client.on("authentication", (context) => authenticate(context, { options, left, attempts }));
    client.on("ready", () => {
      client.on("session", (accept) => {
        const session = accept();
        session.on("exec", (take, reject, { command }) => {
          if (options.onExec) options.onExec(command, take());
          else reject();
        });
      });
    });
  });
  const sockets = new Set<import("node:net").Socket>();
  const front = createServer((socket) => {
    sockets.add(socket.on("error", () => {}).on("close", () => sockets.delete(socket)));
    server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, "127.0.0.1", resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (front.address() as AddressInfo).port,
    attempts,
    connections: () => connections,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => front.close(resolve));
    },
  };
}

function authenticate(
  context: AuthContext,
  { options, left, attempts }: { options: StandInOptions; left: StandInOptions["login"]; attempts: string[] },
): void {
  const wanted = left[0];
  const refuse = () => context.reject(wanted ? [wanted] : [], false);
  const take = () => {
    left.shift();
    if (left.length === 0) context.accept();
    else context.reject([left[0] as "password"], true);
  };
  if (context.method !== wanted) {
    if (context.method !== "none") attempts.push(`${context.method} unasked`);
    refuse();
  } else if (context.method === "password") {
    attempts.push(`password ${context.password}`);
    if (context.password === options.password) take();
    else refuse();
  } else if (context.method === "publickey") {
    attempts.push(context.signature ? "publickey signed" : "publickey offered");
    if (!options.publicKey?.equals(context.key.data)) refuse();
    else if (context.signature) take();
    else context.accept();
  } else if (context.method === "keyboard-interactive") {
    askRound(context, { rounds: options.rounds ?? [], attempts, take, refuse });
  }
}

function askRound(
  context: KeyboardAuthContext,
  { rounds, attempts, take, refuse }: { rounds: Round[]; attempts: string[]; take(): void; refuse(): void },
): void {
  const [round, ...rest] = rounds;
  if (!round) {
    take();
    return;
  }
  context.prompt(round.prompts, round.name ?? "", round.instructions ?? "", (answers) => {
    attempts.push(`keyboard-interactive ${answers.join(",")}`);
    if (answers.join("\0") !== round.answers.join("\0")) refuse();
    else askRound(context, { rounds: rest, attempts, take, refuse });
  });
}
