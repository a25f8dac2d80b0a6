// What the metrics say of the last minute: counters become what happened between two looks.

const MINUTE = 60;
/** Means of phases are of so many seconds: long enough to be calm, short enough to be now. */
const LATELY = 8;
const LINE = /^ganymede_(\w+?)(?:\{(.*)\})? ([^ ]+)$/gm;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
const PHASES = ["decode", "queue", "infer", "encode"];
const KINDS = { images_total: null, batch_size_bucket: "le", batch_size_sum: null, batch_size_count: null, phase_seconds_sum: "phase", phase_seconds_count: "phase", refused_requests_total: "reason", dropped_samples_total: "reason", queue_samples: null, bulk_queue_samples: null, queue_seconds: null };

/** An exposition's numbers of interest, summed over models: { images_total: { "": 7 }, batch_size_bucket: { "1.0": 3, … }, … }. */
export function parsed(text) {
  const sums = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, {}]));
  for (const [, kind, labels = "", value] of text.matchAll(LINE)) {
    if (!(kind in KINDS)) continue;
    const of = KINDS[kind] === null ? "" : ([...labels.matchAll(LABEL)].find(([, name]) => name === KINDS[kind])?.[2] ?? "");
    // Work in sight of several models is done by one device: the longest queue is the wait.
    sums[kind][of] = kind === "queue_seconds" ? Math.max(sums[kind][of] ?? 0, Number(value)) : (sums[kind][of] ?? 0) + Number(value);
  }
  return sums;
}

/** A function that takes each exposition with its time in seconds, and answers with what the last minute was. */
export function readings() {
  let before = null;
  let looks = [];
  return (text, at) => {
    const now = parsed(text);
    if (before) looks.push({ at, seconds: at - before.at, ...changes(before.now, now) });
    before = { now, at };
    looks = looks.filter((look) => at - look.at < MINUTE);
    return { now, looks, at, lately: looks.filter((look) => at - look.at < LATELY) };
  };
}

/** What happened between two looks. A counter that fell is that of a service which started anew. */
function changes(before, now) {
  const grown = {};
  for (const kind of Object.keys(KINDS)) {
    grown[kind] = Object.fromEntries(Object.entries(now[kind]).map(([of, value]) => [of, value < (before[kind][of] ?? 0) ? value : value - (before[kind][of] ?? 0)]));
  }
  return { grown, batches: bySize(grown.batch_size_bucket) };
}

/** Batches by the largest size of their bucket, less those of smaller ones: [[1, 4], [2, 0], …]. */
function bySize(buckets) {
  const ends = Object.keys(buckets).filter((end) => end !== "+Inf").map(Number).sort((one, other) => one - other);
  const upTo = (end) => buckets[end.toFixed(1)] ?? buckets[String(end)] ?? 0;
  return ends.map((end, at) => [end, upTo(end) - (at ? upTo(ends[at - 1]) : 0)]);
}

export function total(looks, kind, of) {
  return looks.reduce((sum, { grown }) => sum + (of === undefined ? Object.values(grown[kind]).reduce((one, other) => one + other, 0) : (grown[kind][of] ?? 0)), 0);
}

function reasons({ looks }, kind) {
  const names = [...new Set(looks.flatMap(({ grown }) => Object.keys(grown[kind])))];
  return names.map((name) => [name, total(looks, kind, name)]).filter(([, count]) => count).map(([name, count]) => `${name} ${Math.round(count)}`).join(", ");
}

function milliseconds({ lately }, phase) {
  const count = total(lately, "phase_seconds_count", phase);
  return count ? `${((1000 * total(lately, "phase_seconds_sum", phase)) / count).toFixed(1)} ms` : "–";
}

/** Pictures a second between two looks. */
export function rate({ grown, seconds }) {
  return (grown.images_total[""] ?? 0) / seconds;
}

function sum(of) {
  return Object.values(of).reduce((one, other) => one + other, 0);
}

/** The numbers of the strip: what each is called, says, and how it is read off. */
export const cells = [
  {
    name: "Pictures a second",
    says: "Pictures computed, encoded and delivered in each second of the last minute.",
    draw: "bars",
    value: ({ looks }) => (looks.length ? rate(looks.at(-1)).toFixed(1) : "0"),
  },
  {
    name: "Batches",
    says: "A column is a second, a row a size of batch, 1 at the foot; the brighter, the more. The number is the mean size of the last seconds.",
    draw: "stream",
    value: ({ lately }) => {
      const count = total(lately, "batch_size_count");
      return count ? `⌀ ${(total(lately, "batch_size_sum") / count).toFixed(1)}` : "–";
    },
    part: ({ looks }) => `${Math.round(total(looks, "batch_size_count"))} in a minute`,
  },
  {
    name: "Waiting",
    says: "Samples that wait for a batch at this moment, and the predicted seconds until all work accepted so far is done.",
    value: ({ now }) => String(sum(now.queue_samples)),
    part: ({ now }) => `${sum(now.queue_seconds).toFixed(2)} s${sum(now.bulk_queue_samples) ? `, ${sum(now.bulk_queue_samples)} can wait` : ""}`,
  },
  ...PHASES.map((phase) => ({
    name: { decode: "Reading", queue: "In the queue", infer: "Computing", encode: "Encoding" }[phase],
    says: {
      decode: "Mean time, over the last seconds, to read a picture or a sound that was sent.",
      queue: "Mean time, over the last seconds, that a request waited for its batch to start.",
      infer: "Mean time, over the last seconds, that the network took for the batch which a request was in.",
      encode: "Mean time, over the last seconds, to make a file of a picture or a sound.",
    }[phase],
    value: (now) => milliseconds(now, phase),
  })),
  {
    name: "Refused",
    says: "Requests of the last minute refused at the door: queue full, deadline out of reach, the service draining, or a model failing.",
    value: ({ looks }) => String(Math.round(total(looks, "refused_requests_total"))),
    part: (now) => reasons(now, "refused_requests_total"),
  },
  {
    name: "Vanished",
    says: "Samples of the last minute that were accepted, and not sent, since whoever asked had gone, or not computed, since the deadline had passed or a batch failed.",
    value: ({ looks }) => String(Math.round(total(looks, "dropped_samples_total"))),
    part: (now) => reasons(now, "dropped_samples_total"),
  },
];
