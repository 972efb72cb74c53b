/** Where the day takes place: a site, and the gateway that its endpoints belong to. */

/** A site as the day sees it; a stand-in and a real one look alike. */
export type Place = {
  /** what it is */
  title: string;
  /** `[user@]host` */
  target: string;
  /** more of `farcall endpoint deploy` or `configure` */
  args: readonly string[];
  /** of `deploy` alone */
  deployArgs: readonly string[];
  /** MPI ranks on each of the two nodes */
  ranksPerNode: number;
  /** whether `cc` makes MPI programs there */
  mpi: boolean;
  /** for the `farcall` program: where the gateway is */
  env: NodeJS.ProcessEnv;
  /** for the SDK: the same */
  gateway: { url?: string; token?: string };
  /** it is gone afterwards, with all that was deployed */
  passing: boolean;
  /** what its batch system has to say in the end */
  records(): string[];
};

/** A real site, with the Farcall that this machine's profile names. */
export function realPlace(target: string, args: readonly string[], ranksPerNode: number): Place {
  const own = { deployArgs: [], env: process.env, gateway: {}, passing: false, records: () => [] };
  return { title: target, target, args, ranksPerNode, mpi: true, ...own };
}
