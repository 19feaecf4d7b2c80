/**
 * What can be dragged of a person, and what dragging it does.
 */

import { carried, posed } from "./kinematics.js";
import { reach, reachLimb } from "./inverse.js";

const SIDES = ["left", "right"];
const TRUNK = ["abdomen", "waist", "chest", "upper chest", "neck", "head"];
/** The crown, from the head's joint at rest: a handle there leaves the face to be seen. */
const CROWN = [0, 0.02, 0.158];

/** Names of the handles, in the order of the keyboard. */
export const HANDLES = [
  "head",
  ...SIDES.flatMap((side) => [`${side} hand`, `${side} elbow`]),
  "hips",
  ...SIDES.flatMap((side) => [`${side} knee`, `${side} foot`]),
  "place",
];

/** Where the handles of a posed person are: `{name: [3]}`. "place" is on the floor below the hips. */
export function handlePlaces(body, figure) {
  const pose = posed(body, figure);
  const at = (name) => pose.joints[body.names.indexOf(name)];
  const places = { head: carried(pose, body.names.indexOf("head"), CROWN), hips: at("hips") };
  for (const side of SIDES) {
    places[`${side} hand`] = at(`${side} wrist`);
    places[`${side} elbow`] = at(`${side} elbow`);
    places[`${side} knee`] = at(`${side} knee`);
    places[`${side} foot`] = at(`${side} ankle`);
  }
  places.place = [figure.hips[0], figure.hips[1], 0];
  return places;
}

/** The person with a handle brought to a target, metres, as near as limits allow. */
export function dragged(body, figure, handle, target) {
  const number = (name) => body.names.indexOf(name);
  const [side, part] = handle.split(" ");
  if (handle === "place") return { ...figure, hips: [target[0], target[1], figure.hips[2]] };
  if (handle === "hips") return hipsAt(body, figure, target);
  if (handle === "head") return reach(body, figure, TRUNK.map(number), { joint: number("head"), offset: CROWN }, target);
  if (part === "hand") return reachLimb(body, figure, arm(body, side), target);
  if (part === "foot") return reachLimb(body, figure, leg(body, side), target);
  const [upper, place] = part === "elbow" ? ["shoulder", "elbow"] : ["hip", "knee"];
  return reach(body, figure, [number(`${side} ${upper}`)], { joint: number(`${side} ${place}`), offset: [0, 0, 0] }, target);
}

/** Hips go where they are dragged, feet stay where they stand. */
function hipsAt(body, figure, target) {
  const before = posed(body, figure);
  return SIDES.reduce(
    (moved, side) => {
      const limb = leg(body, side);
      return reachLimb(body, moved, limb, before.joints[limb.end]);
    },
    { ...figure, hips: target },
  );
}

const limb = (body, side, names) => names.map((name) => body.names.indexOf(`${side} ${name}`));

function arm(body, side) {
  const [upper, lower, end] = limb(body, side, ["shoulder", "elbow", "wrist"]);
  return { upper, lower, end };
}

function leg(body, side) {
  const [upper, lower, end] = limb(body, side, ["hip", "knee", "ankle"]);
  return { upper, lower, end, keepsFacing: true };
}
