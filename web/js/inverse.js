/**
 * Inverse kinematics: turns that bring a place of the body where a hand drags it, within the joints' limits.
 *
 * A limb's two bones are solved in closed form; where a limit stands in the way, and for chains of more joints, damped
 * least squares over bend, side and twist (Wampler 1986) go on from there.
 */

import { apply, clamp, cross, dot, inverse, length, minus, product, swing } from "./linear.js";
import { carried, clamped, jointRotation, parentRotation, placeOf, posed, turnOfRotation, turningAxes } from "./kinematics.js";

const STEPS = 40;
const NEAR_ENOUGH = 0.001;
const WORTH_A_STEP = 0.0002;
/** How much a step of one degree costs beside a metre of error. */
const DAMPING = 2e-5;

/**
 * Bring a limb's end to a target.
 *
 * @param limb `{upper, lower, end}`: numbers of its joints (shoulder, elbow, wrist).
 * @param target metres, `[3]`.
 * @returns the figure with other turns; as near as limits allow where it is out of reach.
 */
export function reachLimb(body, figure, limb, target) {
  const facing = posed(body, figure, limb.end).rotations[limb.end];
  let changed = bentTo(body, figure, limb, target);
  const before = posed(body, changed, limb.end);
  const shoulder = before.joints[limb.upper];
  const turning = swing(minus(before.joints[limb.end], shoulder), minus(target, shoulder));
  const world = product(turning, before.rotations[limb.upper]);
  changed = withRotation(body, changed, limb.upper, world);
  changed = reach(body, changed, [limb.upper, limb.lower], { joint: limb.end, offset: [0, 0, 0] }, target);
  return limb.keepsFacing ? withRotation(body, changed, limb.end, facing) : changed;
}

/**
 * Bring a place to a target by all turns of some joints.
 *
 * @param joints numbers of the joints that may turn.
 * @param place `{joint, offset}`: what is brought, metres from a joint at rest.
 */
export function reach(body, figure, joints, place, target) {
  const free = joints.flatMap((joint) =>
    [0, 1, 2].filter((axis) => body.limits[joint][axis][1] > body.limits[joint][axis][0]).map((axis) => [joint, axis]),
  );
  const at = (tried) => placeOf(body, tried, place.joint, place.offset);
  let best = figure;
  let error = minus(target, at(best));
  for (let step = 0; step < STEPS && length(error) > NEAR_ENOUGH; step++) {
    const columns = jacobian(body, best, free, place);
    const first = dampedLeastSquares(columns, error);
    // What would turn beyond its limit stays there, and the others do its share.
    const stuck = free.map(([joint, axis], number) => {
      const [low, high] = body.limits[joint][axis];
      const turn = best.turns[joint][axis];
      return first[number] < 0 ? turn <= low : turn >= high;
    });
    const able = columns.map((column, number) => (stuck[number] ? [0, 0, 0] : column));
    const moves = stuck.includes(true) ? dampedLeastSquares(able, error) : first;
    const tried = { ...best, turns: best.turns.map((turn) => [...turn]) };
    free.forEach(([joint, axis], number) => (tried.turns[joint][axis] += clamp(moves[number], -20, 20)));
    for (const joint of joints) tried.turns[joint] = clamped(body, joint, tried.turns[joint]);
    const left = minus(target, at(tried));
    if (length(left) > length(error) - WORTH_A_STEP) break;
    [best, error] = [tried, left];
  }
  return best;
}

/** The figure with a joint rotated so in the world, as far as its limits allow. */
export function withRotation(body, figure, joint, world) {
  const parent = parentRotation(body, figure, posed(body, figure, joint), joint);
  const turns = [...figure.turns];
  turns[joint] = clamped(body, joint, turnOfRotation(body, joint, product(inverse(parent), world)));
  return { ...figure, turns };
}

/** The limb bent so that its end is as far from its beginning as the target is. */
function bentTo(body, figure, limb, target) {
  const { upper, lower, end } = limb;
  const wanted = length(minus(target, posed(body, figure, upper).joints[upper]));
  const first = minus(figure.rest[lower], figure.rest[upper]);
  const second = endOfLower(body, figure, limb);
  const [, side, twist] = figure.turns[lower];
  const long = (bend) => {
    const bent = apply(jointRotation(body, lower, [bend, side, twist]), second);
    return Math.hypot(first[0] + bent[0], first[1] + bent[1], first[2] + bent[2]);
  };
  let [straight, folded] = body.limits[lower][0];
  // An elbow that is at rest somewhat bent is straight where its end is farthest off, not at the limit.
  for (let bend = straight; bend < folded; bend++) if (long(bend) > long(straight)) straight = bend;
  for (let halving = 0; halving < 30; halving++) {
    const middle = (straight + folded) / 2;
    if (long(middle) > wanted) straight = middle;
    else folded = middle;
  }
  const turns = [...figure.turns];
  turns[lower] = [straight, side, twist];
  return { ...figure, turns };
}

/** From the lower joint to the end at the lower joint's rest, whatever turns lie between (a forearm's twist). */
function endOfLower(body, figure, { lower, end }) {
  const pose = posed(body, figure, end);
  return apply(inverse(pose.rotations[lower]), minus(pose.joints[end], pose.joints[lower]));
}

/** Metres that a place moves with a degree of each free turn. */
function jacobian(body, figure, free, place) {
  const pose = posed(body, figure, place.joint);
  const now = carried(pose, place.joint, place.offset);
  const axes = new Map();
  return free.map(([joint, axis]) => {
    if (!axes.has(joint)) axes.set(joint, turningAxes(body, joint, figure.turns[joint]));
    const world = apply(parentRotation(body, figure, pose, joint), axes.get(joint)[axis]);
    return cross(world, minus(now, pose.joints[joint]));
  });
}

/** Jᵀ (J Jᵀ + λ I)⁻¹ error, for the columns of J. */
function dampedLeastSquares(columns, error) {
  const entry = (a, b) => columns.reduce((sum, column) => sum + column[a] * column[b], 0) + (a === b ? DAMPING : 0);
  const [a, b, c, d, e, f] = [entry(0, 0), entry(0, 1), entry(0, 2), entry(1, 1), entry(1, 2), entry(2, 2)];
  const adjugate = [
    [d * f - e * e, c * e - b * f, b * e - c * d],
    [c * e - b * f, a * f - c * c, b * c - a * e],
    [b * e - c * d, b * c - a * e, a * d - b * b],
  ];
  const determinant = a * adjugate[0][0] + b * adjugate[0][1] + c * adjugate[0][2];
  const solved = adjugate.map((row) => dot(row, error) / determinant);
  return columns.map((column) => dot(column, solved));
}
