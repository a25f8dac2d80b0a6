// Generate: pictures of a class as they are done; each can be kept, saved, linked, and walked around.

import { ask, decoded, lines } from "../api.js";
import { h } from "../dom.js";
import * as kept from "../kept.js";
import { doing } from "../models.js";
import { recipe } from "../recipe.js";
import { fail, say } from "../status.js";
import { drop } from "../ui/drop.js";
import { chips, choice, slider } from "../ui/fields.js";
import { act, copy, save, tile } from "../ui/tile.js";

const ANY = "";
const AROUND = 8;
/** How far from a picture its neighbours are: one step of so many towards another seed. */
const STEPS = 5;
/** Seeds that are drawn here are short enough to be read out. */
const SEEDS = 1_000_000;

/** The room; `params` may name model, class, seed, index, truncation: one picture is then drawn at once. */
export async function show(root, params) {
  const all = await doing("generate");
  if (!all.length) {
    root.append(h("h1", {}, "Generate"), h("p", {}, "No model here draws pictures from nothing. Put one into the models folder."));
    return () => undefined;
  }
  const asked = params.get("model")?.split("@")[0];
  let model = all.find((one) => one.name === asked) ?? all.find((one) => one.classes.length) ?? all[0];
  const visit = new AbortController();
  let work = null;
  let tiles = [];

  const wall = h("div", { class: "wall" });
  const progress = h("p", { class: "small faint number", role: "status" });
  const cancel = h("button", { type: "button", hidden: true, onclick: () => work?.abort() }, "Cancel");
  const go = h("button", { type: "submit", class: "main" }, "Draw");
  const kind = h("div", {});
  let classes = null;
  const count = slider({ label: "How many", min: 1, max: 64, step: 1, value: 12 });
  const truncation = slider({ label: "Truncation", min: 0, max: 1, step: 0.05, value: Number(params.get("truncation") ?? 1), text: (value) => value.toFixed(2) });
  truncation.field.title = "Less is more typical, and less varied";
  const seed = h("input", { type: "text", id: "seed", inputmode: "numeric", placeholder: "drawn anew", value: params.get("seed") ?? "", size: 12 });

  const picker = choice({
    label: "Model",
    options: all.map((one) => [one.name, one.title]),
    value: model.name,
    onchange: (name) => {
      model = all.find((one) => one.name === name);
      offer();
      draw();
    },
  });

  function offer(wanted = ANY) {
    kind.replaceChildren();
    classes = null;
    if (!model.classes.length) return;
    classes = chips({ label: "Class", value: wanted, options: [[ANY, "any"], ...model.classes.map((name) => [name, name, true])], onchange: () => draw() });
    classes.illustrated = false;
    kind.append(classes.element);
  }

  /** Gives each class its sample, once the wall that was asked for is there: chips can wait, the wall can't. */
  function illustrate() {
    const row = classes;
    if (row?.illustrated !== false) return;
    row.illustrated = true;
    for (const name of model.classes) {
      ask("generate", { method: "GET", query: { model: model.model, class: name, seed: 7, format: "webp" }, signal: visit.signal })
        .then(async (answer) => row.picture(name, await answer.blob()))
        .catch(() => undefined); // a chip without its picture is still a chip; drawing tells what is wrong
    }
  }

  /** Begins a new wall; what was under way is cancelled, here and on the server. */
  function begin() {
    work?.abort();
    for (const one of tiles) one.release();
    tiles = [];
    work = new AbortController();
    return work;
  }

  async function draw() {
    const mine = begin();
    const from = seed.value.trim() || String(Math.floor(Math.random() * SEEDS));
    const query = { model: model.model, class: classes?.value, n: count.value, seed: from, truncation: truncation.value, format: "ndjson", priority: count.value > 16 ? "bulk" : null };
    await gather(mine, count.value, async (place) => {
      const started = performance.now();
      const answer = await ask("generate", { query, signal: mine.signal });
      for await (const line of lines(answer)) {
        const took = performance.now() - started;
        place(line.index, sample({ model: model.model, seed: Number(from), index: line.index, class: line.class, truncation: truncation.value }, decoded(line.image, "image/png"), took));
      }
    });
  }

  /** Fills a wall of `n` tiles through `make(place)`, and tells how far it is. */
  async function gather(mine, n, make) {
    const began = performance.now();
    tiles = Array.from({ length: n }, () => tile("…"));
    wall.replaceChildren(...tiles.map((one) => one.element));
    wall.setAttribute("aria-busy", "true");
    cancel.hidden = false;
    let done = 0;
    try {
      await make((at, filled) => {
        tiles[at].fill(filled);
        done += 1;
        progress.textContent = `${done} of ${n}, ${((performance.now() - began) / 1000).toFixed(2)} s`;
      });
    } catch (error) {
      if (error.name === "AbortError" && work === mine) say(`Cancelled after ${done} of ${n}.`);
      else if (work === mine) fail(error);
    } finally {
      if (work === mine) {
        for (const one of tiles) if (!one.filled) one.release(); // they come in any order
        cancel.hidden = true;
        wall.removeAttribute("aria-busy");
        illustrate();
      }
    }
  }

  /** What a tile shows of a sample, and what one can do with it. */
  function sample(made, blob, took) {
    const hash = `#/generate?${new URLSearchParams(without(made))}`;
    const name = [made.model.replace("@", "-"), made.class, `seed${made.seed}`, made.index || null].filter((part) => part !== null && part !== undefined).join("_");
    return {
      blob,
      alt: `${made.class ?? "sample"}, seed ${made.seed}, number ${made.index}`,
      title: made.class,
      left: `${made.seed}${made.index ? `·${made.index}` : ""}`,
      right: took === null ? "" : `${Math.round(took)} ms`,
      acts: [
        act("More", "More like this", () => around(made)),
        act("Keep", "Keep this picture", () => kept.add({ hash, query: without(made) }) && say("Kept, below the wall.")),
        act("Save", "Save it with its recipe", () => save(blob, `${name}.png`)),
        act("Link", "Copy a link that draws it again", () => copy(hash)),
      ],
    };
  }

  /** The neighbourhood of a sample: itself, and one step from it towards other seeds. */
  async function around(made) {
    const mine = begin();
    const here = { seed: made.seed, index: made.index, ...(made.class ? { class: made.class } : {}) };
    scrollTo({ top: 0, behavior: "smooth" });
    await gather(mine, AROUND + 1, async (place) => {
      const first = await ask("generate", { method: "GET", query: { ...without(made), format: "png" }, signal: mine.signal });
      place(0, sample(made, await first.blob(), null));
      for (let at = 1; at <= AROUND; at += 1) {
        const to = { ...here, seed: Math.floor(Math.random() * SEEDS), index: 0 };
        const started = performance.now();
        const body = { model: made.model, stops: [here, to], steps: STEPS, frame: 1, truncation: made.truncation, format: "png" };
        const answer = await ask("interpolate", { json: body, signal: mine.signal });
        place(at, neighbour(made, to, await answer.blob(), performance.now() - started));
      }
    });
  }

  function neighbour(made, to, blob, took) {
    const query = new URLSearchParams({ model: made.model, near: `${made.seed},${made.index}`, to: to.seed, ...(made.class ? { class: made.class } : {}), ...(made.truncation < 1 ? { truncation: made.truncation } : {}) });
    return {
      blob,
      alt: `a neighbour of seed ${made.seed}, towards seed ${to.seed}`,
      left: `→ ${to.seed}`,
      right: `${Math.round(took)} ms`,
      acts: [
        act("Save", "Save it with its recipe", () => save(blob, `${made.model.replace("@", "-")}_near${made.seed}.png`)),
        act("Link", "Copy a link that draws it again", () => copy(`#/generate?${query}`)),
        act("Go on", "Go on in this direction", () => around({ ...made, seed: to.seed, index: 0 })),
      ],
    };
  }

  /** Settings as a recipe or an address has them, and the one picture that they make. */
  async function restore({ model: name, seed: from, index = 0, class: label = null, truncation: share = 1, near = null, to = null }) {
    const found = all.find((one) => one.name === name.split("@")[0]);
    if (!found) throw Object.assign(new Error(), { name: "Refusal", message: `The model ${name} isn't served here.` });
    model = found;
    picker.field.value = model.name;
    offer(label ?? ANY);
    truncation.value = share;
    const pinned = name.includes("@") ? name : model.model;
    if (near !== null) {
      const [start, number] = near.split(",").map(Number);
      const mine = begin();
      const here = { seed: start, index: number, ...(label ? { class: label } : {}) };
      const target = { ...here, seed: Number(to), index: 0 };
      await gather(mine, 1, async (place) => {
        const body = { model: pinned, stops: [here, target], steps: STEPS, frame: 1, truncation: share, format: "png" };
        const answer = await ask("interpolate", { json: body, signal: mine.signal });
        place(0, neighbour({ model: pinned, seed: start, index: number, class: label, truncation: share }, target, await answer.blob(), 0));
      });
      return;
    }
    seed.value = from;
    const mine = begin();
    await gather(mine, 1, async (place) => {
      const started = performance.now();
      const made = { model: pinned, seed: Number(from), index: Number(index), class: label, truncation: share };
      const answer = await ask("generate", { method: "GET", query: { ...without(made), format: "png" }, signal: mine.signal });
      made.class = answer.headers.get("X-Class");
      place(0, sample(made, await answer.blob(), performance.now() - started));
    });
  }

  const back = drop({
    label: "Drop a picture made here: its settings come back.",
    accept: "image/*",
    take: async (file) => {
      const found = await recipe(file);
      if (found?.seed === undefined) say("This picture carries no recipe of a sample: it wasn't drawn here, or was saved anew by another program.", "error");
      else await restore({ ...found, model: `${found.model}@${found.version}` });
    },
  });
  const shelf = kept.shelf((query) => restore(query).catch(fail));

  root.append(
    h("h1", {}, "Generate"),
    h(
      "div",
      { class: "room" },
      h(
        "form",
        { class: "settings", onsubmit: (event) => (event.preventDefault(), draw()) },
        picker.element,
        kind,
        count.element,
        truncation.element,
        h("div", { class: "field" }, h("label", { for: "seed" }, "Seed"), seed),
        h("p", { class: "row" }, go, cancel),
        progress,
      ),
      h("div", { class: "made" }, wall, shelf.element, back.element),
    ),
  );

  const given = Object.fromEntries(params);
  if (given.model && (given.seed || given.near)) {
    restore({ ...given, truncation: Number(given.truncation ?? 1) }).catch(fail);
  } else {
    offer(model.classes.includes(params.get("class")) ? params.get("class") : ANY);
    draw();
  }
  return () => {
    visit.abort();
    work?.abort();
    work = null; // what is aborted tells nothing in the next room
    back.stop();
    shelf.stop();
    for (const one of tiles) one.release();
  };
}

/** A sample's query without what is as usual: shorter addresses, which caches share. */
function without({ model, class: label, seed, index, truncation }) {
  const query = { model, seed };
  if (label) query.class = label;
  if (Number(index)) query.index = index;
  if (Number(truncation) < 1) query.truncation = truncation;
  return query;
}

