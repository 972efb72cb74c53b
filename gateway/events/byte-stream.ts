/** A response body that is written to from inside, with a bounded buffer that says when it is full. */
export type ByteStream = {
  readonly body: ReadableStream<Uint8Array>;
  /** Aborted when the reader has gone or `end` or `cut` was called. */
  readonly closed: AbortSignal;
  /** Buffers bytes for the reader; false, and nothing buffered, when there is no room. */
  write(chunk: Uint8Array): boolean;
  /**
   * Resolves to true when at most half of the buffer is used and `bytes` more would be taken, to false when that took longer
   * or the stream closed.
   */
  drained(timeoutMs: number, bytes?: number): Promise<boolean>;
  /** Ends the stream after what is buffered. */
  end(): void;
  /** Drops what is buffered and breaks the connection, so that the reader knows that something is missing. */
  cut(): void;
};

/** Makes a stream that buffers at most `maxBytes`. `breakConnection` is for servers that can close the socket itself. */
export function createByteStream(maxBytes: number, breakConnection?: () => void): ByteStream {
  const closed = new AbortController();
  const waiting = new Map<(drained: boolean) => void, number>();
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const room = () => controller.desiredSize ?? 0;
  const wantedRoom = (bytes: number) => Math.min(maxBytes, Math.max(maxBytes / 2, bytes));
  const close = () => {
    if (closed.signal.aborted) return;
    closed.abort();
    for (const resolve of waiting.keys()) resolve(false);
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (made) => {
        controller = made;
      },
      pull: () => {
        for (const [resolve, wanted] of waiting) if (room() >= wanted) resolve(true);
      },
      cancel: close,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: maxBytes }),
  );
  return {
    body,
    closed: closed.signal,
    write(chunk) {
      // An empty buffer takes anything, else a message above its size would never pass.
      if (closed.signal.aborted || (room() < chunk.length && room() < maxBytes)) return false;
      controller.enqueue(chunk);
      return true;
    },
    drained(timeoutMs, bytes = 0) {
      const wanted = wantedRoom(bytes);
      if (closed.signal.aborted) return Promise.resolve(false);
      if (room() >= wanted) return Promise.resolve(true);
      return new Promise((resolve) => {
        const done = (drained: boolean) => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve(drained);
        };
        const timer = setTimeout(done, timeoutMs, false);
        waiting.set(done, wanted);
      });
    },
    end() {
      if (closed.signal.aborted) return;
      close();
      controller.close();
    },
    cut() {
      if (closed.signal.aborted) return;
      close();
      if (breakConnection) breakConnection();
      else controller.error(new Error("the stream was too slow"));
    },
  };
}
