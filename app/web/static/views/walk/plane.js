// The plane between four pictures: where the pointer is, there is a picture.

import { ask } from "../../api.js";
import { addressed, h, id } from "../../dom.js";
import { fail, say } from "../../status.js";
import { choice } from "../../ui/fields.js";
import { latest } from "../../ui/latest.js";
import { pane, told } from "../../ui/pane.js";
import { copy, save, saved } from "../../ui/tile.js";

/** Rows and columns of the plane. */
const STEPS = 64;
const SEEDS = 1_000_000;
const CORNERS = ["top left", "top right", "bottom left", "bottom right"];
/** The corners in the order of a round. */
const ROUND = [0, 1, 3, 2];
const FILMS = { webp: "WebP", gif: "GIF", mp4: "MP4" };

/** The way; `params` may have `stops`, seeds with commas, `classes` likewise, and `x` and `y` in [0, 63]. */
export function plane(model, params) {
  const given = (params.get("stops") ?? "").split(",").filter(Boolean).map(Number);
  const labels = (params.get("classes") ?? "").split(",");
  const stops = CORNERS.map((_, at) => ({
    seed: given[at] ?? Math.floor(Math.random() * SEEDS),
    ...(model.classes.length ? { class: model.classes.includes(labels[at]) ? labels[at] : model.classes[(at * 3 + 5) % model.classes.length] } : {}),
  }));
  let x = within(params.get("x") ?? (STEPS - 1) / 2);
  let y = within(params.get("y") ?? (STEPS - 1) / 2);
  let film = null;

  const tell = h("p", { class: "small faint number" });
  const view = pane("The picture where the pointer is", async (frame, signal) => {
    const answer = await ask("interpolate", { json: body({ layout: "grid", steps: STEPS, frame, format: "webp" }), signal });
    return answer.blob();
  }, (rate) => (tell.textContent = `${told(rate)}column ${x + 1}, row ${y + 1} of ${STEPS}`));
  const cross = h("span", { class: "cross" });
  const field = h(
    "div",
    { class: "field-of-walk", tabindex: 0, role: "application", "aria-roledescription": "plane", "aria-label": "A plane between four pictures. Arrow keys walk, with Shift in long steps.", "aria-describedby": id("walk-at") },
    view.canvas,
    cross,
  );
  tell.id = field.getAttribute("aria-describedby");

  function body(more) {
    return { model: model.model, stops, ...more };
  }

  function go(column, row) {
    x = within(column);
    y = within(row);
    cross.style.left = `${((x + 0.5) / STEPS) * 100}%`;
    cross.style.top = `${((y + 0.5) / STEPS) * 100}%`;
    view.want(y * STEPS + x);
  }

  const point = (event) => {
    const box = field.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * STEPS - 0.5, ((event.clientY - box.top) / box.height) * STEPS - 0.5);
  };
  field.addEventListener("pointermove", point);
  field.addEventListener("pointerdown", point);
  field.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 8 : 1;
    const step = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    if (!step) return;
    event.preventDefault();
    go(x + step[0], y + step[1]);
  });

  const redraw = () => {
    view.clear();
    go(x, y);
  };
  const corners = CORNERS.map((where, at) => corner(model, where, stops[at], redraw));
  const anew = () => {
    for (const one of corners) one.anew();
    redraw();
  };

  const form = choice({ label: "Film", value: "webp", options: Object.entries(FILMS) });
  const stop = h("button", { type: "button", hidden: true, onclick: () => film?.abort() }, "Cancel");
  const make = h("button", { type: "button", onclick: () => shoot().catch(fail) }, "Save the round as a film");

  async function shoot() {
    film = new AbortController();
    stop.hidden = false;
    make.disabled = true;
    say("Drawing 64 pictures of the round…");
    try {
      const round = ROUND.map((at) => stops[at]);
      const small = (view.canvas.width || 32) <= 64;
      const json = { model: model.model, stops: round, steps: 17, loop: 1, easing: "smooth", layout: "animation", fps: 20, upscale: small ? 8 : 1, format: form.field.value };
      await saved(await ask("interpolate", { json, signal: film.signal }), `round.${form.field.value}`);
      say("The film is saved.");
    } finally {
      stop.hidden = true;
      make.disabled = false;
    }
  }

  const link = () => {
    const query = new URLSearchParams({ model: model.model, way: "plane", stops: stops.map((one) => one.seed).join(","), x, y });
    if (model.classes.length) query.set("classes", stops.map((one) => one.class).join(","));
    return `#/walk?${query}`;
  };
  const element = h(
    "div",
    { class: "plane" },
    corners[0].element,
    corners[1].element,
    field,
    corners[2].element,
    corners[3].element,
    h(
      "div",
      { class: "plane-foot" },
      tell,
      h("p", { class: "row" }, h("button", { type: "button", onclick: () => view.blob && save(view.blob, `${model.name}_walk.webp`) }, "Save this picture"), h("button", { type: "button", onclick: () => copy(link()) }, "Copy a link"), h("button", { type: "button", onclick: anew }, "Four new corners")),
      h("div", { class: "row film" }, form.element, make, stop),
    ),
  );
  go(x, y);
  return {
    element,
    stop() {
      film?.abort();
      view.stop();
      corners.forEach((one) => one.stop());
    },
  };
}

/**
 * A corner: its picture, which a click draws anew, its seed, and its class where there are any. Changes `stop`, and calls
 * `changed()` unless it was by `anew()`.
 */
function corner(model, where, stop, changed) {
  const image = h("img", { alt: "", width: 96, height: 96 });
  const seed = h("input", { type: "text", inputmode: "numeric", "aria-label": `Seed ${where}`, size: 8 });
  const picture = latest(async (query, signal) => {
    const answer = await ask("generate", { method: "GET", query, signal });
    addressed(image, await answer.blob());
  });
  const kind = model.classes.length
    ? h("select", { "aria-label": `Class ${where}`, onchange: (event) => set({ class: event.target.value }) }, model.classes.map((name) => h("option", { value: name, selected: name === stop.class }, name)))
    : null;
  seed.addEventListener("change", () => (/^\d+$/.test(seed.value.trim()) ? set({ seed: Number(seed.value) }) : say("A seed is a whole number from 0.", "error")));

  function set(change) {
    put(change);
    changed();
  }

  function put(change) {
    Object.assign(stop, change);
    seed.value = stop.seed;
    picture.want({ model: model.model, ...stop, format: "webp" });
  }

  const anew = () => put({ seed: Math.floor(Math.random() * SEEDS) });
  put({});
  return {
    element: h("div", { class: `corner ${where.replace(" ", "-")}` }, h("button", { type: "button", class: "quiet", "aria-label": `Draw the picture ${where} anew`, onclick: () => (anew(), changed()) }, image), kind, seed),
    anew,
    stop: picture.stop,
  };
}

function within(value) {
  return Math.min(STEPS - 1, Math.max(0, Math.round(Number(value) || 0)));
}
