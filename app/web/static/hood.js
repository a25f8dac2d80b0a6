// Under the hood: the service's own metrics while one plays, so that one sees batches form.

import { ask } from "./api.js";
import { h, sheet } from "./dom.js";
import { cells, readings } from "./hood/readings.js";
import { bars, stream } from "./hood/drawn.js";

const EVERY = 1000;
/** What is wrong if the service refuses its metrics, by status. */
const CLOSED = {
  401: "This service tells its metrics only to those with a key.",
  403: "Your key may not read metrics: whoever gave it can add the scope.",
  404: "This service shows its metrics on another port, for its keepers alone.",
};
const FIRST = "Of all models together. Point at a number, or move to it with the Tab key, to read what it says.";

/** Fills `root` with the strip, and asks for metrics about once a second while the page is seen; answers with its end. */
export function show(root) {
  const stop = new AbortController();
  const told = h("p", { class: "told small faint" }, FIRST);
  const strip = h("div", { class: "strip" });
  const drawn = cells.map((cell) => ({ cell, ...figure(cell, told) }));
  const take = readings();
  let waiting = 0;
  root.replaceChildren(strip, told);
  sheet(new URL("./hood.css", import.meta.url)).then(() => strip.append(...drawn.map((one) => one.element)), () => undefined);

  async function look() {
    if (document.visibilityState === "visible") {
      try {
        const answer = await ask("metrics", { method: "GET", signal: stop.signal });
        const now = take(await answer.text(), performance.now() / 1000);
        for (const one of drawn) one.tell(now);
        if (told.dataset.trouble) explain(told, FIRST);
      } catch (error) {
        if (stop.signal.aborted) return;
        const closed = CLOSED[error.status];
        if (closed) {
          root.replaceChildren(h("p", { class: "told" }, closed));
          return;
        }
        explain(told, `${error.message} Looking again.`, true);
      }
    }
    waiting = setTimeout(look, EVERY);
  }

  look();
  return () => {
    stop.abort();
    clearTimeout(waiting);
    root.replaceChildren();
  };
}

function explain(told, words, trouble = false) {
  told.textContent = words;
  told.toggleAttribute("data-trouble", trouble);
}

/** One number of the strip: its name, its value, perhaps a drawing, and a sentence on what it says. */
function figure({ name, says, value, draw, part }, told) {
  const number = h("strong", { class: "value" }, "…");
  const small = h("span", { class: "small faint part" });
  const canvas = draw && h("canvas", { "aria-hidden": "true" });
  const sentence = h("span", { class: "hush", id: `hood-${name.replaceAll(" ", "-")}` }, says);
  const element = h("div", { class: `figure ${draw ?? ""}`, tabindex: 0, role: "group", "aria-label": name, "aria-describedby": sentence.id }, h("span", { class: "small faint" }, name), number, small, canvas, sentence);
  for (const event of ["pointerenter", "focus"]) element.addEventListener(event, () => explain(told, says));
  for (const event of ["pointerleave", "blur"]) element.addEventListener(event, () => explain(told, FIRST));
  const pen = { bars, stream }[draw];
  return {
    element,
    tell(now) {
      number.textContent = value(now);
      small.textContent = part?.(now) ?? "";
      if (pen) pen(canvas, now);
    },
  };
}
