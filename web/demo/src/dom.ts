/** Typed access to index.html. What is missing there is a mistake in it, found at the start. */

export function find<T extends Element>(id: string, type: abstract new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no #${id} of the kind wanted`);
  return element;
}

/** Writes a text, and leaves one alone that says so already: a live region speaks on every write. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Names a control for the eye that hovers and for the ear. */
export function setLabel(element: HTMLElement, label: string): void {
  element.setAttribute("aria-label", label);
  element.title = label;
}

export function setPressed(button: HTMLElement, pressed: boolean): void {
  button.setAttribute("aria-pressed", String(pressed));
}

/** An icon of the sprite in index.html. */
export function icon(name: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** The letter that stands for a person without a picture. */
export function initial(name: string): string {
  return [...name.trim()][0]?.toLocaleUpperCase() ?? "?";
}

/** A calm colour of one's own for each name, as a hue. */
export function hue(name: string): number {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}

export function setAvatar(element: HTMLElement, name: string): void {
  setText(element, initial(name));
  element.style.setProperty("--hue", String(hue(name)));
}
