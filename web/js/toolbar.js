/**
 * The buttons above an editor's canvas.
 */

import { HANDS } from "./presets.js";

/**
 * Buttons and lists for an editor.
 *
 * @param actions `{showText(), photo(image or null), library(), wardrobe()}`: what is the node's or the panel's, not the
 *   editor's.
 * @returns `{element, refresh(choosing, dressing)}`; the latter greys out what cannot be done now; the two say whether the
 *   library and the body's panel are shown.
 */
export function toolbar(editor, actions) {
  const element = document.createElement("div");
  element.className = "mannequin-toolbar";
  const needScene = [];
  const button = (label, title, act, always = false) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", textContent: label, title });
    made.setAttribute("aria-label", title);
    made.addEventListener("click", act);
    if (!always) needScene.push(made);
    element.append(made);
    return made;
  };
  const together = (...made) => {
    const group = document.createElement("span");
    group.className = "mannequin-group";
    group.append(...made);
    element.append(group);
  };
  const list = (title, names, act) => {
    const made = document.createElement("select");
    made.title = title;
    made.setAttribute("aria-label", title);
    made.append(new Option(title, ""), ...names.map((name) => new Option(name, name)));
    made.addEventListener("change", () => {
      act(made.value);
      // So that the same one can be chosen again.
      made.value = "";
    });
    needScene.push(made);
    element.append(made);
  };

  const undo = button("↶", "Undo (Ctrl+Z)", () => editor.undo(), true);
  const redo = button("↷", "Redo (Ctrl+Y)", () => editor.redo(), true);
  button("Reset", "Reset: one person who stands, seen from the front", () => editor.reset(), true);
  const poses = button("Pose", "Pose: choose one of the library", () => actions.library());
  const wardrobe = button("Body", "Body: shape and clothes of the chosen person", () => actions.wardrobe(), true);
  list("Left hand", Object.keys(HANDS), (name) => editor.hand(name, ["left"]));
  list("Right hand", Object.keys(HANDS), (name) => editor.hand(name, ["right"]));
  button("Mirror", "Mirror left and right (M)", () => editor.mirror());
  together(
    button("⟲", "Turn the person to their right (Q)", () => editor.turn(-15)),
    button("⟳", "Turn the person to their left (E)", () => editor.turn(15)),
  );
  const twist = button("Twist", "Drags turn head, hands and feet where they are (T, or Alt while dragging)", () =>
    editor.setTwisting(!editor.twisting),
  );
  button("Floor", "Put the person on the floor (G)", () => editor.ground());
  const more = button("+ Person", "Add a person (A)", () => editor.addPerson());
  const fewer = button("− Person", "Remove the selected person (Delete)", () => editor.removePerson());
  button("Fit", "Show everybody (F)", () => editor.fitView());
  element.append(photoButton(button, actions.photo));
  const take = button("Take pose", "Take pose: the people of the last run become the text", () => editor.takeResult(), true);
  button("JSON", "Show or hide the text", actions.showText, true);

  const opens = (made, open) => {
    made.classList.toggle("mannequin-on", open);
    made.setAttribute("aria-expanded", String(open));
  };
  const refresh = (choosing, dressing) => {
    opens(poses, choosing);
    opens(wardrobe, dressing);
    take.hidden = editor.result === null;
    take.disabled = editor.taken;
    for (const made of needScene) made.disabled = !editor.scene;
    twist.classList.toggle("mannequin-on", editor.twisting);
    twist.setAttribute("aria-pressed", String(editor.twisting));
    undo.disabled = !editor.canUndo;
    redo.disabled = !editor.canRedo;
    more.disabled = !editor.scene || editor.scene.people.length >= editor.body.mostPeople;
    fewer.disabled = !editor.person;
  };
  return { element, refresh };
}

/** A photo to trace is chosen here and stays in the page: it is neither sent nor saved. */
function photoButton(button, show) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: "image/*", hidden: true });
  let shown = false;
  const clicked = button("Photo", "A photo behind the mannequin, to trace; again takes it away", () => {
    if (!shown) return input.click();
    shown = false;
    clicked.classList.remove("mannequin-on");
    show(null);
  });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    const photo = await createImageBitmap(file).catch(() => null);
    shown = photo !== null;
    clicked.classList.toggle("mannequin-on", shown);
    show(photo, photo ? "" : `${file.name} is no picture that this browser reads.`);
  });
  return input;
}
