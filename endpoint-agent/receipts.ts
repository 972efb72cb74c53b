/** Which result messages of a manager are safe, so that it may forget them (PROTOCOL.md rule 13). */

/** One message of a manager; `left` of its results are not safe yet. */
export type Receipt = { readonly message: number; left: number };

export type Receipts = {
  /** Undefined when the message came before, over an earlier connection. */
  open(message: number, results: number): Receipt | undefined;
  /** One of its results is safe. */
  settle(receipt: Receipt): void;
  /** The highest message up to which all are safe, if that rose since the last call. */
  next(): number | undefined;
  /** As `next`, also when it did not rise: for a manager that connects again. */
  current(): number;
};

/** Counts the results of numbered messages. */
export function createReceipts(): Receipts {
  const open: Receipt[] = [];
  let received = 0;
  let safe = 0;
  let told = 0;
  const advance = () => {
    while (open.length > 0 && (open[0] as Receipt).left === 0) safe = (open.shift() as Receipt).message;
  };
  return {
    open(message, results) {
      if (message <= received) return undefined;
      received = message;
      const receipt = { message, left: results };
      open.push(receipt);
      return receipt;
    },
    settle(receipt) {
      receipt.left--;
    },
    next() {
      advance();
      if (safe === told) return undefined;
      told = safe;
      return safe;
    },
    current() {
      advance();
      told = safe;
      return safe;
    },
  };
}
