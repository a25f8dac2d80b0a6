// What one kept: not pictures but their recipes, in this browser; the service draws them again.

import { ask } from "./api.js";
import { addressed, h } from "./dom.js";
import { fail } from "./status.js";

const changed = new EventTarget();

function all() {
  return JSON.parse(localStorage.getItem("kept") ?? "[]");
}

function store(list) {
  localStorage.setItem("kept", JSON.stringify(list));
  changed.dispatchEvent(new Event("change"));
}

/** Keeps a sample; `hash` is where this page shows it, `query` what draws it. False if it was kept already. */
export function add({ hash, query }) {
  const list = all();
  if (list.some((one) => one.hash === hash)) return false;
  store([{ hash, query }, ...list].slice(0, 100));
  return true;
}

/** The shelf of what was kept; `open(query)` is called for the one that is chosen. */
export function shelf(open) {
  const row = h("div", { class: "chips" });
  const element = h("section", { hidden: true, class: "kept" }, h("h2", {}, "Kept"), row);
  const fill = () => {
    const list = all();
    element.hidden = !list.length;
    row.replaceChildren(
      ...list.map(({ hash, query }) => {
        const image = h("img", { alt: `${query.class ?? "sample"}, seed ${query.seed}`, width: 56, height: 56 });
        ask("generate", { method: "GET", query: { ...query, format: "webp" } })
          .then(async (answer) => addressed(image, await answer.blob()))
          .catch(fail);
        return h(
          "span",
          { class: "kept-one" },
          h("button", { type: "button", class: "quiet", onclick: () => open(query) }, image),
          h("button", { type: "button", class: "quiet small", "aria-label": `Forget seed ${query.seed}`, onclick: () => store(all().filter((one) => one.hash !== hash)) }, "✕"),
        );
      }),
    );
  };
  fill();
  changed.addEventListener("change", fill);
  return { element, stop: () => changed.removeEventListener("change", fill) };
}
