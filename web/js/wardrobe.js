/**
 * The body's panel: shape and clothes of the chosen person, above an editor's canvas.
 */

/** What the ends of a shape's axes are called. */
const ENDS = {
  sex: ["man", "woman"],
  height: ["short", "tall"],
  build: ["slim", "heavy"],
  muscle: ["little", "much"],
};
const STEP = 0.05;
export const STYLE = `
.mannequin-wardrobe { display: flex; flex-direction: column; gap: 4px; padding: 5px 7px; border-radius: 4px; color: #ddd;
  background: #26282d; font: 11px/1.2 sans-serif; }
.mannequin-wardrobe[hidden] { display: none; }
.mannequin-shape { display: grid; grid-template-columns: auto auto 1fr auto 2.6em; gap: 3px 7px; align-items: center; }
.mannequin-shape input { min-width: 0; width: 100%; height: 14px; margin: 0; accent-color: #6aa8ff; cursor: pointer; }
.mannequin-shape span { color: #b4b7bf; }
.mannequin-shape output { text-align: right; font-variant-numeric: tabular-nums; }
.mannequin-clothes { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(125px, 100%), 1fr)); gap: 4px 7px; }
.mannequin-clothes label { display: flex; align-items: center; gap: 5px; min-width: 0; }
.mannequin-clothes select { flex: 1; min-width: 0; font: inherit; padding: 2px 3px; color: #ddd; background: #33353b;
  border: 1px solid #4a4d55; border-radius: 4px; cursor: pointer; }
.mannequin-clothes input { margin: 0; accent-color: #6aa8ff; cursor: pointer; }
.mannequin-wardrobe :is(input, select):focus-visible { outline: 2px solid #6aa8ff; }
.mannequin-wardrobe :is(input, select):disabled { opacity: 0.4; cursor: default; }
`;

/**
 * Make one, hidden.
 *
 * @param closed `()`: what to do when it is left.
 * @returns `{element, toggle(), refresh()}`.
 */
export function wardrobe(editor, closed) {
  const element = made("div", { className: "mannequin-wardrobe", hidden: true });
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", "Body: shape and clothes");
  const shape = made("div", { className: "mannequin-shape" });
  const clothes = made("div", { className: "mannequin-clothes" });
  element.append(shape, clothes);
  const parts = [
    ...editor.body.axes.map((axis) => slider(shape, editor, axis)),
    ...Object.entries(editor.body.clothes).map(([slot, cuts]) => choice(clothes, editor, slot, cuts)),
    dress(clothes, editor),
  ];
  const refresh = () => {
    if (element.hidden) return;
    for (const { input, show } of parts) {
      input.disabled = !editor.person;
      if (editor.person) show(editor.person);
    }
  };
  const toggle = () => {
    element.hidden = !element.hidden;
    if (element.hidden) return closed();
    refresh();
    parts[0].input.focus({ preventScroll: true });
  };
  element.addEventListener("keydown", (event) => {
    // The graph's own keys mean its nodes.
    event.stopPropagation();
    const key = event.key.toLowerCase();
    if (key === "escape") return toggle();
    if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
    event.preventDefault();
    if (key === "z" && !event.shiftKey) editor.undo();
    else editor.redo();
  });
  element.addEventListener("pointerdown", (event) => event.stopPropagation());
  return { element, toggle, refresh };
}

function slider(place, editor, axis) {
  const [low, high] = ENDS[axis] ?? ["−1", "1"];
  const input = made("input", { type: "range", min: -1, max: 1, step: STEP, title: `${axis}: ${low} to ${high}` });
  input.setAttribute("aria-label", `${axis}, ${low} to ${high}`);
  const said = made("output", {});
  input.addEventListener("input", () => editor.reshape(axis, Number(input.value)));
  input.addEventListener("change", () => editor.commit());
  place.append(axis, made("span", { textContent: low }), input, made("span", { textContent: high }), said);
  const show = (person) => {
    const value = person.shape[axis] ?? 0;
    input.value = value;
    said.textContent = value.toFixed(2).replace("-", "−");
    input.setAttribute("aria-valuetext", said.textContent);
  };
  return { input, show };
}

function choice(place, editor, slot, cuts) {
  const input = made("select", { title: slot });
  input.append(...cuts.map((cut) => new Option(cut, cut)));
  input.addEventListener("change", () => editor.wear(slot, input.value));
  place.append(labelled(slot, input));
  return { input, show: ({ clothes }) => (input.value = clothes[slot] ?? editor.body.mesh.outfit[slot]) };
}

function dress(place, editor) {
  const input = made("input", { type: "checkbox", title: "dress: top and skirt are one" });
  input.addEventListener("change", () => editor.wear("dress", input.checked));
  place.append(labelled("dress", input));
  return { input, show: ({ clothes }) => (input.checked = clothes.dress === true) };
}

function labelled(name, input) {
  const label = made("label", { title: input.title });
  label.append(name, input);
  return label;
}

const made = (kind, properties) => Object.assign(document.createElement(kind), properties);
