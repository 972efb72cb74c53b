/** Where the day takes place: a site, and the gateway that its endpoints belong to. */

/** A site as the day sees it; a stand-in and a real one look alike. */
export type Place = {
  /** what it is, said where it is named */
  title: string;
  /** `[user@]host` */
  target: string;
  /** more of `farcall endpoint deploy` */
  deployArgs: readonly string[];
  /** MPI ranks on each of the two nodes */
  ranksPerNode: number;
  /** of the `farcall` program and of the SDK: where the gateway is */
  env: NodeJS.ProcessEnv;
  gateway: { url?: string; token?: string };
  /** true: what was deployed goes with it, also without `farcall endpoint remove` */
  passing: boolean;
};

/** A real site, with the Farcall that this machine's profile names. */
export function realPlace(target: string, deployArgs: readonly string[], ranksPerNode: number): Place {
  return { title: target, target, deployArgs, ranksPerNode, env: process.env, gateway: {}, passing: false };
}
