/** Numbers in Python: pi as the area under 4 / (1 + x²), in 200 slices. */
import type { Job } from "./job.ts";

const SLICES = 200;
const STEPS_PER_SLICE = 20_000;
const TOLERANCE = 1e-11;

const SOURCE = `
from math import fsum

def area(slice):
    """The midpoint rule on one slice of [0, 1]."""
    number, slices, steps = slice["number"], slice["slices"], slice["steps"]
    width = 1.0 / (slices * steps)
    first = number * steps + 0.5
    return fsum(4.0 / (1.0 + ((first + i) * width) ** 2) for i in range(steps)) * width
`;

type Slice = { number: number; slices: number; steps: number };

export const pi: Job = {
  name: "pi",
  title: "Python: pi by quadrature",
  async run(farcall, progress) {
    const area = farcall.python<(slice: Slice) => number>(SOURCE);
    const slices = Array.from({ length: SLICES }, (_, number) => ({ number, slices: SLICES, steps: STEPS_PER_SLICE }));
    progress.add(slices.length);
    let sum = 0;
    for await (const { value, error } of area.map(slices)) {
      if (error !== undefined) throw error;
      sum += value ?? Number.NaN;
      progress.done();
    }
    const difference = Math.abs(sum - Math.PI);
    return {
      result: { pi: sum, difference },
      ok: difference < TOLERANCE,
      shown: [
        `${sum} from ${(SLICES * STEPS_PER_SLICE).toLocaleString("en")} steps, ${difference.toExponential(1)} off`,
      ],
    };
  },
};
