// The board that one draws on: by mouse, pen or finger, or by keys with a frame that they move.

import { h, id } from "../../dom.js";
import { SIDE } from "./drawing.js";

const STEP = 8;
const FINE = 1;

/**
 * The element; `redraw()` shows the drawing. `tool()` says { name, number, width, label } of what draws.
 *
 * By keys: arrows move the frame, with Shift they size it, with Alt by a pixel; Enter applies the tool in the frame.
 */
export function board(drawing, tool) {
  const hint = h("p", { class: "small faint", id: id("hint") }, "By keys: arrows move the frame, Shift + arrows size it (Alt: by one pixel), Enter puts the label there, Ctrl + Z takes it back.");
  const canvas = h("canvas", { width: SIDE, height: SIDE, tabindex: 0, role: "application", "aria-roledescription": "drawing board", "aria-label": "Facade labels", "aria-describedby": hint.id });
  const frame = h("span", { class: "frame", "aria-hidden": "true" });
  const told = h("p", { class: "hush", "aria-live": "polite" });
  const element = h("div", { class: "board" }, h("div", { class: "ground" }, canvas, frame), told, hint);
  const context = canvas.getContext("2d");
  let box = { x: 96, y: 96, width: 32, height: 48 };
  let from = null;
  let last = null;

  const redraw = () => context.putImageData(drawing.painted(), 0, 0);
  const where = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * SIDE, ((event.clientY - top) / height) * SIDE];
  };

  function draw(point) {
    const { name, number, width } = tool();
    if (name === "rectangle") {
      drawing.again();
      drawing.rectangle(number, ...from, ...point);
    } else if (name === "brush") drawing.stroke(number, width, last, point);
    last = point;
    drawing.changed();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || from) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true, focusVisible: false });
    canvas.setPointerCapture(event.pointerId);
    drawing.begin();
    from = last = where(event);
    const { name, number } = tool();
    if (name === "fill") drawing.flood(number, ...from.map((one) => clamp(one, 0, SIDE - 1)));
    draw(from);
  });
  canvas.addEventListener("pointermove", (event) => from && canvas.hasPointerCapture(event.pointerId) && draw(where(event)));
  canvas.addEventListener("pointerup", () => (from = null));
  canvas.addEventListener("pointercancel", () => {
    if (from) drawing.dismiss();
    from = null;
  });

  const place = () => {
    for (const [name, value] of Object.entries({ left: box.x, top: box.y, width: box.width, height: box.height })) frame.style[name] = `${(100 * value) / SIDE}%`;
  };
  const apply = () => {
    const { name, number, width, label } = tool();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    drawing.begin();
    if (name === "rectangle") drawing.rectangle(number, box.x, box.y, box.x + box.width, box.y + box.height);
    else if (name === "brush") drawing.stroke(number, width, [x, y], [x, y]);
    else drawing.flood(number, x, y);
    drawing.changed();
    told.textContent = `${label} put at ${box.x}, ${box.y}`;
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") apply();
    else {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const way = ways[event.key];
      if (!way || event.ctrlKey || event.metaKey) return;
      const [dx, dy] = way.map((one) => one * (event.altKey ? FINE : STEP));
      if (event.shiftKey) box = { ...box, width: clamp(box.width + dx, 1, SIDE - box.x), height: clamp(box.height + dy, 1, SIDE - box.y) };
      else box = { ...box, x: clamp(box.x + dx, 0, SIDE - box.width), y: clamp(box.y + dy, 0, SIDE - box.height) };
      place();
      told.textContent = `${box.width} by ${box.height} at ${box.x}, ${box.y}`;
    }
    event.preventDefault();
  });
  place();
  return {
    element,
    canvas,
    redraw,
    /** Whether the pen is down. */
    get busy() {
      return from !== null;
    },
  };
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
