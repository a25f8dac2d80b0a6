// The directions that were found in a latent space, as sliders on one picture, with undo.

import { ask } from "../../api.js";
import { h, id } from "../../dom.js";
import { say } from "../../status.js";
import { choice, slider } from "../../ui/fields.js";
import { pane } from "../../ui/pane.js";
import { copy, save } from "../../ui/tile.js";

const SEEDS = 1_000_000;

/** The way; `params` may have seed, class and `directions`, as `/edit` takes them: warmth:2,darkness:-1. */
export function directions(model, params) {
  const start = { seed: Number(params.get("seed") ?? Math.floor(Math.random() * SEEDS)) };
  if (model.classes.length) start.class = model.classes.includes(params.get("class")) ? params.get("class") : model.classes[0];
  const amounts = Object.fromEntries(model.directions.map(({ name }) => [name, 0]));
  for (const pair of (params.get("directions") ?? "").split(",").filter(Boolean)) {
    const [name, amount] = pair.split(":");
    if (name in amounts) amounts[name] = Number(amount);
  }
  let past = [];
  let future = [];

  const from = (path) => async (key, signal) =>
    (await ask(path, { method: "GET", query: { model: model.model, ...JSON.parse(key), format: "webp" }, signal })).blob();
  const after = pane("The picture, changed", from("edit"));
  const before = pane("The picture as it was drawn", from("generate"));

  const seed = h("input", { type: "text", id: id("seed"), inputmode: "numeric", value: start.seed, size: 10 });
  seed.addEventListener("change", () => (/^\d+$/.test(seed.value.trim()) ? begin({ seed: Number(seed.value) }) : say("A seed is a whole number from 0.", "error")));
  const kind = start.class && choice({ label: "Class", value: start.class, options: model.classes.map((name) => [name, name]), onchange: (name) => begin({ class: name }) });
  const undo = h("button", { type: "button", onclick: () => back(past, future) }, "Undo");
  const redo = h("button", { type: "button", onclick: () => back(future, past) }, "Redo");
  let held = null;
  const sliders = model.directions.map(({ name, range: [min, max] }) => {
    const one = slider({ label: name, min, max, step: 0.1, value: amounts[name], text: (amount) => amount.toFixed(1), oninput: (amount) => {
      held ??= { ...amounts };
      amounts[name] = amount;
      draw();
    } });
    // A drag is one change, however many values it passes.
    one.field.addEventListener("change", () => {
      if (held) past.push(held);
      held = null;
      future = [];
      buttons();
    });
    return [name, one];
  });

  function query() {
    const moved = Object.entries(amounts).filter(([, amount]) => amount);
    return { ...start, ...(moved.length ? { directions: moved.map(([name, amount]) => `${name}:${amount}`).join(",") } : {}) };
  }

  function draw() {
    const asked = query();
    // Where nothing is moved the two are the same picture, byte for byte.
    after.want(JSON.stringify(asked.directions ? asked : { ...start, directions: `${model.directions[0].name}:0` }));
  }

  function begin(change) {
    Object.assign(start, change);
    seed.value = start.seed;
    before.want(JSON.stringify(start));
    draw();
  }

  function buttons() {
    undo.disabled = !past.length;
    redo.disabled = !future.length;
  }

  function put(values) {
    Object.assign(amounts, values);
    for (const [name, one] of sliders) one.value = amounts[name];
    buttons();
    draw();
  }

  function back(from, to) {
    if (!from.length) return;
    to.push({ ...amounts });
    put(from.pop());
  }

  function reset() {
    past.push({ ...amounts });
    future = [];
    put(Object.fromEntries(Object.keys(amounts).map((name) => [name, 0])));
  }

  const keys = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || event.target.matches("input[type=text]")) return;
    event.preventDefault();
    if (event.shiftKey) back(future, past);
    else back(past, future);
  };
  addEventListener("keydown", keys);
  const link = () => `#/walk?${new URLSearchParams({ model: model.model, way: "directions", ...query() })}`;
  buttons();
  begin({});
  return {
    element: h(
      "div",
      { class: "edits" },
      h("figure", {}, before.canvas, h("figcaption", { class: "small faint" }, "as drawn")),
      h("figure", {}, after.canvas, h("figcaption", { class: "small faint" }, "changed")),
      h(
        "div",
        {},
        h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: seed.id }, "Seed"), seed), kind && kind.element, h("button", { type: "button", onclick: () => begin({ seed: Math.floor(Math.random() * SEEDS) }) }, "Another")),
        sliders.map(([, one]) => one.element),
        h("p", { class: "row" }, undo, redo, h("button", { type: "button", onclick: reset }, "Reset"), h("button", { type: "button", onclick: () => after.blob && save(after.blob, `${model.name}_seed${start.seed}_edited.webp`) }, "Save"), h("button", { type: "button", onclick: () => copy(link()) }, "Copy a link")),
      ),
    ),
    stop() {
      removeEventListener("keydown", keys);
      before.stop();
      after.stop();
    },
  };
}
