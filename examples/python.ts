import { Farcall } from "../sdk/index.ts";

await using farcall = new Farcall();
// Standard library only; what the endpoint has installed can be imported as well.
const summary = farcall.python<(values: number[]) => { mean: number; median: number }>(`
import statistics

def summary(values):
    return {"mean": statistics.fmean(values), "median": statistics.median(values)}
`);
console.log(await summary([3, 1, 4, 1, 5, 9, 2, 6]));
