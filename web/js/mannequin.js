/**
 * The editor of the node Pose Mannequin. Its state is the node's text: without this page the node does the same.
 */

import { app } from "../../../scripts/app.js";
import { panel } from "./panel.js";
import { onFloor } from "./scene.js";
import { unpacked } from "./surface.js";

const NODE = "MannequinPoseMannequin";
const SMALLEST = 300;
const NODE_SIZE = [460, 860];

// Before any node is made: what is added to one later misses the values that its graph gives it.
const body = await bodyFiles();

app.registerExtension({
  name: "Mannequin.PoseMannequin",
  nodeCreated(node) {
    if (body && node.comfyClass === NODE && node.addDOMWidget) addEditor(node);
  },
});

/** Null, and a word on the console, where they do not come: the node works by its inputs all the same. */
async function bodyFiles() {
  try {
    const [joints, mesh] = await Promise.all(["./body.json", "./mesh.json"].map(file));
    return { ...joints, mesh: unpacked(mesh) };
  } catch (error) {
    console.warn("Mannequin: the editor's body cannot be read; Pose Mannequin has its plain inputs.", error);
    return null;
  }
}

async function file(name) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  return answer.json();
}

function addEditor(node) {
  const named = (name) => node.widgets?.find((widget) => widget.name === name);
  const text = named("mannequin");
  if (!text) return;
  const grown = () => {
    const least = node.computeSize?.() ?? node.size;
    node.setSize?.(node.size.map((side, axis) => Math.max(side, least[axis])));
    node.graph?.setDirtyCanvas?.(true, true);
  };
  const made = panel(body, {
    text: () => text.value,
    write: (value) => {
      text.value = value;
      node.graph?.setDirtyCanvas?.(true, true);
    },
    size: () => ({ width: named("width")?.value || 512, height: named("height")?.value || 704 }),
    note: (taken) => noteOn(node, taken),
    showText: () => {
      show(text, text.hidden);
      grown();
    },
    grown: () => grown(),
    pass: {
      wheel: (event) => app.canvas?.processMouseWheel?.(event),
      down: (event) => app.canvas?.processMouseDown?.(event),
      move: (event) => app.canvas?.processMouseMove?.(event),
      up: (event) => app.canvas?.processMouseUp?.(event),
    },
  });

  // Neither saved nor queued: the text is.
  const widget = node.addDOMWidget("editor", "mannequin", made.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => SMALLEST + made.extra(),
  });
  widget.serialize = false;
  show(text, false);

  const after = (owner, name, act) => {
    const before = owner[name];
    owner[name] = function (...given) {
      const result = before?.apply(this, given);
      act(...given);
      return result;
    };
  };
  after(text, "callback", () => made.editor.take(text.value));
  for (const name of ["width", "height"]) if (named(name)) after(named(name), "callback", () => made.editor.resized());
  // A graph is opened, or a node copied: its values are set, and what was before is none of its steps.
  after(node, "onConfigure", () => made.editor.open(text.value));
  after(node, "onConnectionsChange", () => {
    if (!isLinked(node, "mannequin")) made.editor.unpreview();
    made.refresh();
  });
  // The node shows its page whom it has drawn: that is worth having where they came along a link.
  after(node, "onExecuted", (output) => {
    const [ran] = output?.mannequin ?? [];
    if (typeof ran !== "string") return;
    const whole = isLinked(node, "mannequin");
    made.editor.ran(whole || isLinked(node, "pose") ? onFloor(ran) : null, whole);
  });
  after(node, "onRemoved", made.remove);
  node.setSize?.([Math.max(node.size[0], NODE_SIZE[0]), Math.max(node.size[1], NODE_SIZE[1])]);
}

/** Show a widget of text or not: what is hidden must not be given a place by the graph's layout either. */
function show(widget, shown) {
  widget.hidden = !shown;
  if (shown) {
    delete widget.computeSize;
    delete widget.computeLayoutSize;
    return;
  }
  widget.computeSize = () => [0, -4];
  // Widgets that would grow are laid out by this, not by their size.
  widget.computeLayoutSize = undefined;
}

const isLinked = (node, name) => Boolean(node.inputs?.some((input) => input.name === name && input.link != null));

/**
 * Why what is edited here would not be seen; empty where it is. Links are the graph's, whose undo brings them back, not
 * the editor's: taking a pose leaves them, and says which.
 */
function noteOn(node, taken) {
  const linked = (name) => isLinked(node, name);
  const instead = ["mannequin", "pose"].filter(linked);
  if (taken && instead.length)
    return `The text is the last run's now: disconnect ${instead.join(" and ")} to go on from it and see what you change.`;
  if (linked("mannequin")) return "The text comes along a link: what is set here is not used.";
  if (linked("pose")) return "People take the poses of the link; shapes and clothes alone are of the text.";
  if (linked("width") || linked("height")) return "The picture's size comes along a link: its frame here may be another.";
  return "";
}
