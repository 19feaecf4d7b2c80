/**
 * Mouse, touch and keys on an editor's canvas.
 */

/** CSS pixels from a handle at which it is meant: a finger hides what it touches. */
const GRASP = { mouse: 13, pen: 16, touch: 28 };
/** CSS pixels that a click may wander without being a drag. */
const STILL = { mouse: 1.5, pen: 3, touch: 6 };
const DEGREES_OF_A_PIXEL = 0.5;
const NUDGE = 0.02;
const ORBIT = 5;
const ZOOM = 1.1;

/**
 * Listen.
 *
 * @param keys the element that has the keyboard after a click into the canvas.
 * @param frameOf `() => {frame, ratio}`: the picture's frame in pixels of the canvas, and pixels of a CSS pixel.
 * @param personAt `(frame, pixel) => number` of the person that is seen there, or −1.
 * @param pass what the graph does with wheels and buttons that are not for the editor: `{wheel, down, move, up}`.
 */
export function listen(canvas, keys, editor, frameOf, personAt, pass) {
  const fingers = new Map();
  let gesture = null;

  const pixelOf = (event) => {
    const box = canvas.getBoundingClientRect();
    const { frame } = frameOf();
    return {
      x: ((event.clientX - box.left) / box.width) * canvas.width - frame.x,
      y: ((event.clientY - box.top) / box.height) * canvas.height - frame.y,
    };
  };

  const handleAt = (event, pixel) => {
    const { frame, ratio } = frameOf();
    return Object.entries(editor.handles(frame))
      .map(([name, at]) => ({ name, off: Math.hypot(at.x - pixel.x, at.y - pixel.y) / ratio, at }))
      .filter(({ off }) => off < (GRASP[event.pointerType] ?? GRASP.mouse))
      .sort((a, b) => a.off - b.off)[0];
  };

  const hovered = (event) => {
    if (!editor.scene || event.pointerType === "touch" || event.buttons) return;
    const near = handleAt(event, pixelOf(event));
    canvas.style.cursor = near ? "grab" : "default";
    editor.hover(near?.name ?? null);
  };

  const begun = (event, pixel) => {
    if (event.shiftKey) return { kind: "pan", last: pixel, begin: pixel };
    const { frame } = frameOf();
    const near = handleAt(event, pixel);
    if (near) {
      editor.active = near.name;
      const kind = event.altKey !== editor.twisting ? "twist" : "handle";
      const grip = { x: near.at.x - pixel.x, y: near.at.y - pixel.y };
      return { kind, handle: near.name, figure: editor.person, grip, begin: pixel };
    }
    const person = personAt(frame, pixel);
    if (person >= 0 && person !== editor.selected) editor.select(person);
    return { kind: "orbit", last: pixel, begin: pixel };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return pass.down(event);
    event.stopPropagation();
    event.preventDefault();
    keys.focus({ preventScroll: true });
    if (!editor.scene) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, pixelOf(event));
    if (fingers.size === 1) gesture = { ...begun(event, pixelOf(event)), moved: false };
    else if (fingers.size === 2) gesture = { kind: "pinch", moved: gesture?.moved ?? false };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return event.buttons & 4 ? pass.move(event) : hovered(event);
    event.stopPropagation();
    const pixel = pixelOf(event);
    const before = [...fingers.values()];
    fingers.set(event.pointerId, pixel);
    if (!gesture || !editor.scene) return;
    const { frame, ratio } = frameOf();
    const { begin } = gesture;
    const off = begin ? Math.hypot(pixel.x - begin.x, pixel.y - begin.y) / ratio : Infinity;
    gesture.moved ||= off > (STILL[event.pointerType] ?? STILL.mouse);
    if (!gesture.moved) return;
    if (gesture.kind === "handle") {
      const { grip, handle, figure } = gesture;
      editor.drag(handle, { x: pixel.x + grip.x, y: pixel.y + grip.y }, frame, figure);
    } else if (gesture.kind === "twist") {
      const { handle, figure } = gesture;
      const [right, down] = [pixel.x - begin.x, pixel.y - begin.y].map((by) => (by / ratio) * DEGREES_OF_A_PIXEL);
      editor.twist(handle, right, down, figure);
    } else if (gesture.kind === "pinch") {
      pinch(editor, before, [...fingers.values()], frame);
    } else {
      const [right, down] = [pixel.x - gesture.last.x, pixel.y - gesture.last.y];
      gesture.last = pixel;
      if (gesture.kind === "pan") editor.pan(right, down, frame);
      // The near side follows the hand.
      else editor.orbit((-right / ratio) * DEGREES_OF_A_PIXEL, (down / ratio) * DEGREES_OF_A_PIXEL);
    }
  });

  const ended = (event) => {
    if (!fingers.delete(event.pointerId)) return event.button === 1 ? pass.up(event) : undefined;
    event.stopPropagation();
    if (fingers.size) return;
    if (gesture?.moved) editor.commit();
    else if (gesture?.kind === "orbit") editor.select(editor.selected);
    gesture = null;
  };
  canvas.addEventListener("pointerup", ended);
  canvas.addEventListener("pointercancel", ended);
  canvas.addEventListener("pointerleave", () => editor.hover(null));

  let zooming = 0;
  canvas.addEventListener("wheel", (event) => {
    // Only who has clicked into it zooms it: on the way over the graph the wheel is the graph's.
    if (document.activeElement !== keys || !editor.scene) {
      event.preventDefault();
      return pass.wheel(event);
    }
    event.preventDefault();
    event.stopPropagation();
    editor.zoomAt(event.deltaY > 0 ? ZOOM : 1 / ZOOM, pixelOf(event), frameOf().frame);
    clearTimeout(zooming);
    zooming = setTimeout(() => editor.commit(), 300);
  });

  keys.addEventListener("keydown", (event) => {
    const action = keyAction(editor, event);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    if (editor.scene || action.always) action.act();
  });
}

