// Restore: what a model makes of what it is given. Pictures through a code and back, speech without its noise, a clip's
// next frames.

import { h, id, sheet } from "../dom.js";
import { doing } from "../models.js";
import { enhance } from "./restore/enhance.js";
import { predict } from "./restore/predict.js";
import { reconstruct } from "./restore/reconstruct.js";

/** The tabs: the task that a model must do, the title, and what fills the tab, `(models) → { element, stop }`. */
const TABS = [
  ["reconstruct", "Reconstruct", reconstruct],
  ["enhance", "Enhance speech", enhance],
  ["predict", "Predict", predict],
];

/** The room; `params` may name the `tab`, and the model that comes first in it. */
export async function show(root, params) {
  await sheet(new URL("./restore.css", import.meta.url));
  const asked = params.get("model")?.split("@")[0];
  const open = [];
  for (const [task, title, fill] of TABS) {
    const models = (await doing(task)).sort((one, other) => (other.name === asked) - (one.name === asked));
    if (models.length) open.push({ task, title, fill, models });
  }
  root.append(h("h1", {}, "Restore"));
  if (!open.length) {
    root.append(h("p", {}, "No model here reconstructs, enhances or predicts. Put one into the models folder."));
    return () => undefined;
  }

  const panel = h("div", { role: "tabpanel", id: id("panel"), tabindex: -1 });
  let current = null;
  const tabs = open.map((one) =>
    h("button", { type: "button", role: "tab", id: id("tab"), "aria-controls": panel.id, onclick: () => choose(open.indexOf(one)) }, one.title),
  );

  function choose(at) {
    current?.stop();
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === at));
      tab.tabIndex = place === at ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", tabs[at].id);
    current = open[at].fill(open[at].models);
    panel.replaceChildren(current.element);
  }

  const list = h("div", { role: "tablist", class: "tabs", "aria-label": "What to restore" }, tabs);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const at = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
    choose(at);
    tabs[at].focus();
  });
  root.append(list, panel);
  choose(Math.max(0, open.findIndex((one) => one.task === params.get("tab"))));
  return () => current.stop();
}
