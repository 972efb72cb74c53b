import type { Reporter } from "../../../deploy/ssh/site/install.ts";
import type { Terminal } from "../../output/terminal.ts";
import { bar } from "../../output/terminal.ts";
import { byteSize } from "../../output/text.ts";

const BAR_WIDTH = 24;

/** Steps as lines with a check mark, the one that runs as a moving line. With --json only what must be said is said. */
export function terminalReport(terminal: Terminal, options: { json?: boolean | undefined }): Reporter {
  let current = "";
  let shown = -1;
  return {
    step(text) {
      current = text;
      shown = -1;
      terminal.status(`… ${text}`);
    },
    progress(done, all) {
      const percent = Math.floor((100 * done) / all);
      if (percent === shown) return;
      shown = percent;
      terminal.status(`… ${current} ${bar(done / all, BAR_WIDTH)} ${byteSize(done)} of ${byteSize(all)}`);
    },
    done(text) {
      terminal.status("");
      if (!options.json) terminal.note(`${terminal.style("green", "✓")} ${text}`);
    },
  };
}
