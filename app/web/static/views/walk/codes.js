// The code map: a plane of the code of an auto-encoder, all other values 0, and the picture under the pointer.

import { ask } from "../../api.js";
import { addressed, h } from "../../dom.js";
import { detail } from "../../models.js";
import { fail } from "../../status.js";
import { choice } from "../../ui/fields.js";
import { latest } from "../../ui/latest.js";
import { pane, told } from "../../ui/pane.js";
import { save } from "../../ui/tile.js";

/** Standard deviations from the middle of the map to its edge. */
const EXTENT = 2.5;
const ROWS = 8;
/** How far an arrow key goes, in standard deviations. */
const STRIDE = 0.1;
const SHOWN = 16;

/** The way; it needs to know the code's size, which it asks for. */
export function codes(model, params) {
  const work = new AbortController();
  let size = null;
  let [across, down] = [Number(params.get("across") ?? 0), Number(params.get("down") ?? 1)];
  let [x, y] = [0, 0];

  const tell = h("p", { class: "small faint number" });
  const map = h("img", { alt: "A sheet of what lies on this plane of the code", class: "small" });
  const cross = h("span", { class: "cross" });
  const view = pane("The picture where the pointer is", async (key, signal) => {
    const [a, b, right, low] = key.split(" ").map(Number);
    const code = new Array(size).fill(0);
    code[a] = right;
    code[b] = low;
    return (await ask("decode", { json: { model: model.model, latents: [code], format: "webp" }, signal })).blob();
  }, (rate) => (tell.textContent = `${told(rate)}value ${across} is ${x.toFixed(2)}, value ${down} is ${y.toFixed(2)}`));
  const field = h(
    "div",
    { class: "field-of-walk", tabindex: 0, role: "application", "aria-roledescription": "plane", "aria-label": "A plane of the code. Arrow keys walk, with Shift in long steps." },
    map,
    cross,
  );

  function go(right, low) {
    [x, y] = [right, low].map((value) => Math.min(EXTENT, Math.max(-EXTENT, Math.round(value * 50) / 50)));
    // Pictures stand in the middles of the map's cells, from -EXTENT to EXTENT.
    cross.style.left = `${share(x) * 100}%`;
    cross.style.top = `${share(y) * 100}%`;
    if (size !== null) view.want(`${across} ${down} ${x} ${y}`);
  }

  const share = (value) => ((value / EXTENT + 1) / 2) * ((ROWS - 1) / ROWS) + 0.5 / ROWS;
  const value = (part) => (((part - 0.5 / ROWS) * ROWS) / (ROWS - 1)) * 2 * EXTENT - EXTENT;
  const point = (event) => {
    const box = field.getBoundingClientRect();
    go(value((event.clientX - box.left) / box.width), value((event.clientY - box.top) / box.height));
  };
  field.addEventListener("pointermove", point);
  field.addEventListener("pointerdown", point);
  field.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 5 * STRIDE : STRIDE;
    const step = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
    if (!step) return;
    event.preventDefault();
    go(x + step[0], y + step[1]);
  });

  const sheet = latest(async (dimensions, signal) => {
    const query = { dimensions, rows: ROWS, columns: ROWS, extent: EXTENT };
    const answer = await ask(`models/${model.model}/map`, { method: "GET", query, signal });
    addressed(map, await answer.blob());
    go(x, y);
  });
  const lay = () => sheet.want(`${across},${down}`);

  const axes = h("div", { class: "row" });
  async function begin() {
    size = (await detail(model.model, work.signal)).latent.size;
    const options = Array.from({ length: Math.min(size, SHOWN) }, (_, at) => [String(at), `value ${at}`]);
    const change = (set) => (chosen) => {
      set(Number(chosen));
      if (across === down) down = (across + 1) % size;
      lay();
    };
    axes.replaceChildren(
      choice({ label: "Across", options, value: String(across), onchange: change((at) => (across = at)) }).element,
      choice({ label: "Down", options, value: String(down), onchange: change((at) => (down = at)) }).element,
    );
    lay();
  }
  begin().catch(fail);

  return {
    element: h("div", { class: "codes" }, field, h("div", {}, view.canvas, tell, axes, h("p", { class: "row" }, h("button", { type: "button", onclick: () => view.blob && save(view.blob, `${model.name}_code.webp`) }, "Save this picture")))),
    stop() {
      work.abort();
      sheet.stop();
      view.stop();
    },
  };
}
