// Swiping on a touch screen: to the right or to the left, at least a fifth of the element's width.

const SHARE = 5;

export function onSwipe(element, swiped) {
  let start = null;
  const move = (distance) => element.style.setProperty("--swiped", `${distance}px`);
  const end = () => {
    start = null;
    element.classList.remove("held");
    move(0);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || !event.isPrimary) return;
    start = event.clientX;
    element.setPointerCapture(event.pointerId);
    element.classList.add("held");
  });
  element.addEventListener("pointermove", (event) => {
    if (start !== null) move(event.clientX - start);
  });
  element.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const distance = event.clientX - start;
    end();
    if (Math.abs(distance) > element.clientWidth / SHARE) swiped(distance > 0 ? "right" : "left");
  });
  element.addEventListener("pointercancel", end);
}
