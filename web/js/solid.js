/**
 * The mannequin as it is drawn: capsules between places of the body, of two radii each, metres. It says nothing of the
 * picture that the node makes; it has the body's proportions roughly.
 */

import { add, between, length, minus, times } from "./linear.js";
import { carried } from "./kinematics.js";

/** Joint, offset from it at rest, radius; twice. The third of a group is its part, which has a colour. */
const TRUNK = [
  [["left hip", [-0.01, 0, 0.02], 0.1], ["right hip", [0.01, 0, 0.02], 0.1], "trunk"],
  [["hips", [0.06, -0.07, 0.0], 0.105], ["waist", [0.05, -0.06, 0.02], 0.095], "trunk"],
  [["hips", [-0.06, -0.07, 0.0], 0.105], ["waist", [-0.05, -0.06, 0.02], 0.095], "trunk"],
  [["waist", [0.05, -0.06, 0.02], 0.095], ["upper chest", [0.075, -0.045, -0.02], 0.105], "trunk"],
  [["waist", [-0.05, -0.06, 0.02], 0.095], ["upper chest", [-0.075, -0.045, -0.02], 0.105], "trunk"],
  [["upper chest", [0.075, -0.045, -0.02], 0.105], ["left shoulder", [-0.035, 0, -0.005], 0.055], "trunk"],
  [["upper chest", [-0.075, -0.045, -0.02], 0.105], ["right shoulder", [0.035, 0, -0.005], 0.055], "trunk"],
  [["left collar", [0.03, 0, 0], 0.05], ["left shoulder", [-0.01, 0, 0], 0.055], "trunk"],
  [["right collar", [-0.03, 0, 0], 0.05], ["right shoulder", [0.01, 0, 0], 0.055], "trunk"],
  [["neck", [0, 0, -0.02], 0.056], ["head", [0, 0, 0], 0.05], "head"],
  [["head", [0, -0.005, 0.06], 0.092], ["head", [0, -0.05, -0.015], 0.058], "head"],
  [["head", [0, -0.112, 0.03], 0.01], ["head", [0, -0.122, 0.008], 0.013], "nose"],
];
const LIMBS = [
  ["shoulder", 0.055, "elbow", 0.041, "arm"],
  ["elbow", 0.041, "forearm", 0.038, "arm"],
  ["forearm", 0.038, "wrist", 0.027, "arm"],
  ["wrist", 0.024, "index finger 1", 0.015, "hand"],
  ["wrist", 0.024, "middle finger 1", 0.015, "hand"],
  ["wrist", 0.024, "ring finger 1", 0.015, "hand"],
  ["wrist", 0.024, "little finger 1", 0.014, "hand"],
  ["wrist", 0.02, "thumb 1", 0.017, "hand"],
  ["thumb 1", 0.016, "thumb 2", 0.013, "hand"],
  ["thumb 2", 0.013, "thumb 3", 0.011, "hand"],
  ["hip", 0.092, "knee", 0.058, "leg"],
  ["knee", 0.058, "ankle", 0.038, "leg"],
  ["ankle", 0.042, "toes", 0.03, "foot"],
];
const FINGERS = ["index finger", "middle finger", "ring finger", "little finger"];
/** Offsets of the left side's ends; x is the other way on the right. */
const ENDS = [
  ["ankle", [0.004, 0.015, -0.04], 0.042, "toes", [0, -0.02, 0.002], 0.032, "foot"],
  ["toes", [0, -0.02, 0.002], 0.032, "toes", [-0.01, -0.05, -0.004], 0.024, "foot"],
];

function sided(side) {
  const named = (joint, offset, radius) => [`${side} ${joint}`, offset, radius];
  const none = [0, 0, 0];
  const capsules = LIMBS.map(([a, first, b, second, part]) => [named(a, none, first), named(b, none, second), `${side} ${part}`]);
  for (const finger of FINGERS)
    for (const bone of [1, 2])
      capsules.push([named(`${finger} ${bone}`, none, 0.0115 - bone * 0.001), named(`${finger} ${bone + 1}`, none, 0.0095), `${side} hand`]);
  const flip = (offset) => (side === "left" ? offset : [-offset[0], offset[1], offset[2]]);
  for (const [a, at, first, b, end, second, part] of ENDS)
    capsules.push([named(a, flip(at), first), named(b, flip(end), second), `${side} ${part}`]);
  return capsules;
}

const CAPSULES = [...TRUNK, ...sided("left"), ...sided("right")];
const TIPS = ["left", "right"].flatMap((side) => ["thumb", ...FINGERS].map((finger) => `${side} ${finger}`));

/**
 * The capsules of a posed body.
 *
 * @returns `[{from, to, radii, part}]`: places, two radii, what it belongs to.
 */
export function capsules(body, figure, pose) {
  const number = (name) => body.names.indexOf(name);
  const drawn = CAPSULES.map(([[a, at, first], [b, end, second], part]) => ({
    from: carried(pose, number(a), at),
    to: carried(pose, number(b), end),
    radii: [first, second],
    part,
  }));
  for (const finger of TIPS) {
    const [before, last] = [number(`${finger} 2`), number(`${finger} 3`)];
    const tip = times(minus(figure.rest[last], figure.rest[before]), 0.85);
    const part = `${finger.split(" ")[0]} hand`;
    drawn.push({ from: pose.joints[last], to: carried(pose, last, tip), radii: [0.0095, 0.007], part });
  }
  return drawn;
}

/** Balls that are the ends of capsules: `[{place, radius}]`. */
export const balls = (drawn) =>
  drawn.flatMap(({ from, to, radii }) => [
    { place: from, radius: radii[0] },
    { place: to, radius: radii[1] },
  ]);

/** Height of the lowest place of capsules. */
export const lowest = (drawn) => Math.min(...balls(drawn).map(({ place, radius }) => place[2] - radius));

/** Capsules cut so short that whichever's middle is farther is behind; a long one may cross another. */
export function pieces(drawn, longest = 0.06) {
  return drawn.flatMap(({ from, to, radii, part }) => {
    const count = Math.max(1, Math.ceil(length(minus(to, from)) / longest));
    return Array.from({ length: count }, (_, piece) => {
      const [first, second] = [piece / count, (piece + 1) / count];
      const radius = (share) => radii[0] * (1 - share) + radii[1] * share;
      const [start, end] = [between(from, to, first), between(from, to, second)];
      return { from: start, to: end, middle: times(add(start, end), 0.5), radius: radius((first + second) / 2), part };
    });
  });
}
