/** Asks the person at the terminal. */
import { ApiError } from "../../protocol/errors.ts";

export type Question = {
  text: string;
  /** what is typed may be seen */
  echo: boolean;
};

export type Prompter = {
  /** true: nobody is there, so that servers are not made to ask. */
  readonly unattended?: boolean;
  /** Rejects when there is nobody to ask. */
  ask(question: Question): Promise<string>;
  /** Shows a text that came from a server. */
  show(text: string): void;
};

/** A server's text without what could move the cursor, recolour or retitle the terminal. */
export function harmless(text: string): string {
  return (
    text
      // whole escape sequences first, so that their parameters do not stay behind
      .replace(/\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-_]/g, "")
      .replace(/\r\n/g, "\n")
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "")
  );
}

/** Where nobody is to be asked: no prompt is answered, nothing wrong is sent. */
export const NOBODY: Prompter = {
  unattended: true,
  ask: () => Promise.reject(new ApiError("SSH_LOGIN_REFUSED", "there is nobody to ask")),
  show() {},
};
