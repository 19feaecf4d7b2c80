/**
 * The editor inside a node: toolbar, the body's panel where it is open, a line of words where there is something to say,
 * canvas.
 */

import { Drawing } from "./drawing.js";
import { Editor } from "./editor.js";
import { gallery, STYLE as GALLERY } from "./gallery.js";
import { listen } from "./gestures.js";
import { toolbar } from "./toolbar.js";
import { STYLE as WARDROBE, wardrobe } from "./wardrobe.js";

const MARGIN = 6;
const STYLE = `
.mannequin-panel { display: flex; flex-direction: column; gap: 4px; width: 100%; height: 100%; min-height: 0; }
.mannequin-toolbar { display: flex; flex-wrap: wrap; gap: 3px; }
.mannequin-group { display: inline-flex; gap: 3px; }
.mannequin-toolbar button, .mannequin-toolbar select { font: 11px/1.2 sans-serif; padding: 3px 6px; color: #ddd;
  background: #33353b; border: 1px solid #4a4d55; border-radius: 4px; max-width: 84px; cursor: pointer; }
.mannequin-toolbar :is(button, select):disabled { opacity: 0.4; cursor: default; }
.mannequin-toolbar :is(button, select):focus-visible { outline: 2px solid #6aa8ff; }
.mannequin-toolbar .mannequin-on { background: #41618c; }
.mannequin-stage { flex: 1 1 0; min-height: 0; position: relative; }
.mannequin-canvas { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; border-radius: 4px; }
.mannequin-keys { position: absolute; opacity: 0; width: 1px; height: 1px; padding: 0; border: 0; pointer-events: none; }
.mannequin-keys:focus + .mannequin-canvas { outline: 1px solid #6aa8ff; outline-offset: -1px; }
.mannequin-said { font: 11px/1.3 sans-serif; color: #f0c674; min-height: 0; }
.mannequin-said:empty { display: none; }
${GALLERY}${WARDROBE}`;

/**
 * Make one.
 *
 * @param body `body.json`.
 * @param node what it edits: `{text(), write(text), size(), note(taken), showText(), grown(), pass}`; `size` is the
 *   picture's width and height, `note` a sentence on why edits would not be seen, where the last run's text was `taken` or
 *   not, `grown` is called when more room is needed, `pass` see `gestures.js`.
 * @returns `{element, editor, refresh(), remove(), extra()}`; `extra` is the height of what is open besides, CSS pixels.
 */
export function panel(body, node) {
  addStyle();
  const element = document.createElement("div");
  element.className = "mannequin-panel";
  const canvas = document.createElement("canvas");
  canvas.className = "mannequin-canvas";
  // The front end's own keys, undo and Delete among them, leave inputs alone: one of them has the keyboard for the canvas.
  const keys = document.createElement("input");
  Object.assign(keys, { className: "mannequin-keys", readOnly: true, inputMode: "none" });
  keys.setAttribute("role", "application");
  keys.setAttribute("aria-label", "Mannequin. Arrows turn the camera; h chooses a handle, which arrows then move; Escape lets go.");
  const stage = document.createElement("div");
  stage.className = "mannequin-stage";
  stage.append(keys, canvas);
  const line = document.createElement("div");
  line.className = "mannequin-said";
  line.setAttribute("role", "status");
  const drawing = new Drawing(body);
  let [photo, complaint, waiting, bar] = [null, "", 0, null];

  const frameOf = () => {
    const ratio = canvas.width / Math.max(canvas.clientWidth, 1);
    const { width, height } = node.size();
    const margin = MARGIN * ratio;
    const scale = Math.max(Math.min((canvas.width - 2 * margin) / width, (canvas.height - 2 * margin) / height), 1e-3);
    const [wide, high] = [width * scale, height * scale];
    return { frame: { x: (canvas.width - wide) / 2, y: (canvas.height - high) / 2, width: wide, height: high }, ratio };
  };

  const redraw = () => {
    waiting = 0;
    bar?.refresh(!library.element.hidden, !clothes.element.hidden);
    clothes.refresh();
    line.textContent = complaint || editor.said || node.note(editor.taken);
    const sharp = Math.max(window.devicePixelRatio * 1.5, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(Math.round(side * sharp), 1));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { frame, ratio } = frameOf();
    const context = canvas.getContext("2d");
    if (!editor.scene) return context.clearRect(0, 0, width, height);
    const { scene, selected, active, hovered } = editor;
    drawing.draw(context, { scene, selected, active, hovered, frame, ratio, photo, handles: editor.handles(frame) });
  };
  const refresh = () => {
    waiting ||= requestAnimationFrame(redraw);
  };

  const editor = new Editor(body, { size: node.size, write: node.write, changed: refresh }, node.text());
  const show = (image, said = "") => {
    [photo, complaint] = [image, said];
    refresh();
  };
  const left = () => {
    keys.focus({ preventScroll: true });
    // The toolbar's button says that it is closed.
    refresh();
  };
  const library = gallery(body.poses, (pose) => editor.pose(pose), left);
  stage.append(library.element);
  const choose = () => {
    library.toggle();
    refresh();
  };
  const clothes = wardrobe(editor, left);
  const dress = () => {
    clothes.toggle();
    node.grown();
    refresh();
  };
  bar = toolbar(editor, { showText: node.showText, photo: show, library: choose, wardrobe: dress });
  // Whoever goes on with keys means the mannequin; whoever came with them stays where they are.
  const toKeys = (event) => {
    if (event.type === "change" || event.detail > 0) keys.focus({ preventScroll: true });
  };
  bar.element.addEventListener("click", (event) => {
    // The library and the body's panel, where they were opened, have taken the keyboard themselves.
    const isTaken = [library.element, clothes.element].some((part) => part.contains(document.activeElement));
    if (event.target.matches("button:not(:disabled)") && !isTaken) toKeys(event);
  });
  bar.element.addEventListener("change", toKeys);
  // A button has no use for Delete; the graph would remove the node.
  bar.element.addEventListener("keydown", (event) => event.stopPropagation());
  listen(canvas, keys, editor, frameOf, drawing.personAt.bind(drawing), node.pass);
  element.append(bar.element, clothes.element, line, stage);
  // For whoever has the page and not this module: tests.
  element.mannequin = { editor, drawing };
  const watch = new ResizeObserver(refresh);
  watch.observe(canvas);
  return { element, editor, refresh, remove: () => watch.disconnect(), extra: () => clothes.element.offsetHeight };
}

function addStyle() {
  if (document.getElementById("mannequin-style")) return;
  const style = document.createElement("style");
  Object.assign(style, { id: "mannequin-style", textContent: STYLE });
  document.head.append(style);
}
