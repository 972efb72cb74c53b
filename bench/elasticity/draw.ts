/** Draws a timeline as SVG: tasks and workers above, blocks below. */
import type { Sample } from "./timeline.ts";

const WIDTH = 900;
const HEIGHT = 420;
const LEFT = 56;
const RIGHT = 16;
const TOP = 40;
const LOWER = 300;
const BOTTOM = 380;

const CURVES = [
  { key: "waiting", label: "tasks waiting", colour: "#b45309", panel: "upper" },
  { key: "running", label: "tasks running", colour: "#15803d", panel: "upper" },
  { key: "workers", label: "workers", colour: "#1d4ed8", panel: "upper" },
  { key: "pending", label: "blocks pending", colour: "#9ca3af", panel: "lower" },
  { key: "blocks", label: "blocks", colour: "#7c3aed", panel: "lower" },
] as const;

/** The picture as text; `title` stands above it. */
export function drawTimeline(samples: readonly Sample[], title: string): string {
  const end = Math.max(1, ...samples.map((sample) => sample.at));
  const x = (at: number) => LEFT + (at / end) * (WIDTH - LEFT - RIGHT);
  const panels = {
    upper: { top: TOP, bottom: LOWER - 40, max: peak(samples, ["waiting", "running", "workers"]) },
    lower: { top: LOWER, bottom: BOTTOM, max: peak(samples, ["pending", "blocks"]) },
  };
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="18" font-size="14">${escapeXml(title)}</text>`,
  ];
  for (const { top, bottom, max } of Object.values(panels)) {
    parts.push(
      line({ x1: LEFT, y1: bottom, x2: WIDTH - RIGHT, y2: bottom }),
      line({ x1: LEFT, y1: top, x2: LEFT, y2: bottom }),
      `<text x="${LEFT - 6}" y="${top + 10}" text-anchor="end">${max}</text>`,
      `<text x="${LEFT - 6}" y="${bottom}" text-anchor="end">0</text>`,
    );
  }
  CURVES.forEach(({ key, label, colour, panel }, index) => {
    const { top, bottom, max } = panels[panel];
    const y = (value: number) => bottom - (value / max) * (bottom - top);
    let path = "";
    let last = 0;
    for (const sample of samples) {
      path += `${path === "" ? "M" : "L"}${x(sample.at).toFixed(1)} ${y(last).toFixed(1)}`;
      last = sample[key];
      path += `L${x(sample.at).toFixed(1)} ${y(last).toFixed(1)}`;
    }
    parts.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
    parts.push(`<text x="${LEFT + index * 150}" y="34" fill="${colour}">${label}</text>`);
  });
  parts.push(
    `<text x="${LEFT}" y="${HEIGHT - 14}">0 s</text>`,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 14}" text-anchor="end">${(end / 1000).toFixed(0)} s</text>`,
    "</svg>",
  );
  return `${parts.join("\n")}\n`;
}

function peak(samples: readonly Sample[], keys: readonly (keyof Sample)[]): number {
  return Math.max(1, ...samples.flatMap((sample) => keys.map((key) => sample[key])));
}

function line({ x1, y1, x2, y2 }: Record<"x1" | "y1" | "x2" | "y2", number>): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#d1d5db"/>`;
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
