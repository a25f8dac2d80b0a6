// The service as the page asks it: refusals as sentences, patience when it is busy, keys where it wants them.

import { busy } from "./status.js";

const MOST_TRIES = 8;
/** Seconds that a busy service may keep one waiting. What takes longer is refused, and not asked again for so long. */
const PATIENCE = 60;
/** Until when a busy service wants to be left alone, by path and model: also by whoever comes meanwhile. */
const busied = new Map();

/** What went wrong, in a sentence for people; `problem` is the service's own document, where there is one. */
export class Refusal extends Error {
  constructor(sentence, status = 0, problem = null) {
    super(sentence);
    this.name = "Refusal";
    this.status = status;
    this.problem = problem;
  }
}

/** A path and its parameters as an address; what is null or "" is left out. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Asks, and answers with the Response. `json` is sent as a body, `form` as a form, a `body` as it is.
 *
 * A busy service (429, 503 with Retry-After) is asked again when it said so, as long as that is soon and `signal` isn't
 * aborted; every other refusal is thrown as a Refusal, an abort as an AbortError.
 */
export async function ask(path, { method = "POST", query, json, form, body, type, signal } = {}) {
  const url = address(path, query);
  const what = `${path} ${(query ?? json)?.model}`;
  for (let tries = 1; ; tries += 1) {
    await calm(what, signal);
    const response = await send(url, { method, json, form, body, type, signal });
    if (response.ok) return response;
    if (response.status === 401 && (await import("./key.js").then((key) => key.wanted()))) continue;
    const wait = pause(response);
    const refused = await refusal(response);
    if (wait === null || tries === MOST_TRIES) throw refused;
    busied.set(what, { end: performance.now() + Math.min(wait, PATIENCE) * 1000, long: wait > PATIENCE, refused });
  }
}

async function calm(what, signal) {
  const { end, long, refused } = busied.get(what) ?? { end: 0 };
  if (end <= performance.now()) return;
  if (long) throw refused;
  // What is used up is told in the service's words: that is not "busy".
  await busy(end, refused.problem?.["violated-policies"] ? refused.message : "Busy.", signal);
}

async function send(url, { method, json, form, body, type, signal }) {
  const headers = {};
  const key = sessionStorage.getItem("key");
  if (key) headers.Authorization = `Bearer ${key}`;
  if (json) headers["Content-Type"] = "application/json";
  if (type) headers["Content-Type"] = type;
  try {
    return await fetch(url, { method, headers, body: json ? JSON.stringify(json) : (form ?? body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server can't be reached. Is it running, and are you online?");
  }
}

/** Seconds after which a busy service wants to be asked again; null for an answer that isn't "busy". */
function pause(response) {
  if (response.status !== 429 && response.status !== 503) return null;
  const milliseconds = response.headers.get("Retry-After-Ms");
  if (milliseconds) return Number(milliseconds) / 1000;
  const seconds = response.headers.get("Retry-After");
  return seconds && Number.isFinite(Number(seconds)) ? Number(seconds) : null;
}

async function refusal(response) {
  const text = await response.text();
  try {
    const problem = JSON.parse(text);
    return new Refusal(sentence(problem), response.status, problem);
  } catch {
    return new Refusal(`The server answered ${response.status} ${response.statusText}.`.replace(" .", "."), response.status);
  }
}

/** A problem document as a sentence: its detail, with a capital and a full stop. */
export function sentence(problem) {
  const text = (problem.detail ?? problem.title ?? "The server refused.").trim();
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** What a JSON route answers. */
export async function read(path, options = {}) {
  return (await ask(path, { method: "GET", ...options })).json();
}

/** The lines of an `ndjson` answer, each as soon as it is there; a line that tells of a failure is thrown. */
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let whole = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        whole = true;
        break;
      }
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts.filter(Boolean)) {
        const line = JSON.parse(part);
        if (line.status) throw new Refusal(sentence(line), line.status, line);
        yield line;
      }
    }
  } finally {
    // Whoever stops reading half-way has it cancelled on the server, too.
    if (!whole) reader.cancel().catch(() => undefined);
  }
}

/** `Server-Timing` as numbers: milliseconds of queue, infer, encode and total, and how many shared the batch. */
export function timing(response) {
  const told = {};
  for (const part of (response.headers.get("Server-Timing") ?? "").split(",")) {
    const [name, ...values] = part.trim().split(";");
    for (const value of values) {
      const [, number] = value.match(/="?([\d.]+)/) ?? [];
      if (number !== undefined) told[name] = Number(number);
    }
  }
  return told;
}

/** The name that the service gave a file. */
export function filename(response, otherwise) {
  return response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1] ?? otherwise;
}

/** Base64 as a blob. */
export function decoded(base64, type) {
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], { type });
}
