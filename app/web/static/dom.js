// Elements in one call: h("button", { class: "quiet", onclick: go }, "Go").

/** An element; `on…` are listeners, `true` and `false` switch attributes, everything else is an attribute. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The view's own sheet; resolves once it applies, so that nothing is seen without it. */
export function sheet(url) {
  const href = String(url);
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    document.head.append(
      h("link", { rel: "stylesheet", href, onload: resolve, onerror: () => reject(new Error(`${href} is missing`)) }),
    );
  });
}

/** What a blob shows, as long as the element lives: its address is given back when `release` is called. */
export function addressed(element, blob) {
  if (element.src.startsWith("blob:")) URL.revokeObjectURL(element.src);
  element.src = URL.createObjectURL(blob);
  return element;
}

let numbered = 0;

/** An id that nothing else on the page has. */
export function id(name) {
  numbered += 1;
  return `${name}-${numbered}`;
}
