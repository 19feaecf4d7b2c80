/**
 * The library of poses as pictures to choose from, over an editor's canvas.
 */

/** Of `poses.jpg`: a picture's width and height, and how many stand in a row. */
const [WIDTH, HEIGHT, COLUMNS] = [64, 88, 10];
export const STYLE = `
.mannequin-gallery { position: absolute; inset: 0; overflow-y: auto; padding: 4px 8px; background: #202226f2;
  border-radius: 4px; overscroll-behavior: contain; }
.mannequin-gallery[hidden] { display: none; }
.mannequin-gallery h3 { font: 600 12px/1.2 sans-serif; color: #ddd; margin: 8px 0 4px; }
.mannequin-gallery div { display: flex; flex-wrap: wrap; gap: 4px; }
.mannequin-gallery button { width: ${WIDTH + 8}px; padding: 3px; color: #ccc; background: #33353b; cursor: pointer;
  border: 1px solid #4a4d55; border-radius: 4px; font: 9px/1.15 sans-serif; overflow-wrap: anywhere; }
.mannequin-gallery button:hover { border-color: #9ab; }
.mannequin-gallery button:focus-visible { outline: 2px solid #6aa8ff; }
.mannequin-gallery i { display: block; width: ${WIDTH}px; height: ${HEIGHT}px; margin-bottom: 2px; border-radius: 3px; }
`;

/**
 * Make one, hidden.
 *
 * @param poses by category and name, in the order of the pictures.
 * @param choose `(pose)`: what to do with the one that is chosen.
 * @param closed `()`: what to do when it is left.
 * @returns `{element, toggle()}`.
 */
export function gallery(poses, choose, closed) {
  const element = document.createElement("div");
  Object.assign(element, { className: "mannequin-gallery", hidden: true });
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", "Library of poses");
  const pictures = `url(${new URL("./poses.jpg", import.meta.url)})`;
  const close = () => {
    element.hidden = true;
    closed();
  };
  let number = 0;
  for (const [category, named] of Object.entries(poses)) {
    const title = document.createElement("h3");
    title.textContent = category;
    const group = document.createElement("div");
    for (const [name, pose] of Object.entries(named)) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", title: name });
      button.setAttribute("aria-label", `${category}: ${name}`);
      const picture = document.createElement("i");
      const [column, row] = [number % COLUMNS, Math.floor(number / COLUMNS)];
      picture.style.background = `${pictures} ${-column * WIDTH}px ${-row * HEIGHT}px`;
      button.append(picture, name);
      button.addEventListener("click", () => {
        choose(pose);
        close();
      });
      group.append(button);
      number += 1;
    }
    element.append(title, group);
  }
  element.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") close();
  });
  // The graph behind it neither zooms nor pans.
  element.addEventListener("wheel", (event) => event.stopPropagation());
  element.addEventListener("pointerdown", (event) => event.stopPropagation());
  const toggle = () => {
    element.hidden = !element.hidden;
    if (element.hidden) closed();
    else element.querySelector("button")?.focus({ preventScroll: true });
  };
  return { element, toggle };
}
