// A photo in all styles side by side; one of them large, beside the photo, as strong as one likes.

import { ask } from "../../api.js";
import { addressed, h } from "../../dom.js";
import { fail, quiet, say } from "../../status.js";
import { drop } from "../../ui/drop.js";
import { slider } from "../../ui/fields.js";
import { act, tile } from "../../ui/tile.js";
import { noted } from "./address.js";
import { easel } from "./easel.js";
import { photo, reduced, sent } from "./photo.js";

/** Pixels of the longer side of what the wall shows: enough to choose by, and soon done. */
const SMALL = 192;
/** How many styles are asked for at once: one connection stays for what is painted large. */
const ABREAST = 3;

let last = null;

/** Has the room open with a photo. */
export function bring(file) {
  last = file;
}

/** The room for these models; `params` may name model, style and strength. */
export function show(root, models, params) {
  const styles = models.flatMap((model) => model.styles.map((style) => ({ model: model.model, name: model.name, style, title: model.title })));
  const asked = params.get("model")?.split("@")[0];
  const own = styles.filter((one) => one.name === asked);
  let chosen = own.find((one) => one.style === params.get("style")) ?? own[0] ?? styles[0];
  let given = null;
  let reading = null;
  let work = null;
  let tiles = [];
  const wall = h("div", { class: "wall styles" });
  const cancel = h("button", { type: "button", hidden: true, onclick: () => (work?.abort(), say("Cancelled.")) }, "Cancel the rest");
  const stand = easel("style", { scale: params.get("scale") === "model" ? "model" : "original", changed: paint });
  const strength = slider({
    label: "Strength",
    min: 0,
    max: 1,
    step: 0.05,
    value: Number(params.get("strength") ?? 1),
    text: (value) => value.toFixed(2),
    oninput: () => {
      stand.blend(query());
      paint();
    },
  });
  const large = h("div", { class: "room large", hidden: true }, h("div", { class: "settings" }, strength.element, stand.settings), stand.element);
  const place = drop({ label: "A photo: drop it here, or paste it.", hint: "It goes to this service alone, which keeps nothing of it.", accept: "image/*", camera: true, take });
  const sheets = h("div", { class: "sheets" });
  root.append(place.element, sheets, h("section", { class: "made", hidden: true }, h("div", {}, h("div", { class: "row" }, h("h2", {}, "In every style"), cancel), wall), large));
  const made = root.querySelector(".made");

  async function take(file) {
    reading?.abort();
    reading = new AbortController();
    say("Reading the photo");
    const next = await photo(file, reading.signal);
    quiet();
    work?.abort();
    [given, last] = [next, file];
    stand.set(given);
    sheets.hidden = true;
    made.hidden = large.hidden = false;
    place.element.classList.add("slim");
    paint();
    await hang();
  }

  /** Paints the photo in each style, small, several at once; each tile as it comes. */
  async function hang() {
    const mine = (work = new AbortController());
    for (const one of tiles) one.release();
    tiles = styles.map(({ style }) => tile(style));
    wall.replaceChildren(...tiles.map((one) => one.element));
    wall.style.setProperty("--ratio", given.width / given.height);
    wall.setAttribute("aria-busy", "true");
    cancel.hidden = false;
    const small = await reduced(given, SMALL);
    let failed = false;
    const waiting = styles.map((one, at) => [one, tiles[at]]);
    try {
      await Promise.all(Array.from({ length: ABREAST }, () => someOf(waiting, small, mine.signal)));
    } catch (error) {
      failed = !mine.signal.aborted;
      mine.abort();
      if (work === mine) fail(error);
    }
    if (work !== mine) return;
    for (const one of tiles) if (!one.filled) one.release();
    if (failed && !wall.children.length) {
      // Nothing came of it, and why has been told: the room is as it was before.
      made.hidden = true;
      sheets.hidden = false;
      [given, last] = [null, null];
      stand.stop();
    }
    wall.removeAttribute("aria-busy");
    cancel.hidden = true;
  }

  async function someOf(waiting, small, signal) {
    while (waiting.length && !signal.aborted) {
      const [one, place] = waiting.shift();
      const began = performance.now();
      const query = { model: one.model, style: one.style, format: "webp" };
      const answer = await ask("style", { query, ...sent(small), signal });
      const choose = act("", `Look closer at ${one.style} by ${one.model}`, () => pick(one));
      choose.className = "whole";
      choose.title = one.title;
      const took = ((performance.now() - began) / 1000).toFixed(2);
      place.fill({ blob: await answer.blob(), alt: `the photo in the style ${one.style}, by ${one.model}`, title: one.style, left: one.model.split("@")[0], right: `${took} s`, acts: [choose] });
      choose.dataset.of = key(one);
      mark();
    }
  }

  function mark() {
    for (const button of wall.querySelectorAll(".whole")) button.setAttribute("aria-pressed", String(button.dataset.of === key(chosen)));
  }

  function pick(one) {
    chosen = one;
    mark();
    paint();
    large.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  const query = () => ({ model: chosen.model, style: chosen.style, strength: strength.value });

  function paint() {
    noted({ do: "style", ...query(), scale: stand.scale });
    if (given) stand.paint(query(), `${chosen.style} by ${chosen.model}`, chosen.title);
  }

  if (last) take(last).catch(fail);
  else illustrate(sheets, models);
  return () => {
    reading?.abort();
    work?.abort();
    place.stop();
    stand.stop();
    for (const one of tiles) one.release();
    for (const image of sheets.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  };
}

const key = ({ model, style }) => `${model} ${style}`;

/** Until there is a photo: what the models have done to those of others. */
function illustrate(place, models) {
  const image = h("img", { alt: `Photos, and what ${models[0].title} makes of them` });
  ask(`models/${encodeURIComponent(models[0].model)}/samples.png`, { method: "GET" })
    .then(async (answer) => place.replaceChildren(h("h2", {}, "What comes of it"), addressed(image, await answer.blob()), h("p", { class: "small faint" }, models[0].title)))
    .catch(() => undefined); // a model may come without its sheet
}
