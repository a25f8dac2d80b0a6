// One line at the foot of the page: what is going on, what went wrong, how long until the next try.

import { h } from "./dom.js";

const line = document.getElementById("status");
let leaving = 0;

/** Says something for a while; `kind` is "note", "busy" or "error". An error stays until it is closed or followed. */
export function say(text, kind = "note") {
  clearTimeout(leaving);
  line.replaceChildren(h("p", { class: kind }, text, kind === "error" && h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: quiet }, "✕")));
  if (kind === "note") leaving = setTimeout(quiet, 4000);
}

/** Takes back what was said. */
export function quiet() {
  line.replaceChildren();
}

/** Tells a failure in a sentence; what was cancelled by hand is none. */
export function fail(error) {
  if (error.name === "AbortError") return;
  if (error.name !== "Refusal") console.error(error);
  say(error.name === "Refusal" ? error.message : `Something on this page broke: ${error.message}`, "error");
}

/**
 * Waits until `end`, as `performance.now()` counts, since a service asked to, says `why`, and counts it down; an abort of
 * `signal` ends it as an AbortError.
 */
export async function busy(end, why, signal) {
  for (let left; (left = (end - performance.now()) / 1000) > 0; ) {
    say(`${why} Trying again in ${Math.ceil(left)} s`, "busy");
    await sleep(Math.min(left, 1) * 1000, signal);
  }
  quiet();
}

function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      quiet();
      reject(new DOMException("cancelled", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
