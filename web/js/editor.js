/**
 * What an editor does to a scene: one method an action, without a page.
 *
 * The text is the state; every action ends in a new one, given to `host.write`. While something is dragged, only the
 * picture changes.
 */

import { add, apply, clamp, inverse } from "./linear.js";
import { looking, placeAt, projected } from "./camera.js";
import { dragged, HANDLES, handlePlaces } from "./handles.js";
import { History } from "./history.js";
import { mirrored, turnsOf } from "./kinematics.js";
import { HANDS } from "./presets.js";
import { dressed, framedOn, grounded, read, SceneError, standing, write } from "./scene.js";
import { twisted } from "./twists.js";

const APART = 0.7;

export class Editor {
  scene = null;
  selected = 0;
  /** The handle that arrow keys move. */
  active = null;
  /** The handle that the mouse is over. */
  hovered = null;
  /** Whether what is dragged turns where it is, instead of being moved. */
  twisting = false;
  /** Why the text cannot be shown; empty where it is. */
  said = "";
  /** The text of the last run's people, where they came along a link; null where there is none. */
  result = null;
  /** Whether what is seen is that text, and not the node's. */
  #previewing = false;
  #host;
  #history;

  /**
   * @param body `body.json`.
   * @param host `{size(), write(text), changed()}`: width and height of the node's picture, where texts go, and what is
   *   called when the picture is another.
   */
  constructor(body, host, text) {
    this.body = body;
    this.#host = host;
    this.open(text);
  }

  /** Begin anew with a text, as a graph is opened. */
  open(text) {
    this.#history = new History(text);
    this.result = null;
    this.#show(text);
  }

