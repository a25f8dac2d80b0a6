// A canvas that shows the newest picture of what is wanted, and tells how fast pictures come.

import { h } from "../dom.js";
import { latest } from "./latest.js";

/** Pictures that are kept, so that going back over a place asks nobody. */
const KEPT = 2000;
/** Milliseconds over which the rate is counted. */
const WINDOW = 1000;

/** A rate in words; one picture alone has none. */
export const told = (rate) => (rate > 1 ? `${rate} pictures a second · ` : "");

/**
 * `want(key)` shows what `draw(key, signal)` answers, a blob; at most one request is out, and the newest wins. Blobs are
 * kept by `key` until `clear()`. `heard(rate)` hears the pictures a second.
 */
export function pane(label, draw, heard) {
  const canvas = h("canvas", { class: "pane", role: "img", "aria-label": label, width: 32, height: 32 });
  const kept = new Map();
  const times = [];
  let blob = null;
  let age = 0; // what was asked for before `clear()` is neither kept nor shown after it

  async function show(found) {
    blob = found;
    const bitmap = await createImageBitmap(found);
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.classList.toggle("small", bitmap.width <= 128);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    const now = performance.now();
    times.push(now);
    while (times[0] < now - WINDOW) times.shift();
    heard?.(times.length);
  }

  const stream = latest(async (key, signal) => {
    const asked = age;
    const found = kept.get(key) ?? (await draw(key, signal));
    if (asked !== age) return;
    if (kept.size >= KEPT) kept.delete(kept.keys().next().value);
    kept.set(key, found);
    await show(found);
  });
  return {
    canvas,
    want: stream.want,
    stop: stream.stop,
    clear() {
      age += 1;
      kept.clear();
    },
    get blob() {
      return blob;
    },
  };
}
