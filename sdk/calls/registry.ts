/** Registers code at the gateway: once for each client, when it is first called, several at the same time. */
import { encodeFrame, FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import type { Code, LoadedCode } from "../code/code.ts";
import type { HttpClient } from "../http/client.ts";

export type Registry = {
  /** The function's id, once the gateway knows the function. */
  register(code: Code): Promise<string>;
  /** The gateway does not know it any more: register it again at its next use. */
  forget(code: Code): void;
};

/** Makes a registry over an HTTP client. */
export function createRegistry(http: Pick<HttpClient, "read">): Registry {
  const known = new Map<Code, Promise<string>>();

  async function upload(code: Code): Promise<string> {
    const { id, definition, bytes }: LoadedCode = await code.load();
    if (!bytes) return id;
    const data = encodeFrame({ name: code.name, definition }, [bytes]);
    await http.read("registerFunction", { bytes: { type: FRAME_MEDIA_TYPE, data } });
    return id;
  }

  return {
    register(code) {
      let registration = known.get(code);
      if (!registration) {
        registration = upload(code);
        known.set(code, registration);
        registration.catch(() => known.delete(code));
      }
      return registration;
    },
    forget: (code) => void known.delete(code),
  };
}
