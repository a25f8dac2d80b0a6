// What is served, asked once: names, tasks, classes and directions of every model.

import { read } from "./api.js";

let known = null;

/** Every model that has not failed, the newest version of each; asked again if the asking failed. */
export function models() {
  known ??= read("models")
    .then((answer) => newest(answer.models.filter((model) => !model.state.startsWith("fail"))))
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
  return (await models()).filter((model) => model.tasks?.includes(task));
}

/** All that the service tells of one model. */
export function detail(model, signal) {
  return read(`models/${encodeURIComponent(model)}`, { signal });
}

function newest(all) {
  const best = new Map();
  for (const model of all) {
    const other = best.get(model.name);
    if (!other || other.version < model.version) best.set(model.name, model);
  }
  return [...best.values()];
}

/** The size of the pictures that a model draws, [height, width]; null where it is the size of what was sent. */
export function size(detail) {
  const shape = detail.graphs?.generator?.outputs?.[0]?.shape ?? [];
  return Number.isInteger(shape[1]) ? [shape[1], shape[2]] : null;
}