/** Two fingers: apart is nearer, together along is a pan. */
function pinch(editor, before, after, frame) {
  if (before.length < 2) return;
  const spread = ([a, b]) => Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1);
  const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const [from, to] = [middle(before), middle(after)];
  editor.zoomAt(spread(before) / spread(after), from, frame);
  editor.pan(to.x - from.x, to.y - from.y, frame);
}

/** What a key does: `{act, always}`, or null. */
function keyAction(editor, event) {
  const written = (act) => ({
    act: () => {
      act();
      editor.commit();
    },
  });
  if (event.ctrlKey || event.metaKey) {
    const key = event.key.toLowerCase();
    if (key === "z" && !event.shiftKey) return { act: () => editor.undo(), always: true };
    if (key === "y" || key === "z") return { act: () => editor.redo(), always: true };
    return null;
  }
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (arrow && editor.active) return written(() => editor.nudge(arrow[0] * NUDGE, arrow[1] * NUDGE));
  if (arrow) return written(() => editor.orbit(arrow[0] * ORBIT, arrow[1] * ORBIT));
  switch (event.key) {
    case "h":
    case "H":
      return { act: () => editor.activateNext(event.key === "h" ? 1 : -1) };
    case "Escape":
      return editor.active ? { act: () => editor.select(editor.selected) } : null;
    case "t":
      return { act: () => editor.setTwisting(!editor.twisting) };
    case "p":
      return { act: () => editor.selectNext() };
    case "+":
      return written(() => editor.zoom(1 / ZOOM));
    case "-":
      return written(() => editor.zoom(ZOOM));
    case "q":
      return { act: () => editor.turn(-ORBIT) };
    case "e":
      return { act: () => editor.turn(ORBIT) };
    case "m":
      return { act: () => editor.mirror() };
    case "f":
      return { act: () => editor.fitView() };
    case "g":
      return { act: () => editor.ground() };
    case "a":
      return { act: () => editor.addPerson() };
    case "Delete":
    case "Backspace":
      return { act: () => editor.removePerson() };
    default:
      return null;
  }
}
