/** The client. */
import type { OperationName, ResponseOf } from "../protocol/operations.ts";
import { createEndpointsApi, createFunctionsApi, type EndpointsApi, type FunctionsApi } from "./api/endpoints.ts";
import { createTasksApi, type TasksApi } from "./api/tasks.ts";
import { createEngine, type Engine } from "./calls/engine.ts";
import type { CallOptions } from "./calls/spec.ts";
import { type CommandFunction, commandCode } from "./code/command.ts";
import { type FunctionOptions, inlineCode } from "./code/inline.ts";
import { type ModuleOptions, moduleCode, type RemoteModule } from "./code/module.ts";
import { type PythonOptions, pythonCode } from "./code/python.ts";
import { registeredCode } from "./code/registered.ts";
import { ApiError } from "./errors.ts";
import { createGroup, type Group } from "./group.ts";
import { createHttpClient, type HttpClient, type Link } from "./http/client.ts";
import type { BareOperation, RequestOf } from "./http/request.ts";
import { createFetchTransport } from "./http/transport.ts";
import { type FarcallOptions, resolveConnection } from "./options.ts";
import { type AnyFunction, createRemote, type Remote, type RemoteDeps } from "./remote.ts";
import { isNode, isNodeLike } from "./runtime.ts";

const RETRY_FOR_MS = 5 * 60_000;
const CONNECT_FOR_MS = 10_000;
const SUBMIT_FOR_MS = 10_000;

/**
 * A client of a gateway: makes functions that run elsewhere, and looks after their tasks.
 *
 * @example
 * const farcall = new Farcall();
 * const square = farcall.function((x: number) => x * x, { name: "square" });
 * console.log(await square(12)); // 144
 * await farcall.close();
 */
