// The Markdown of model cards as elements: headings, paragraphs, lists, tables, code and links; never as HTML.

import { h } from "../dom.js";

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|!\[[^\]]*\]\([^)]*\)|\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)/g;

/** The parts of a card by its headings of the second rank; what stands before the first is under "". */
export function sections(text) {
  const [head, ...rest] = text.split(/^## /m);
  return new Map([["", head], ...rest.map((part) => [part.slice(0, part.indexOf("\n")).trim(), part.slice(part.indexOf("\n") + 1)])]);
}

/** A text as a list of elements; `above` is the rank of the heading that it stands under. Pictures are left out. */
export function markdown(text, above = 1) {
  const blocks = text.trim().match(/^```[^]*?^```|(?:(?!\n\n)[^])+/gm) ?? [];
  return blocks.map((block) => element(block.trim(), above)).filter(Boolean);
}

function element(block, above) {
  const heading = /^(#{1,4}) (.*)$/.exec(block);
  if (heading) return h(`h${Math.min(6, heading[1].length + above)}`, {}, inline(heading[2]));
  if (block.startsWith("```")) return h("pre", { tabindex: 0 }, h("code", {}, block.replace(/^```.*\n|\n?```$/g, "")));
  if (block.startsWith("|")) return table(block.split("\n"));
  if (/^[*-] /.test(block)) return h("ul", {}, block.split(/^[*-] /m).slice(1).map((item) => h("li", {}, inline(item.trim()))));
  const words = inline(block).filter((part) => part !== "");
  return words.length ? h("p", {}, words) : null;
}

function table([head, , ...rows]) {
  const cells = (row, tag) => h("tr", {}, row.split("|").slice(1, -1).map((cell) => h(tag, {}, inline(cell.trim()))));
  return h("div", { class: "wide", tabindex: 0 }, h("table", {}, h("thead", {}, cells(head, "th")), h("tbody", {}, rows.map((row) => cells(row, "td")))));
}

function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, code, strong, label, url] = found;
    parts.push(text.slice(at, found.index));
    if (code) parts.push(h("code", {}, code));
    else if (strong) parts.push(h("strong", {}, strong));
    else if (url) parts.push(h("a", { href: url, rel: "noopener" }, label));
    at = found.index + whole.length;
  }
  return [...parts, text.slice(at)];
}
