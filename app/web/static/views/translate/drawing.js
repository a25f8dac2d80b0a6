// A drawing in labels: one number a pixel, what changes them, and the way back. Knows nothing of the page.

import { LABELS, nearest } from "./labels.js";

/** Pixels of a side: the pictures of the CMP database, twice of what the model sees. */
export const SIDE = 256;
const MOST_STEPS = 100;
/** Each label's colour as four bytes in one number, in the order of the machine. */
const WORDS = LABELS.map(([, colour]) => new Uint32Array(new Uint8Array([...colour, 255]).buffer)[0]);

/**
 * A drawing, all of the label `first`. `changed()` is called after undo and redo; who draws calls it when done, since a
 * house is many rectangles.
 */
export function drawing(first, changed) {
  const pixels = new Uint8Array(SIDE * SIDE).fill(first);
  const past = [];
  let future = [];

  const turn = (from, to) => {
    if (!from.length) return;
    to.push(pixels.slice());
    pixels.set(from.pop());
    changed();
  };

  return {
    pixels,
    changed,
    get undoable() {
      return past.length > 0;
    },
    get redoable() {
      return future.length > 0;
    },
    /** Remembers what is there: what follows is one step. */
    begin() {
      past.push(pixels.slice());
      if (past.length > MOST_STEPS) past.shift();
      future = [];
    },
    /** Takes what the step has changed so far back, and goes on with it. */
    again() {
      pixels.set(past.at(-1));
    },
    /** Forgets the step with all that it changed. */
    dismiss() {
      pixels.set(past.pop());
      changed();
    },
    undo: () => turn(past, future),
    redo: () => turn(future, past),
    rectangle(number, x0, y0, x1, y1) {
      const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)].map(within);
      const [top, bottom] = [Math.min(y0, y1), Math.max(y0, y1)].map(within);
      for (let y = top; y < bottom; y += 1) pixels.fill(number, y * SIDE + left, y * SIDE + right);
    },
    /** A line of the width of the brush. */
    stroke(number, width, [x0, y0], [x1, y1]) {
      const steps = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0)));
      for (let step = 0; step <= steps; step += 1) dab(pixels, number, width / 2, x0 + ((x1 - x0) * step) / steps, y0 + ((y1 - y0) * step) / steps);
    },
    /** All that hangs together with a pixel and has its label. */
    flood(number, x, y) {
      const start = Math.min(SIDE - 1, Math.floor(y)) * SIDE + Math.min(SIDE - 1, Math.floor(x));
      const old = pixels[start];
      const reached = old === number ? [] : [start];
      while (reached.length) {
        const at = reached.pop();
        if (pixels[at] !== old) continue;
        pixels[at] = number;
        if (at % SIDE) reached.push(at - 1);
        if ((at + 1) % SIDE) reached.push(at + 1);
        if (at >= SIDE) reached.push(at - SIDE);
        if (at < SIDE * (SIDE - 1)) reached.push(at + SIDE);
      }
    },
    /** The labels nearest to the colours of an ImageData of its size. */
    read({ data }) {
      for (let at = 0; at < pixels.length; at += 1) pixels[at] = nearest(data[at * 4], data[at * 4 + 1], data[at * 4 + 2]);
    },
    /** Its colours as ImageData. */
    painted() {
      const image = new ImageData(SIDE, SIDE);
      const words = new Uint32Array(image.data.buffer);
      for (let at = 0; at < pixels.length; at += 1) words[at] = WORDS[pixels[at]];
      return image;
    },
  };
}

const within = (value) => Math.min(SIDE, Math.max(0, Math.round(value)));

function dab(pixels, number, radius, x, y) {
  for (let row = within(y - radius); row < within(y + radius); row += 1) {
    const half = Math.sqrt(Math.max(0, radius ** 2 - (row + 0.5 - y) ** 2));
    const [left, right] = [within(x - half), within(x + half)];
    if (right > left) pixels.fill(number, row * SIDE + left, row * SIDE + right);
  }
}