export class Farcall {
  readonly tasks: TasksApi;
  readonly endpoints: EndpointsApi;
  readonly functions: FunctionsApi;
  readonly #http: HttpClient;
  readonly #engine: Engine;
  readonly #retry: { retryForMs: number; connectForMs: number };
  readonly #closed = new AbortController();
  #link: Promise<Link> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: FarcallOptions = {}) {
    const retry = {
      retryForMs: options.retryForMs ?? RETRY_FOR_MS,
      connectForMs: options.connectForMs ?? CONNECT_FOR_MS,
    };
    this.#retry = retry;
    const connect = () => this.#connect(options);
    this.#http = createHttpClient({ connect, retry, signal: this.#closed.signal, onOutage: options.onOutage });
    this.#engine = createEngine({
      http: this.#http,
      defaultEndpoint: async () => (await connect()).connection.endpoint,
      closed: this.#closed.signal,
      retry,
      maxSubmits: options.maxSubmits ?? 4,
      // A browser's page is not kept open by a connection; a process whose runtime cannot say so is.
      idleMs: { held: 60_000, other: isNodeLike() ? 500 : 60_000 },
    });
    this.tasks = createTasksApi(this.#http);
    this.endpoints = createEndpointsApi(this.#http);
    this.functions = createFunctionsApi(this.#http);
    options.signal?.addEventListener("abort", () => void this.close(), { once: true });
  }

  /**
   * Makes a remote function of a function that uses nothing from outside itself but its arguments and standard globals.
   *
   * @example
   * const square = farcall.function((x: number) => x * x, { name: "square" });
   */
  function<F extends AnyFunction>(fn: F, options: FunctionOptions = {}): Remote<F> {
    const { own, settings } = splitOptions(options);
    return createRemote<F>(inlineCode(fn, own), settings, this.#remotes());
  }

  /**
   * Makes remote functions of a module's exports, bundled with everything it imports. A relative path starts from the
   * calling file.
   *
   * @example
   * const analyse = await farcall.module<typeof import("./analyse.ts")>("./analyse.ts");
   * await analyse.histogram(data);
   */
  async module<M>(path: string | URL, options: ModuleOptions = {}): Promise<RemoteModule<M>> {
    const here = { stack: "" };
    (Error as { captureStackTrace?: (target: object, above: unknown) => void }).captureStackTrace?.(here, this.module);
    const { external, ...rest } = options;
    const { own, settings } = splitOptions(rest);
    const codes = await moduleCode(path, { ...own, ...(external ? { external } : {}) }, here.stack);
    const functions = Object.create(null) as Record<string, Remote<AnyFunction>>;
    for (const [name, code] of codes) functions[name] = createRemote(code, settings, this.#remotes());
    return functions as RemoteModule<M>;
  }

  /**
   * Makes a remote function of Python source.
   *
   * @example
   * const mean = farcall.python<(xs: number[]) => number>("def mean(xs):\n    return sum(xs) / len(xs)");
   * await mean([1, 2, 3]);
   */
  python<F extends AnyFunction = (...args: unknown[]) => unknown>(
    source: string,
    options: PythonOptions = {},
  ): Remote<F> {
    const { entry, ...rest } = options;
    const { own, settings } = splitOptions(rest);
    const code = pythonCode(source, { ...own, ...(entry === undefined ? {} : { entry }) });
    return createRemote<F>(code, settings, this.#remotes());
  }

  /**
   * Makes a remote function of a shell command. `{name}` becomes the argument's field of that name, quoted.
   *
   * @example
   * const count = farcall.command("wc -w {file}");
   * const { stdout } = await count({ file: "/etc/hosts" });
   */
  command<const T extends string>(template: T, options: FunctionOptions = {}): Remote<CommandFunction<T>> {
    const { own, settings } = splitOptions(options);
    return createRemote<CommandFunction<T>>(commandCode(template, own), settings, this.#remotes());
  }

  /**
   * A function that is registered already, by its id, or the newest of a name.
   *
   * @example
   * const square = farcall.registered<(x: number) => number>("square");
   * await square(12); // 144
   */
  registered<F extends AnyFunction = (...args: unknown[]) => unknown>(
    idOrName: string,
    options: CallOptions = {},
  ): Remote<F> {
    return createRemote<F>(registeredCode(this.#http, idOrName), options, this.#remotes());
  }

  /**
   * A named group of tasks, which a later process finds again by its name.
   *
   * @example
   * for await (const { taskId, value } of farcall.group("run-7").results()) console.log(taskId, value);
   */
  group(name: string): Group {
    return createGroup(name, {
      ...this.#remotes(),
      group: {
        http: this.#http,
        tasks: this.tasks,
        retry: this.#retry,
        unsent: (group) => this.#engine.unsent(group),
      },
      makeFunction: (fn, options) => this.function(fn, options),
    });
  }

  /**
   * Any operation of the gateway's API, typed by the table that serves it.
   *
   * @example
   * const { version } = await farcall.call("me");
   */
  call<N extends BareOperation>(name: N): Promise<ResponseOf<N>>;
  call<N extends OperationName>(name: N, request: RequestOf<N>): Promise<ResponseOf<N>>;
  call<N extends OperationName>(name: N, request?: RequestOf<N>): Promise<ResponseOf<N>> {
    return this.#http.call(name, request);
  }

  /**
   * Waits until everything is submitted, for a while if the gateway is away, then closes. Tasks go on; promises that still
   * wait are rejected.
   *
   * @example
   * await farcall.close();
   */
  close(options: { submitForMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#end(options.submitForMs ?? SUBMIT_FOR_MS);
    return this.#closing;
  }

  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(submitForMs: number): Promise<void> {
    await this.#engine.close(submitForMs);
    this.#closed.abort(new ApiError("CLIENT_CLOSED", "the client is closed"));
    // A client that never did anything never looked for its gateway, and need not.
    const link = await this.#link?.catch(() => undefined);
    link?.transport.close();
  }

  /** Remembers where the gateway is; a failure to find it is tried again by the next one who asks. */
  #connect(options: FarcallOptions): Promise<Link> {
    if (!this.#link) {
      this.#link = openLink(options);
      this.#link.catch(() => {
        this.#link = undefined;
      });
    }
    return this.#link;
  }

  #remotes(): RemoteDeps {
    return { engine: this.#engine, tasks: this.tasks };
  }
}

/** Parts what belongs to a function from how it is called. */
function splitOptions({ name, env, container, ...settings }: FunctionOptions): {
  own: Pick<FunctionOptions, "name" | "env" | "container">;
  settings: CallOptions;
} {
  const own = { ...(name !== undefined && { name }), ...(env && { env }), ...(container && { container }) };
  return { own, settings };
}

/** Finds the gateway, and the fastest way to talk to it that this runtime has. */
async function openLink(options: FarcallOptions): Promise<Link> {
  const connection = await resolveConnection(options);
  if (options.fetch || !isNode()) return { connection, transport: createFetchTransport(options.fetch) };
  const { createNodeTransport } = await import("./http/node-transport.ts");
  return { connection, transport: createNodeTransport(connection.url) };
}
