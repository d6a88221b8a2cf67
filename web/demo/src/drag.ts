/**
 * Lets a small picture be dragged within its parent. Let go, it moves to the
 * nearest corner, named by data-corner: the style sheet says where that is.
 */
export function dragToCorners(element: HTMLElement): void {
  let from: { x: number; y: number } | null = null;

  element.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, y: event.clientY };
    element.setPointerCapture(event.pointerId);
    element.classList.add("dragged");
  });
  element.addEventListener("pointermove", (event) => {
    if (!from) return;
    element.style.translate = `${event.clientX - from.x}px ${event.clientY - from.y}px`;
  });
  const drop = (): void => {
    if (!from) return;
    from = null;
    element.setAttribute("data-corner", nearestCorner(element));
    element.style.translate = "";
    element.classList.remove("dragged");
  };
  element.addEventListener("pointerup", drop);
  element.addEventListener("pointercancel", drop);
}

function nearestCorner(element: HTMLElement): string {
  const box = element.getBoundingClientRect();
  const room = element.parentElement?.getBoundingClientRect() ?? box;
  const top = box.top + box.height / 2 < room.top + room.height / 2;
  const left = box.left + box.width / 2 < room.left + room.width / 2;
  return `${top ? "top" : "bottom"}-${left ? "left" : "right"}`;
}
