// Mixtures of classes: one seed, and a weight for each class.

import { ask } from "../../api.js";
import { h, id } from "../../dom.js";
import { say } from "../../status.js";
import { slider } from "../../ui/fields.js";
import { pane, told } from "../../ui/pane.js";
import { copy, save } from "../../ui/tile.js";

const SEEDS = 1_000_000;

/** The way; `params` may have seed and `class`, as `/generate` takes a mixture: dog:0.7,cat:0.3. */
export function mixture(model, params) {
  let seed = Number(params.get("seed") ?? Math.floor(Math.random() * SEEDS));
  const given = new Map((params.get("class") ?? "").split(",").map((pair) => [pair.split(":")[0], Number(pair.split(":")[1] ?? 1)]));
  const known = model.classes.some((name) => given.get(name));
  const middle = Math.floor(model.classes.length / 2);

  const tell = h("p", { class: "small faint number" });
  const view = pane("The mixture", async (key, signal) => (await ask("generate", { method: "GET", query: { model: model.model, ...JSON.parse(key), format: "webp" }, signal })).blob(), (rate) => (tell.textContent = told(rate)));
  const sliders = model.classes.map((name, at) => [
    name,
    slider({ label: name, min: 0, max: 100, step: 1, value: known ? Math.round(100 * (given.get(name) ?? 0)) : [middle - 1, middle].includes(at) ? 50 : 0, text: () => "", oninput: draw }),
  ]);

  /** The weights as the service wants them, summing to 1; null where all are 0. */
  function weights() {
    const sum = sliders.reduce((total, [, one]) => total + one.value, 0);
    for (const [, one] of sliders) one.field.closest(".field").querySelector("output").textContent = sum ? `${Math.round((100 * one.value) / sum)} %` : "";
    const parts = sliders.filter(([, one]) => one.value);
    if (parts.length === 1) return parts[0][0];
    return sum ? parts.map(([name, one]) => `${name}:${(one.value / sum).toFixed(4)}`).join(",") : null;
  }

  function draw() {
    const label = weights();
    if (label === null) say("Give at least one class some weight.");
    else view.want(JSON.stringify({ seed, class: label }));
  }

  const field = h("input", { type: "text", id: id("seed"), inputmode: "numeric", value: seed, size: 10 });
  const set = (value) => {
    seed = value;
    field.value = value;
    draw();
  };
  field.addEventListener("change", () => (/^\d+$/.test(field.value.trim()) ? set(Number(field.value)) : say("A seed is a whole number from 0.", "error")));
  draw();
  return {
    element: h(
      "div",
      { class: "codes" },
      h("div", {}, view.canvas, tell),
      h(
        "div",
        {},
        h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: field.id }, "Seed"), field), h("button", { type: "button", onclick: () => set(Math.floor(Math.random() * SEEDS)) }, "Another")),
        h("div", { class: "weights" }, sliders.map(([, one]) => one.element)),
        h("p", { class: "row" }, h("button", { type: "button", onclick: () => view.blob && save(view.blob, `${model.name}_mix_seed${seed}.webp`) }, "Save"), h("button", { type: "button", onclick: () => copy(`#/walk?${new URLSearchParams({ model: model.model, way: "mixture", seed, class: weights() ?? "" })}`) }, "Copy a link")),
      ),
    ),
    stop: view.stop,
  };
}
