/** Draws a timeline as SVG: tasks and workers, blocks, and how much of the held worker time was used. */
import type { Sample } from "./timeline.ts";

const WIDTH = 900;
const HEIGHT = 560;
const LEFT = 64;
const RIGHT = 20;
const END = WIDTH - RIGHT;

/** Colours that the colour-blind tell apart (Okabe and Ito), and dashes for those who print in grey; the second is for dark pages. */
const CURVES = [
  { key: "workers", label: "workers", colours: ["#0072b2", "#56b4e9"], dash: "", panel: "tasks" },
  { key: "running", label: "tasks running", colours: ["#007a5a", "#2fcf9f"], dash: "", panel: "tasks" },
  { key: "waiting", label: "tasks waiting", colours: ["#c04f00", "#ff9a4d"], dash: "5 3", panel: "tasks" },
  { key: "blocks", label: "blocks", colours: ["#0072b2", "#56b4e9"], dash: "", panel: "blocks" },
  { key: "pending", label: "blocks pending", colours: ["#8f4773", "#e39cc4"], dash: "5 3", panel: "blocks" },
  { key: "used", label: "workers in use, % of those held", colours: ["#007a5a", "#2fcf9f"], dash: "", panel: "used" },
] as const;

type Point = Record<(typeof CURVES)[number]["key"], number> & { at: number };

/** The picture as text; `title` stands above it. */
export function drawTimeline(samples: readonly Sample[], title: string): string {
  const points = samples.map((sample) => ({
    ...sample,
    used: sample.workers === 0 ? 0 : (Math.min(sample.running, sample.workers) / sample.workers) * 100,
  }));
  const end = Math.max(1, ...points.map(({ at }) => at));
  const x = (at: number) => LEFT + (at / end) * (END - LEFT);
  const panels = {
    tasks: { top: 60, bottom: 250, max: peak(points, ["waiting", "running", "workers"]) },
    blocks: { top: 292, bottom: 390, max: peak(points, ["pending", "blocks"]) },
    used: { top: 432, bottom: 510, max: 100 },
  };
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<style>${style()}</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(title, { x: LEFT, y: 24, more: 'font-size="16"' }),
  ];
  for (const [name, { top, bottom, max }] of Object.entries(panels)) {
    for (const value of ticks(max)) {
      const y = bottom - (value / max) * (bottom - top);
      parts.push(
        line({ x1: LEFT, y1: y, x2: END, y2: y }),
        text(String(value), { x: LEFT - 8, y: y + 4, more: RIGHT_ALIGNED }),
      );
    }
    const middle = (top + bottom) / 2;
    const axis = name === "used" ? "%" : name;
    parts.push(text(axis, { x: 16, y: middle, more: `text-anchor="middle" transform="rotate(-90 16 ${middle})"` }));
    let at = LEFT;
    for (const { label, key } of CURVES.filter(({ panel }) => panel === name)) {
      parts.push(
        `<path class="${key}" d="M${at} ${top - 14}h24"/>`,
        text(label, { x: at + 30, y: top - 10, more: "" }),
      );
      at += 56 + label.length * 7;
    }
  }
  for (const { key, panel } of CURVES) {
    const { top, bottom, max } = panels[panel];
    const y = (value: number) => (bottom - (value / max) * (bottom - top)).toFixed(1);
    let path = "";
    let last = 0;
    for (const point of points) {
      const at = x(point.at).toFixed(1);
      if (point[key] === last && path !== "" && point !== points.at(-1)) continue;
      path += `${path === "" ? "M" : "L"}${at} ${y(last)}`;
      last = point[key];
      path += `L${at} ${y(last)}`;
    }
    parts.push(`<path class="${key}" d="${path}"/>`);
  }
  const { divisor, unit } = unitOf(end);
  for (const value of ticks(end / divisor)) {
    parts.push(text(String(value), { x: x(value * divisor), y: 530, more: 'text-anchor="middle"' }));
  }
  parts.push(
    text(`time since the first submission, ${unit}`, { x: (LEFT + END) / 2, y: 552, more: 'text-anchor="middle"' }),
  );
  return `${parts.join("\n")}\n</svg>\n`;
}

const RIGHT_ALIGNED = 'text-anchor="end"';

function style(): string {
  const strokes = (index: 0 | 1) => CURVES.map(({ key, colours }) => `.${key}{stroke:${colours[index]}}`).join("");
  const dashes = CURVES.map(({ key, dash }) => (dash === "" ? "" : `.${key}{stroke-dasharray:${dash}}`)).join("");
  return [
    `path{fill:none;stroke-width:2}text{fill:#1f2328}line{stroke:#d0d7de}.page{fill:#fff}${dashes}${strokes(0)}`,
    `@media (prefers-color-scheme:dark){text{fill:#e6edf3}line{stroke:#3d444d}.page{fill:#0d1117}${strokes(1)}}`,
  ].join("");
}

/** Round values from 0 up to `max`, about four. */
function ticks(max: number): number[] {
  const rough = max / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10));
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => Math.round(i * step * 1e6) / 1e6);
}

function unitOf(endMs: number): { divisor: number; unit: string } {
  if (endMs > 3 * 3_600_000) return { divisor: 3_600_000, unit: "hours" };
  return endMs > 20 * 60_000 ? { divisor: 60_000, unit: "minutes" } : { divisor: 1_000, unit: "seconds" };
}

function peak(points: readonly Point[], keys: readonly (keyof Point)[]): number {
  let most = 1;
  for (const point of points) for (const key of keys) most = Math.max(most, point[key]);
  return most;
}

function text(content: string, { x, y, more }: { x: number; y: number; more: string }): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeXml(content)}</text>`;
}

function line({ x1, y1, x2, y2 }: Record<"x1" | "y1" | "x2" | "y2", number>): string {
  return `<line x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}"/>`;
}

function escapeXml(content: string): string {
  return content.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
