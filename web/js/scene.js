/**
 * The scene that the node's text says, for the editor: `preprocessors/body/scene.py` is what holds, and documents it.
 *
 * A scene is `{people: [figure], camera}`; a figure has `shape` and `clothes` as in the JSON, `rest`, `turns`, `hips`
 * and `turn` as in `kinematics.js`, `bare` and `surface` (with clothes on) as in `surface.js`, and `own`, `{mesh, surface}` of
 * what is worn and has a mesh of its own. Scenes are never changed, only replaced.
 */

import { DISTANCE, framed } from "./camera.js";
import { posed, restJoints, shapeWeights, turnsOf } from "./kinematics.js";
import { bareSurface, dressedSurface, garmentsWorn, skinned } from "./surface.js";

/** Metres that soles may be under the floor. */
const UNDER = 0.01;

/** What a text says that the editor cannot show; the node says more of it when it runs. */
export class SceneError extends Error {}

/** The scene of a text; an empty one is one person who stands. */
export function read(body, text, size) {
  let said;
  try {
    said = text.trim() ? JSON.parse(text) : {};
  } catch (error) {
    throw new SceneError(`The text is no JSON: ${error.message}`);
  }
  if (!isObject(said)) throw new SceneError("The text is no object of people and a camera.");
  if ((said.version ?? body.version) !== body.version)
    throw new SceneError(`The text is of version ${said.version}; this editor reads version ${body.version}.`);
  const people = said.people ?? [{}];
  if (!Array.isArray(people) || !people.every(isObject)) throw new SceneError('"people" is no list of people.');
  if (people.length > body.mostPeople) throw new SceneError(`There are ${people.length} people; up to ${body.mostPeople} are drawn.`);
  const figures = people.map((person) => figureOf(body, person));
  return { people: figures, camera: cameraOf(body, said.camera ?? {}, figures, size) };
}

/** The text of a scene: to a hundredth of a degree and a tenth of a millimetre. */
export function write(body, scene) {
  const people = scene.people.map(({ shape, clothes, turns, hips, turn }) => {
    const usual = turnsOf(body, {});
    const joints = {};
    body.names.forEach((name, joint) => {
      if (turns[joint].some((value, axis) => Math.abs(value - usual[joint][axis]) > 0.005))
        joints[name] = turns[joint].map((value) => rounded(value, 2));
    });
    const person = { joints, position: hips.map((value) => rounded(value, 4)), turn: rounded(turn, 2) };
    const unusual = { shape: but(shape, ([, value]) => value), clothes: but(clothes, isUnusual(body)) };
    for (const [name, named] of Object.entries(unusual)) if (Object.keys(named).length) person[name] = named;
    return person;
  });
  const { yaw, pitch, roll, distance, centre, height } = scene.camera;
  const camera = { distance: rounded(distance, 4), centre: centre.map((value) => rounded(value, 4)), height: rounded(height, 4) };
  for (const [name, value] of Object.entries({ yaw, pitch, roll })) if (rounded(value, 2)) camera[name] = rounded(value, 2);
  return JSON.stringify({ version: body.version, people, camera });
}

const but = (named, kept) => Object.fromEntries(Object.entries(named).filter(kept));
const isUnusual = (body) => ([slot, cut]) => cut !== (slot === "dress" ? false : body.mesh.outfit[slot]);

/** Someone who stands there. */
export const standing = (body, x = 0, y = 0) => figureOf(body, { position: [x, y] });

/** The figure with its lowest place on the floor, or so far above it. */
export function grounded(body, figure, lift = 0) {
  const places = skinned(body.mesh, figure.bare, figure.rest, posed(body, figure));
  const under = places.reduce((low, value, at) => (at % 3 === 2 ? Math.min(low, value) : low), Infinity);
  const [x, y, z] = figure.hips;
  return { ...figure, hips: [x, y, z + lift - under] };
}

/**
 * A node's text with its people and camera moved up alike, where somebody is under the floor: a photo does not say where
 * its floor is, and who is fitted to one is about its middle.
 */
export function onFloor(text) {
  const scene = JSON.parse(text);
  const under = Math.min(...scene.people.map(({ lift }) => lift));
  if (!(under < -UNDER) || !Number.isFinite(under) || !scene.camera?.centre) return text;
  const people = scene.people.map((person) => ({ ...person, lift: rounded(person.lift - under, 4) }));
  const [x, y, z] = scene.camera.centre;
  return JSON.stringify({ ...scene, people, camera: { ...scene.camera, centre: [x, y, rounded(z - under, 4)] } });
}

/** The camera moved so that everybody fills the picture. */
export const framedOn = (body, camera, people, size) =>
  framed(camera, size, people.map((figure) => skinned(body.mesh, figure.surface, figure.rest, posed(body, figure))));

/** The figure with another shape or other clothes, as in the JSON; pose and hips stay. */
export function dressed(body, figure, { shape = figure.shape, clothes = figure.clothes }) {
  const { mesh } = body;
  const weights = shapeWeights(body, shape);
  const bare = bareSurface(mesh, weights);
  const worn = garmentsWorn(mesh, clothes);
  const own = mesh.own.filter(({ garment }) => worn.includes(garment));
  return {
    ...figure,
    shape,
    clothes,
    rest: restJoints(body, shape),
    bare,
    surface: dressedSurface(mesh, bare, clothes),
    own: own.map((one) => ({ mesh: one, surface: bareSurface(one, weights) })),
  };
}

function figureOf(body, person) {
  const shape = isObject(person.shape) ? person.shape : {};
  const joints = isObject(person.joints) ? person.joints : {};
  const unknown = Object.keys(joints).find((name) => !body.names.includes(name));
  if (unknown) throw new SceneError(`'${unknown}' is no joint of the mannequin.`);
  for (const [name, turn] of Object.entries(joints))
    if (!(Number.isFinite(turn) || numbers(turn, 3))) throw new SceneError(`${name} is no number and no three of them.`);
  const position = person.position ?? [0, 0];
  if (!numbers(position, 2) && !numbers(position, 3)) throw new SceneError("A position is no two or three numbers.");
  const [x, y, up] = position;
  const clothes = isObject(person.clothes) ? person.clothes : {};
  const standing = { turns: turnsOf(body, joints), hips: [x, y, up ?? body.hips], turn: number(person.turn, 0) };
  const figure = dressed(body, standing, { shape, clothes });
  return up === undefined ? grounded(body, figure, number(person.lift, 0)) : figure;
}

function cameraOf(body, said, people, size) {
  if (!isObject(said)) throw new SceneError('"camera" is no object.');
  const angles = { yaw: number(said.yaw, 0), pitch: number(said.pitch, 0), roll: number(said.roll, 0) };
  const camera = { ...angles, distance: number(said.distance, DISTANCE) };
  if (said.centre == null) return framedOn(body, camera, people, size);
  if (!numbers(said.centre, 3)) throw new SceneError("The camera's centre is no three numbers.");
  return { ...camera, centre: said.centre, height: number(said.height, 2) };
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const numbers = (value, count) => Array.isArray(value) && value.length === count && value.every(Number.isFinite);

function number(value, usual) {
  if (value === undefined) return usual;
  if (!Number.isFinite(value)) throw new SceneError(`${JSON.stringify(value)} is no number.`);
  return value;
}

function rounded(value, digits) {
  const result = Number(value.toFixed(digits));
  return result === 0 ? 0 : result;
}
