// The drawings of the strip under the hood: a minute of seconds, from left to right.

import { rate } from "./readings.js";

const MINUTE = 60;

/** A canvas as large as it is shown, empty, and its ink; null while it isn't shown. */
function fresh(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width) return null;
  const dense = devicePixelRatio || 1;
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const pen = canvas.getContext("2d");
  pen.scale(dense, dense);
  const style = getComputedStyle(canvas);
  return { pen, width, height, ink: style.color };
}

/** Batches of the last minute by size: a column a second, a row a size, the more the brighter. */
export function stream(canvas, { looks, at }) {
  const sizes = looks.flatMap(({ batches }) => batches.filter(([, count]) => count).map(([size]) => size));
  const rows = Math.max(4, Math.log2(Math.max(1, ...sizes)) + 1);
  const most = Math.max(1, ...looks.flatMap(({ batches }) => batches.map(([, count]) => count)));
  const on = fresh(canvas);
  if (!on) return;
  const { pen, width, height, ink } = on;
  const [wide, high] = [width / MINUTE, height / rows];
  pen.fillStyle = ink;
  for (const { at: then, batches } of looks) {
    const x = width - wide * (at - then + 1);
    for (const [size, count] of batches) {
      if (!count) continue;
      pen.globalAlpha = 0.25 + 0.75 * Math.sqrt(count / most);
      pen.fillRect(x, height - high * (Math.log2(size) + 1), Math.max(1.5, wide - 0.75), high - 1);
    }
  }
}

/** Pictures a second in the last minute: a bar for each look, as wide as the time that it tells of. */
export function bars(canvas, { looks, at }) {
  const on = fresh(canvas);
  if (!on) return;
  const { pen, width, height, ink } = on;
  const most = Math.max(1, ...looks.map(rate));
  pen.fillStyle = ink;
  for (const look of looks) {
    const wide = (width * look.seconds) / MINUTE;
    const high = (height - 3) * (rate(look) / most);
    pen.fillRect(width * (1 - (at - look.at) / MINUTE) - wide, height - high, Math.max(1.5, wide - 0.75), high);
  }
}
