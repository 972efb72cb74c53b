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
  const known = new WeakMap<Code, Promise<string>>();
  /** the same content made anew, in a loop perhaps, is the same function */
  const uploads = new Map<string, Promise<unknown>>();

  async function register(code: Code): Promise<string> {
    const loaded = await code.load();
    const { id } = loaded;
    let upload = uploads.get(id);
    if (!upload) {
      upload = put(code.name, loaded);
      uploads.set(id, upload);
      upload.catch(() => uploads.delete(id));
    }
    await upload;
    return id;
  }

  async function put(name: string, { definition, bytes }: LoadedCode): Promise<void> {
    if (!bytes) return;
    const data = encodeFrame({ name, definition }, [bytes]);
    await http.read("registerFunction", { bytes: { type: FRAME_MEDIA_TYPE, data } });
  }

  return {
    register(code) {
      let registration = known.get(code);
      if (!registration) {
        registration = register(code);
        known.set(code, registration);
        registration.catch(() => known.delete(code));
      }
      return registration;
    },
    forget(code) {
      known.delete(code);
      code.load().then(
        ({ id }) => uploads.delete(id),
        () => {},
      );
    },
  };
}
