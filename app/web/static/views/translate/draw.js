// A facade drawn in labels, and the photo that follows the pen.

import { ask } from "../../api.js";
import { addressed, h } from "../../dom.js";
import { drop } from "../../ui/drop.js";
import { slider } from "../../ui/fields.js";
import { latest } from "../../ui/latest.js";
import { save } from "../../ui/tile.js";
import { board } from "./board.js";
import { drawing, SIDE } from "./drawing.js";
import { facade, label, LABELS } from "./labels.js";
import { photo as readable } from "./photo.js";
import { bring } from "./style.js";

const TOOLS = { rectangle: "Rectangle", brush: "Brush", fill: "Fill" };

/** What was drawn, so that it is there when one comes back. */
let kept = null;

/** The room for a model that makes photos of facade labels. */
export function show(root, model) {
  let photo = null;
  let reading = null;
  let [name, number] = ["rectangle", label("window")];
  const sheet = drawing(label("wall"), changed);
  const width = slider({ label: "Width of the brush", min: 2, max: 48, step: 1, value: 12, text: (value) => `${value} px` });
  const pad = board(sheet, () => ({ name, number, width: width.value, label: LABELS[number][0] }));
  const image = h("img", { alt: "The photo that the model makes of the drawing", width: SIDE, height: SIDE });
  const told = h("p", { class: "small faint" });
  const painter = latest(async (_, signal) => {
    const began = performance.now();
    const body = await png();
    const answer = await ask("translate", { query: { model: model.model, format: "png" }, body, type: "image/png", signal });
    photo = await answer.blob();
    addressed(image, photo);
    told.textContent = `${Math.round(performance.now() - began)} ms from pen to photo`;
  });

  const png = () => new Promise((resolve) => pad.canvas.toBlob(resolve, "image/png"));
  const undo = h("button", { type: "button", title: "Ctrl + Z", onclick: () => turn(sheet.undo) }, "Undo");
  const redo = h("button", { type: "button", title: "Ctrl + Shift + Z", onclick: () => turn(sheet.redo) }, "Redo");

  function changed() {
    kept = sheet.pixels;
    pad.redraw();
    undo.disabled = !sheet.undoable;
    redo.disabled = !sheet.redoable;
    painter.want();
  }

  /** Undoes or redoes, but not under the pen: its step would lose what it goes back to. */
  function turn(way) {
    if (!pad.busy) way();
  }

  function build(random) {
    sheet.rectangle(label("background"), 0, 0, SIDE, SIDE);
    for (const [what, ...corners] of facade(SIDE, random)) sheet.rectangle(what, ...corners);
  }

  function step(change) {
    sheet.begin();
    change();
    sheet.changed();
  }

  async function take(file) {
    reading?.abort();
    const { signal } = (reading = new AbortController());
    const { shown } = await readable(file, signal);
    const bitmap = await createImageBitmap(shown, { resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: "pixelated" });
    signal.throwIfAborted();
    const canvas = h("canvas", { width: SIDE, height: SIDE });
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    step(() => sheet.read(context.getImageData(0, 0, SIDE, SIDE)));
  }

  function paint() {
    if (photo) bring(new File([photo], "facade.png", { type: "image/png" }));
    location.hash = "#/translate?do=style";
  }

  const tools = h("div", { class: "row", role: "group", "aria-label": "Tools" });
  for (const [key, text] of Object.entries(TOOLS)) tools.append(h("button", { type: "button", "data-tool": key, onclick: () => hold(key) }, text));
  function hold(key) {
    name = key;
    width.element.hidden = key !== "brush";
    for (const button of tools.children) button.setAttribute("aria-pressed", String(button.dataset.tool === key));
  }

  const palette = h("fieldset", { class: "palette" }, h("legend", {}, "Label"), h("div", { class: "chips" }, LABELS.map(([text, colour], at) => chip(text, colour, at === number, () => (number = at)))));
  const place = drop({ label: "Or drop a label picture", accept: "image/*", take });
  place.element.classList.add("slim");
  const keys = (event) => {
    if (!(event.ctrlKey || event.metaKey) || !/^[zy]$/i.test(event.key) || event.target.matches("input[type=text], textarea")) return;
    event.preventDefault();
    if (event.key.toLowerCase() === "y" || event.shiftKey) turn(sheet.redo);
    else turn(sheet.undo);
  };
  addEventListener("keydown", keys);

  root.append(
    h(
      "div",
      { class: "pad" },
      h(
        "div",
        { class: "kit" },
        tools,
        width.element,
        palette,
        h("div", { class: "row steps" }, undo, redo, h("button", { type: "button", onclick: () => step(() => sheet.rectangle(label("wall"), 0, 0, SIDE, SIDE)) }, "Clear"), h("button", { type: "button", onclick: () => step(() => build(Math.random)) }, "Another house")),
      ),
      h("section", { class: "drawn", "aria-label": "Drawing" }, pad.element),
      h("section", { class: "seen", "aria-label": "Photo" }, image, told),
      h(
        "div",
        { class: "row ends" },
        h("button", { type: "button", class: "main", onclick: () => photo && save(photo, "facade.png") }, "Save the photo"),
        h("button", { type: "button", onclick: async () => save(await png(), "facade-labels.png") }, "Save the drawing"),
        h("button", { type: "button", onclick: paint }, "Paint the photo in a style"),
      ),
      place.element,
    ),
  );
  hold(name);
  if (kept) sheet.pixels.set(kept);
  else build(() => 0.45);
  changed();
  return () => {
    reading?.abort();
    removeEventListener("keydown", keys);
    place.stop();
    painter.stop();
    URL.revokeObjectURL(image.src);
  };
}

/** A label of the palette, with its colour. */
function chip(text, [red, green, blue], checked, onchange) {
  const swatch = h("span", { class: "swatch", "aria-hidden": "true" });
  swatch.style.background = `rgb(${red} ${green} ${blue})`;
  return h("label", { class: "chip" }, h("input", { type: "radio", name: "label", checked, onchange }), swatch, text);
}
