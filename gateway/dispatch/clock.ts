/** The two clocks that the dispatcher reads. */
export type Clock = {
  /** milliseconds that only grow, for how long something takes */
  monotonic(): number;
  /** Unix milliseconds by the store's clock, for what is shown or compared with the database */
  wall(): number;
};

/** The machine's clocks. */
export const systemClock: Clock = { monotonic: () => performance.now(), wall: () => Date.now() };
