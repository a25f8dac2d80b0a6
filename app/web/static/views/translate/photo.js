// A photo as it came: what the page can show of it, how large it is, and smaller copies.

import { ask, Refusal } from "../../api.js";

/**
 * The file with its size and a blob that the browser can show, which of a TIFF, say, is what the service reads in it.
 * What neither can read is refused in the service's words; an AbortError where `signal` was aborted meanwhile.
 */
export async function photo(file, signal) {
  const shown = (await measured(file)) ? file : await seen(file, signal);
  const { width, height } = await measured(shown);
  signal.throwIfAborted();
  return { file, shown, width, height };
}

async function measured(blob) {
  try {
    const { width, height } = await createImageBitmap(blob);
    return { width, height };
  } catch {
    return null;
  }
}

/** The picture as the service reads it: with no strength a style leaves it as it was. */
async function seen(file, signal) {
  try {
    return (await ask("style", { query: { strength: 0, scale: "model", format: "png" }, ...sent(file), signal })).blob();
  } catch (error) {
    if (error.status !== 404) throw error;
    throw new Refusal("This browser can't show such a file. A JPEG or PNG will do.");
  }
}

/** A file as the body of a request. What kind it is, the service reads from its bytes. */
export function sent(file) {
  return { body: file, type: file.type || "application/octet-stream" };
}

/** What to send so that the longer side has `longest` pixels at most; the file itself if it has. */
export async function reduced({ file, shown, width, height }, longest) {
  const share = longest / Math.max(width, height);
  if (share >= 1) return file;
  const size = { width: Math.max(1, Math.round(width * share)), height: Math.max(1, Math.round(height * share)) };
  const bitmap = await createImageBitmap(shown, { resizeWidth: size.width, resizeHeight: size.height, resizeQuality: "high" });
  const canvas = Object.assign(document.createElement("canvas"), size);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.95));
}
