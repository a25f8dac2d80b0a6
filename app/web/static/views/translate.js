// Translate: a photo in every style, a facade from its drawing, any picture through any translator.

import { h, sheet } from "../dom.js";
import { doing } from "../models.js";

const WAYS = {
  style: ["Style a photo", () => import("./translate/style.js")],
  draw: ["Draw a facade", () => import("./translate/draw.js")],
  picture: ["Any picture", () => import("./translate/picture.js")],
};

/** The room; `params` may name the way (`do`) and what it is set to. */
export async function show(root, params) {
  const [styling, translating] = await Promise.all([doing("style"), doing("translate"), sheet(new URL("./translate.css", import.meta.url))]);
  const facades = translating.find((model) => model.name.startsWith("facades"));
  const open = Object.keys(WAYS).filter((way) => ({ style: styling.length, draw: facades, picture: translating.length })[way]);
  if (!open.length) {
    root.append(h("h1", {}, "Translate"), h("p", {}, "No model here paints or translates pictures. Put one into the models folder."));
    return () => undefined;
  }
  const way = open.includes(params.get("do")) ? params.get("do") : open[0];
  const links = open.map((name) => h("a", { class: "button", href: `#/translate?do=${name}`, "aria-current": name === way ? "page" : null }, WAYS[name][0]));
  root.append(h("div", { class: "ways" }, h("h1", {}, "Translate"), h("nav", { class: "row", "aria-label": "Ways to translate" }, links)));
  const { show: enter } = await WAYS[way][1]();
  return enter(root, { style: styling, draw: facades, picture: translating }[way], params);
}
