// Where a picture becomes what a route makes of it: before and after, at which size and scale, how far it is, what came.

import { ask } from "../../api.js";
import { h } from "../../dom.js";
import { say } from "../../status.js";
import { compare } from "../../ui/compare.js";
import { chips, choice } from "../../ui/fields.js";
import { latest } from "../../ui/latest.js";
import { save } from "../../ui/tile.js";
import { reduced, sent } from "./photo.js";

/** Sizes, of the longer side, that a large photo can be brought to; the first is what one begins with. */
const SIDES = [512, 1024, 2048];
/** From so many pixels on a picture comes as JPEG. */
const MANY = 2_000_000;

/**
 * The easel of a route: `set(photo)` puts a picture on it, `paint(query, title, what)` asks for what the query
 * makes of it, which is called `title`, and told as `what`.
 *
 * `settings` are its own controls, `changed()` is called when one is moved. `scale` is what one begins with.
 */
export function easel(path, { scale, changed }) {
  let given = null;
  let side = null;
  let made = null;
  let pace = null;
  let full = {};
  const view = compare("");
  const told = h("p", { class: "small faint", role: "status" });
  const count = h("p", { class: "small faint" }); // not live: a screen reader would count along
  const bar = h("progress", { hidden: true, max: 1, "aria-label": "How far it is" });
  const cancel = h("button", { type: "button", hidden: true, onclick: stop }, "Cancel");
  const keep = h("button", { type: "button", class: "main", hidden: true, onclick: () => save(made.blob, made.name) }, "Save");
  keep.title = "Save it with its recipe";
  const scales = chips({ label: "Scale", value: scale, options: [["original", "Original"], ["model", "Model"]], onchange: () => changed() });
  scales.element.append(h("p", { class: "small faint" }, "Original works in tiles as fine as the picture is, Model on all of it at once at the size of its training, so more broadly."));
  const sizes = h("div", {});
  const painter = latest(paint);

  function set(photo) {
    painter.stop();
    view.release();
    keep.hidden = true;
    made = null;
    full = {};
    given = photo;
    const whole = Math.max(photo.width, photo.height);
    const smaller = SIDES.filter((one) => one < whole).map((one) => [String(one), `${one} px`]);
    const options = [...smaller, ["", `${photo.width} × ${photo.height} px, as it is`]];
    const box = choice({ label: "Size", options, value: options[0][0], onchange: (value) => ((side = Number(value) || null), changed()) });
    side = Number(options[0][0]) || null;
    sizes.replaceChildren(box.element);
  }

  async function paint({ query, title, what }, signal) {
    const began = performance.now();
    const longest = side ?? Infinity;
    const share = Math.min(1, longest / Math.max(given.width, given.height));
    const pixels = given.width * given.height * share ** 2;
    const of = kind(query);
    const body = await reduced(given, longest);
    const ticking = tick(began, scales.value === "original" ? pixels : null);
    try {
      const asked = { ...query, scale: scales.value, format: pixels > MANY ? "jpeg" : "png" };
      const answer = await ask(path, { query: asked, ...sent(body), signal });
      const blob = await answer.blob();
      const took = performance.now() - began;
      if (scales.value === "original") pace = took / pixels;
      view.show(given.shown, blob);
      view.alt = title;
      if ((query.strength ?? 1) === 1) full = { of, blob };
      made = { blob, name: `${title.toLowerCase().replace(/\W+/g, "-")}.${asked.format === "jpeg" ? "jpg" : "png"}` };
      keep.hidden = false;
      told.textContent = `${what} · ${(took / 1000).toFixed(2)} s`;
    } catch (error) {
      told.textContent = made ? "This is the one before." : "";
      throw error;
    } finally {
      ticking();
    }
  }

  /** Counts the seconds, with how many it will be once the pace is known; answers with what ends that. */
  function tick(began, pixels) {
    const tell = () => {
      const now = performance.now() - began;
      if (now < 400) return;
      const whole = pace && pixels && pace * pixels;
      if (whole) bar.value = Math.min(0.97, now / whole);
      else bar.removeAttribute("value");
      bar.hidden = cancel.hidden = false;
      told.textContent = "";
      count.textContent = `Painting, ${Math.round(now / 1000)} s${whole ? ` of about ${Math.ceil(whole / 1000)}` : ""}`;
    };
    const timer = setInterval(tell, 250);
    view.element.setAttribute("aria-busy", "true");
    return () => {
      clearInterval(timer);
      bar.hidden = cancel.hidden = true;
      count.textContent = "";
      view.element.removeAttribute("aria-busy");
    };
  }

  /** What two queries share that differ in strength alone. */
  const kind = (query) => JSON.stringify({ ...query, strength: 1, scale: scales.value, side });

  function stop() {
    painter.stop();
    say("Cancelled.");
  }

  return {
    element: h("section", { class: "easel", "aria-label": "Before and after" }, view.element, h("div", { class: "row" }, keep, cancel, bar, count, told)),
    settings: h("div", {}, scales.element, sizes),
    set,
    get scale() {
      return scales.value;
    },
    paint: (query, title, what) => painter.want({ query, title, what }),
    /** Shows at once what a weaker strength comes to, until the service has drawn it: so much of the full over the photo. */
    blend: (query) => full.of === kind(query) && view.show(given.shown, full.blob, query.strength),
    stop() {
      painter.stop();
      view.release();
    },
  };
}
