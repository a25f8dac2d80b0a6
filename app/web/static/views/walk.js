// Walk: a latent space under the pointer. A plane between pictures, a code's plane, directions, mixtures of classes.

import { h, sheet } from "../dom.js";
import { doing } from "../models.js";
import { chips, choice } from "../ui/fields.js";
import { codes } from "./walk/codes.js";
import { directions } from "./walk/directions.js";
import { mixture } from "./walk/mixture.js";
import { plane } from "./walk/plane.js";

/** Each way to walk: its name, what models it is for, and what makes it, `(model, params) → { element, stop }`. */
const WAYS = {
  plane: ["Between four pictures", () => true, plane],
  codes: ["Code map", (model) => model.tasks.includes("reconstruct"), codes],
  directions: ["Directions", (model) => model.directions.length > 0, directions],
  mixture: ["Mix classes", (model) => model.classes.length > 1, mixture],
};

/** The room; `params` may name model, way, and what the way itself links to. */
export async function show(root, params) {
  await sheet(new URL("./walk.css", import.meta.url));
  const all = await doing("generate");
  if (!all.length) {
    root.append(h("h1", {}, "Walk"), h("p", {}, "No model here has a latent space to walk in. Put one into the models folder."));
    return () => undefined;
  }
  const asked = params.get("model")?.split("@")[0];
  let model = all.find((one) => one.name === asked) ?? all.find((one) => one.classes.length) ?? all[0];
  let way = params.get("way") ?? "plane";
  let at = null;

  const ways = h("div", {});
  const place = h("div", {});
  const picker = choice({
    label: "Model",
    options: all.map((one) => [one.name, one.title]),
    value: model.name,
    onchange: (name) => {
      model = all.find((one) => one.name === name);
      enter(new URLSearchParams());
    },
  });

  function enter(given) {
    at?.stop();
    if (!(way in WAYS) || !WAYS[way][1](model)) way = "plane";
    const open = Object.entries(WAYS).filter(([, [, suits]]) => suits(model));
    const row = chips({
      label: "How",
      value: way,
      options: open.map(([name, [title]]) => [name, title]),
      onchange: (name) => {
        way = name;
        enter(new URLSearchParams());
      },
    });
    const focused = ways.contains(document.activeElement);
    ways.replaceChildren(row.element);
    if (focused) ways.querySelector(":checked").focus();
    at = WAYS[way][2](model, given);
    place.replaceChildren(at.element);
  }

  root.append(h("h1", {}, "Walk"), h("div", { class: "walk-head" }, picker.element, ways), place);
  enter(params);
  return () => at.stop();
}
