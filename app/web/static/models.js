// What is served, asked once: names, tasks, classes and directions of every model.

import { read } from "./api.js";

let known = null;

/**
 * Every model that takes requests, and of each the version that takes most of those that name none; asked again if the
 * asking failed.
 */
export function models() {
  known ??= read("models")
    .then((answer) => named(answer.models.filter((model) => model.tasks && !model.state.startsWith("fail"))))
    .catch((error) => {
      known = null;
      throw error;
    });
  return known;
}

/** Forgets what was asked, so that a model that came since is seen. */
export function forget() {
  known = null;
}

/** Those that can do a task: generate, reconstruct, translate, style, enhance, predict. */
export async function doing(task) {
  return (await models()).filter((model) => model.tasks.includes(task));
}

/** All that the service tells of one model. */
export function detail(model, signal) {
  return read(`models/${encodeURIComponent(model)}`, { signal });
}

/** As the service itself chooses: by the share, the newest of those that have the same. */
function named(all) {
  const best = new Map();
  for (const model of all) {
    const other = best.get(model.name);
    if (!other || (model.share - other.share || model.version - other.version) > 0) best.set(model.name, model);
  }
  return [...best.values()];
}

/** The size of the pictures that a model draws, [height, width]; null where it is the size of what was sent. */
export function size(detail) {
  const shape = detail.graphs?.generator?.outputs?.[0]?.shape ?? [];
  return Number.isInteger(shape[1]) ? [shape[1], shape[2]] : null;
}
