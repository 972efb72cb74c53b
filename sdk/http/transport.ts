/** One HTTP exchange. Two adapters: fetch (everywhere) and Node's http (measured: half the time of fetch, docs/adr). */

export type WireRequest = {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Uint8Array;
  signal?: AbortSignal;
};

export type Answer = {
  status: number;
  header(name: string): string | null;
  /** the whole body */
  bytes(): Promise<Uint8Array>;
  /** the body as it comes; leaving the loop closes the connection */
  chunks(): AsyncIterable<Uint8Array>;
  /** whether this open connection alone keeps the process alive; absent where the runtime cannot say */
  hold?(keepAlive: boolean): void;
};

export type Transport = {
  /** Rejects only when there was no answer: the outcome is then unknown. */
  send(request: WireRequest): Promise<Answer>;
  close(): void;
};

/** The portable adapter. */
export function createFetchTransport(fetchFunction: typeof fetch = fetch): Transport {
  return {
    async send({ method, url, headers, body, signal }) {
      const response = await fetchFunction(url, {
        method,
        headers,
        redirect: "error",
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        ...(signal === undefined ? {} : { signal }),
      });
      return {
        status: response.status,
        header: (name) => response.headers.get(name),
        bytes: async () => new Uint8Array(await response.arrayBuffer()),
        chunks: () => readChunks(response),
      };
    },
    close() {},
  };
}

async function* readChunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // Also when the caller leaves early: an unread body would keep the connection.
    await reader.cancel().catch(() => {});
  }
}
