/** What a session needs of a connection that is logged in: ssh2's own, or the one that the user's ssh shares. */
import type { Duplex } from "node:stream";
import type { ClientCallback, SFTPWrapper } from "ssh2";

export type Carrier = {
  once(event: "close", listener: () => void): void;
  /** Calls back with the channel of a command that was started. */
  exec(command: string, callback: ClientCallback): void;
  sftp(callback: (error: Error | undefined, sftp: SFTPWrapper) => void): void;
  end(): void;
};

export type Connection = {
  carrier: Carrier;
  /** Listens at an address of the site; returns the port. Ends with the connection. */
  listen(at: { address: string; port: number }, onConnection: (stream: Duplex) => void): Promise<number>;
};
