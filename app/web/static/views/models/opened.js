// One model, opened: its purpose and its limits, numbers, licence, training, directions, and what a batch costs here.

import { ask, read } from "../../api.js";
import { h } from "../../dom.js";
import { lines } from "../../ui/chart.js";
import { markdown, sections } from "../../ui/markdown.js";
import { save } from "../../ui/tile.js";
import { numbers } from "./numbers.js";
import { STATES, purpose, rooms } from "./tasks.js";

/** Fills `root` with the model of a reference. A Refusal if there is none. */
export async function open(root, reference, pictures, signal) {
  const model = await read(`models/${encodeURIComponent(reference)}`, { signal });
  const text = model.links.card ? await (await ask(model.links.card, { method: "GET", signal })).text() : null;
  const card = sections(text ?? "");
  const drawn = model.links.samples && h("figure", { class: "sheet whole" }, pictures.draw(model.links.samples, `Samples of ${model.title}`), h("figcaption", { class: "small faint" }, caption(card)));
  root.append(
    h("p", { class: "small" }, h("a", { href: "#/models" }, "← All models")),
    h("h1", {}, model.title ?? model.model),
    h("p", { class: "faint" }, h("code", {}, model.model), ` ${[...(model.tasks ?? []), STATES[model.state] ?? model.state].join(" · ")}`),
    model.reason ? h("p", { class: "reason" }, `${model.reason}.`) : "",
    h("p", { class: "row" }, ways(model, text)),
    h("div", { class: "facts" }, drawn, model.metrics && h("div", {}, promises(model, card))),
    ...(model.metrics ? parts(model, pictures) : whole(card)),
  );
}

function ways(model, card) {
  const here = model.state === "failed" || !model.tasks ? [] : rooms(model).map(([text, href], at) => h("a", { class: at ? "button" : "button first", href }, text));
  return [...here, card !== null && h("button", { type: "button", onclick: () => save(new Blob([card]), `${model.name}-card.md`) }, "Card"), h("a", { class: "button", href: "docs" }, "API")];
}

/** The card's own words on the samples: the last paragraph of its head that isn't code. */
function caption(card) {
  return (card.get("") ?? "").split("\n\n").find((part) => /picture/.test(part) && !part.startsWith("```"))?.trim() ?? "";
}

/** What it is for, what not, and whose it is. */
function promises(model, card) {
  const limits = (card.get("Limits and licence") ?? "").trim().split("\n\n").filter((one) => !one.startsWith("Data:"));
  const { data, weights } = model.licence;
  return [
    part("What it's for", h("p", {}, purpose(model))),
    part("What it's not for", markdown(limits.join("\n\n"), 2)),
    part("Licence", h("dl", { class: "licence" }, h("dt", {}, "Data"), h("dd", {}, data), h("dt", {}, "Weights"), h("dd", {}, weights))),
  ];
}

function parts(model, pictures) {
  return [
    model.notes && part("What to know", markdown(model.notes, 2)),
    part("Numbers", model.metrics.length ? numbers(model.metrics) : h("p", { class: "faint" }, "Nothing was measured of it.")),
    h("div", { class: "facts" }, model.training ? trained(model) : added(model.origin), cost(model)),
    model.links.directions && directions(model, pictures),
  ].filter(Boolean);
}

/** What can be told of a model that isn't served, or not yet: its card, if it has one. */
function whole(card) {
  const text = [...card].map(([heading, body]) => (heading ? `## ${heading}\n\n${body}` : "")).join("\n\n").trim();
  return text ? [h("div", { class: "card" }, markdown(text, 0))] : [];
}

function part(title, ...content) {
  return h("section", {}, h("h2", {}, title), content.flat());
}

function pairs(facts) {
  return h("dl", {}, Object.entries(facts).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat());
}

function trained({ training, tasks }) {
  const { curve } = training;
  const seen = tasks.some((task) => task === "enhance" || task === "predict") ? "clips" : "pictures";
  const facts = {
    Recipe: training.recipe,
    Data: training.data,
    [`Real ${seen} seen`]: training.images.toLocaleString("en"),
    Device: `${training.device}, ${duration(training.seconds)}`,
    Seed: training.seed,
    Exported: `${training.date}, code ${training.revision}`,
  };
  return part(
    "Training",
    curve
      ? lines({ title: curve.measure, y: "while training", series: [[curve.measure, curve.points]], x: `real ${seen} seen`, mark: [training.images, "the weights served are those at the line"] })
      : h("p", { class: "small faint" }, "No curve was kept of this run."),
    pairs(facts),
    h("details", {}, h("summary", {}, "All settings"), pairs(Object.fromEntries(Object.entries(training.settings).map(([name, value]) => [name, String(value ?? "–")])))),
  );
}

function duration(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function added(origin) {
  const facts = { File: origin.file, "Written by": origin.producer, From: origin.source, Added: origin.date };
  return part("Origin", h("p", {}, "Made elsewhere; how it was trained isn't known here."), pairs(Object.fromEntries(Object.entries(facts).filter(([, value]) => value))));
}

function cost(model) {
  const role = "generator" in model.seconds_by_batch_size ? "generator" : Object.keys(model.seconds_by_batch_size)[0];
  const points = Object.entries(model.seconds_by_batch_size[role] ?? {}).map(([size, seconds]) => [Number(size), seconds * 1000]);
  if (!points.length) return part("What it costs here", h("p", { class: "faint" }, "It was not measured yet."));
  const best = points.reduce((one, other) => (other[1] / other[0] < one[1] / one[0] ? other : one));
  return part(
    "What it costs here",
    lines({ title: "Milliseconds", y: `of a batch, on ${model.runtime}`, series: [["batch", points], ["for each sample of it", points.map(([size, milliseconds]) => [size, milliseconds / size])]], x: "samples in the batch", even: true }),
    h("p", { class: "small" }, `A sample alone takes ${points[0][1].toFixed(1)} ms; in batches of ${best[0]} it takes ${(best[1] / best[0]).toFixed(1)} ms. In memory: ${(model.bytes / 2 ** 20).toFixed(0)} MiB.`),
  );
}

function directions(model, pictures) {
  return part(
    "Directions",
    h("p", {}, "Ways through its latent space along which pictures change: a row is a direction, its middle picture untouched. ", h("a", { href: `#/walk?model=${encodeURIComponent(model.name)}` }, "Walk along them"), "."),
    h("p", { class: "small" }, model.directions.map((one) => h("code", { class: "direction" }, one.name))),
    h("figure", { class: "sheet whole" }, pictures.draw(model.links.directions, `Directions: ${model.directions.map((one) => one.name).join(", ")}, from the top`)),
  );
}
