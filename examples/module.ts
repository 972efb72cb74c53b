import { Farcall } from "../sdk/index.ts";

await using farcall = new Farcall();
// The file is bundled with what it imports; the functions keep their types, and typed arrays arrive as typed arrays.
const analysis = await farcall.module<typeof import("./analysis/histogram.ts")>("./analysis/histogram.ts");

const waves = Float64Array.from({ length: 10_000 }, (_, i) => Math.sin(i));
console.log(await analysis.histogram([...waves.slice(0, 1_000)], 4));
const { mean, deviation } = await analysis.spread(waves);
console.log(mean.toFixed(3), deviation.toFixed(3));