  /** Take a text that was written elsewhere; that can be undone. */
  take(text) {
    if (text === this.#history.now) return;
    this.#history.push(text);
    this.#show(text);
  }

  /** The picture has another size: a camera that places itself is placed anew. */
  resized() {
    this.#show(this.#previewing ? this.result : this.#history.now, this.#previewing);
  }

  /**
   * What a run has made of links.
   *
   * @param result its people's text, or null where none of it came along a link.
   * @param shown whether that is seen instead of the node's text, until something is changed.
   */
  ran(result, shown) {
    this.result = result;
    if (shown || this.#previewing) this.#show(shown ? result : this.#history.now, shown);
    else this.#host.changed();
  }

  /** See the node's own text again. */
  unpreview() {
    if (this.#previewing) this.#show(this.#history.now);
    else this.#host.changed();
  }

  /** Make the last run's people the node's text, to go on from. */
  takeResult() {
    if (this.result !== null) this.#goTo(this.result, true);
  }

  /** Whether the node's text is the last run's. */
  get taken() {
    return this.result !== null && this.#history.now === this.result;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  get person() {
    return this.scene?.people[this.selected];
  }

  undo() {
    this.#goTo(this.#history.undo());
  }

  redo() {
    this.#goTo(this.#history.redo());
  }

  /** One person who stands, seen from the front. */
  reset() {
    this.#goTo("", true);
  }

  /** What was dragged stays so. */
  commit() {
    if (!this.scene) return;
    const text = write(this.body, this.scene);
    this.#previewing = false;
    this.#history.push(text);
    this.#host.write(text);
    this.#host.changed();
  }

  select(person) {
    this.selected = clamp(person, 0, Math.max(this.scene.people.length - 1, 0));
    this.active = null;
    this.#host.changed();
  }

  selectNext() {
    this.select((this.selected + 1) % Math.max(this.scene.people.length, 1));
  }

  /** The next handle of the keyboard's, or the one before. */
  activateNext(by = 1) {
    const place = HANDLES.indexOf(this.active);
    this.active = HANDLES[(place + by + HANDLES.length + (place < 0 && by < 0 ? 1 : 0)) % HANDLES.length];
    this.#host.changed();
  }

  /** Someone else, beside whoever is farthest right. False where there are as many as are drawn. */
  addPerson() {
    const { people, camera } = this.scene;
    if (people.length >= this.body.mostPeople) return false;
    const x = people.length ? Math.max(...people.map(({ hips }) => hips[0])) + APART : 0;
    const more = [...people, standing(this.body, x, people.at(-1)?.hips[1] ?? 0)];
    this.scene = { people: more, camera: framedOn(this.body, camera, more, this.#host.size()) };
    this.selected = more.length - 1;
    this.commit();
    return true;
  }

  removePerson() {
    const people = this.scene.people.filter((_, person) => person !== this.selected);
    this.scene = { ...this.scene, people };
    this.selected = clamp(this.selected, 0, Math.max(people.length - 1, 0));
    this.active = null;
    this.commit();
  }

  mirror() {
    this.#change((figure) => ({ ...figure, turns: mirrored(this.body, figure.turns) }));
  }

  /** A pose of the library; fingers that it does not name stay as they are, and so does where the person turns. */
  pose({ joints, turn }) {
    this.#change((figure) => {
      const turns = turnsOf(this.body, joints);
      const fingers = /thumb|finger/;
      this.body.names.forEach((joint, number) => {
        if (fingers.test(joint) && !(joint in joints)) turns[number] = figure.turns[number];
      });
      return grounded(this.body, { ...figure, turns, turn: turn ?? figure.turn });
    });
  }

  /** A gesture of `presets.js` of the left or right hand, or both. */
  hand(name, sides = ["left", "right"]) {
    this.#change((figure) => {
      const turns = [...figure.turns];
      for (const side of sides) {
        const named = Object.fromEntries(Object.entries(HANDS[name]).map(([joint, bend]) => [`${side} ${joint}`, bend]));
        const shown = turnsOf(this.body, named);
        for (const joint of Object.keys(named)) turns[this.body.names.indexOf(joint)] = shown[this.body.names.indexOf(joint)];
      }
      return { ...figure, turns };
    });
  }

  /** Wear a cut of a slot, or a `dress` or none; the pose and the hips' place stay. */
  wear(slot, cut) {
    this.#change((figure) => dressed(this.body, figure, { clothes: { ...figure.clothes, [slot]: cut } }));
  }

  /** Turn the person about the vertical, degrees to their left. */
  turn(by) {
    this.#change((figure) => ({ ...figure, turn: ((figure.turn + by + 540) % 360) - 180 }));
  }

  /** Put the person on the floor. */
  ground() {
    this.#change((figure) => grounded(this.body, figure));
  }

  fitView() {
    this.scene = { ...this.scene, camera: framedOn(this.body, this.scene.camera, this.scene.people, this.#host.size()) };
    this.commit();
  }

  // While something is dragged: nothing is written until commit().

  /** Turn the camera about what it looks at, degrees. */
  orbit(yaw, pitch) {
    const { camera } = this.scene;
    const turned = { yaw: ((camera.yaw + yaw + 540) % 360) - 180, pitch: clamp(camera.pitch + pitch, -89, 89) };
    this.#look(turned);
  }

  /** Nearer or farther by a factor. */
  zoom(factor) {
    this.#look({ height: clamp(this.scene.camera.height * factor, 0.1, this.body.farthest) });
  }

  /** The same, while what is seen at a pixel of the frame stays there. */
  zoomAt(factor, pixel, frame) {
    const before = this.scene.camera.height;
    this.zoom(factor);
    const nearer = before / this.scene.camera.height;
    this.pan((pixel.x - frame.width / 2) * (1 - nearer), (pixel.y - frame.height / 2) * (1 - nearer), frame);
  }

  /** Move what is seen by so many of a frame's pixels. */
  pan(right, down, frame) {
    const { camera } = this.scene;
    const metre = camera.height / frame.height;
    const moved = apply(inverse(looking(camera)), [-right * metre, 0, down * metre]);
    const { farthest } = this.body;
    this.#look({ centre: add(camera.centre, moved).map((value) => clamp(value, -farthest, farthest)) });
  }

  /** Bring a handle of a figure, as it was when the drag began, to a pixel of the frame. */
  drag(handle, pixel, frame, figure) {
    const { camera } = this.scene;
    const turned = looking(camera);
    const place = handlePlaces(this.body, figure)[handle];
    const target = handle === "place" ? this.#onFloor(place, pixel, frame) : placeAt(camera, turned, frame, pixel, place);
    this.#put(dragged(this.body, figure, handle, target));
  }

  /** A person's shape along an axis, −1…1; the pose and the hips' place stay. */
  reshape(axis, value) {
    const { person } = this;
    if (person) this.#put(dressed(this.body, person, { shape: { ...person.shape, [axis]: value } }));
  }

  /** Turn what a handle is of, as it was when the drag began, by degrees to the right and down. */
  twist(handle, right, down, figure) {
    this.#put(twisted(this.body, figure, handle, right, down));
  }

  setTwisting(on) {
    this.twisting = on;
    this.#host.changed();
  }

  hover(handle) {
    if (handle === this.hovered) return;
    this.hovered = handle;
    this.#host.changed();
  }

  /** Move the active handle by metres to the right of the picture and up. */
  nudge(right, up) {
    if (!this.active || !this.person) return;
    const turned = looking(this.scene.camera);
    const place = handlePlaces(this.body, this.person)[this.active];
    const seen = this.active === "place" ? this.#acrossFloor(right, up) : apply(inverse(turned), [right, 0, up]);
    this.#put(dragged(this.body, this.person, this.active, add(place, seen)));
  }

  /** Handles of the selected person in the frame: `{name: {x, y}}`. */
  handles(frame) {
    if (!this.person) return {};
    const turned = looking(this.scene.camera);
    const places = Object.entries(handlePlaces(this.body, this.person));
    return Object.fromEntries(places.map(([name, place]) => [name, projected(this.scene.camera, turned, frame, place)]));
  }

  /** Up in the picture is away: seen from the front, the floor is a line that no pixel tells more of. */
  #onFloor(place, pixel, frame) {
    const at = projected(this.scene.camera, looking(this.scene.camera), frame, place);
    return add(place, this.#acrossFloor((pixel.x - at.x) / at.scale, (at.y - pixel.y) / at.scale));
  }

  #acrossFloor(right, away) {
    const [x, y] = apply(inverse(looking({ ...this.scene.camera, pitch: 0, roll: 0 })), [right, away, 0]);
    return [x, y, 0];
  }

  #look(changes) {
    this.scene = { ...this.scene, camera: { ...this.scene.camera, ...changes } };
    this.#host.changed();
  }

  #put(figure) {
    const { farthest } = this.body;
    const hips = figure.hips.map((value) => clamp(value, -farthest, farthest));
    const people = this.scene.people.map((other, person) => (person === this.selected ? { ...figure, hips } : other));
    this.scene = { ...this.scene, people };
    this.#host.changed();
  }

  #change(made) {
    if (!this.person) return;
    this.#put(made(this.person));
    this.commit();
  }

  #goTo(text, further = false) {
    if (further) this.#history.push(text);
    this.#host.write(text);
    this.#show(text);
  }

  #show(text, previewing = false) {
    this.#previewing = previewing;
    try {
      this.scene = read(this.body, text, this.#host.size());
      this.said = "";
    } catch (error) {
      if (!(error instanceof SceneError)) throw error;
      this.scene = null;
      this.said = error.message;
    }
    this.selected = clamp(this.selected, 0, Math.max((this.scene?.people.length ?? 1) - 1, 0));
    this.#host.changed();
  }
}
