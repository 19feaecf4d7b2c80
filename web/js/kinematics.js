/**
 * Where the joints of a body are in a pose: `preprocessors/body/pose.py` once more, on the numbers of `body.json`.
 *
 * Axes: x to the person's left, −y to the front, z up; metres. A pose is `turns`, bend, side and twist of every joint
 * in degrees, `[J][3]`.
 */

import { add, apply, clamp, cross, degrees, dot, length, minus, product, radians, rotation, rotationVector, times } from "./linear.js";

/** Of the joints at rest, metres, `[J][3]`, for a shape by axis, −1…1. */
export function restJoints(body, shape) {
  const weights = shapeWeights(body, shape);
  const used = weights.flatMap((weight, term) => (weight ? [term] : []));
  return body.joints.map((joint, number) =>
    used.reduce((sum, term) => add(sum, times(body.jointChanges[term][number], weights[term])), joint),
  );
}

/** How much of every term's changes a shape has. */
export function shapeWeights(body, shape) {
  const values = body.axes.map((name) => clamp(shape[name] ?? 0, -1, 1));
  return body.terms.map((term) => term.reduce((all, axis) => all * values[axis], 1));
}

/** Turns of the joints by name, each a bend or `[bend, side, twist]`; the others stand at ease. All within limits. */
export function turnsOf(body, named) {
  const all = { ...body.standing, ...named };
  return body.names.map((name, joint) => {
    const turn = all[name] ?? [0, 0, 0];
    return clamped(body, joint, Array.isArray(turn) ? turn : [turn, 0, 0]);
  });
}

/** One joint's turn within what it can do. */
export const clamped = (body, joint, turn) =>
  turn.map((value, axis) => clamp(value, body.limits[joint][axis][0], body.limits[joint][axis][1]));

/** A joint's rotation in the body's axes at rest. */
export function jointRotation(body, joint, turn) {
  const axes = body.turning[joint];
  return rotation([0, 1, 2].map((axis) => turn.reduce((sum, value, own) => sum + radians(value) * axes[own][axis], 0)));
}

/**
 * What a joint turns about, radians, as bend, side and twist each grow by a degree: SO(3)'s left Jacobian on its axes.
 *
 * @returns three vectors in the axes of the joint's parent.
 */
export function turningAxes(body, joint, turn) {
  const axes = body.turning[joint];
  const vector = [0, 1, 2].map((axis) => turn.reduce((sum, value, own) => sum + radians(value) * axes[own][axis], 0));
  const angle = length(vector);
  const first = angle < 1e-4 ? 0.5 : (1 - Math.cos(angle)) / angle ** 2;
  const second = angle < 1e-4 ? 1 / 6 : (angle - Math.sin(angle)) / angle ** 3;
  return axes.map((axis) => {
    const once = cross(vector, axis);
    const all = add(add(axis, times(once, first)), times(cross(vector, once), second));
    return times(all, radians(1));
  });
}

/** The turn of a joint's rotation, degrees. */
export function turnOfRotation(body, joint, matrix) {
  const vector = rotationVector(matrix);
  return body.turning[joint].map((axis) => degrees(dot(axis, vector)));
}

/**
 * A figure's joints in the world.
 *
 * @param figure `{rest, turns, hips, turn}`: joints at rest, turns, where the hips' joint is, and the whole body's turn
 *   about the vertical, degrees.
 * @param last a joint, where that and those it hangs on are enough; the others are left out.
 * @returns `{joints, rotations}`: places `[J][3]` and rotations from rest `[J][9]`.
 */
export function posed(body, figure, last = null) {
  const joints = [];
  const rotations = [];
  const chain = new Set();
  for (let at = last ?? -1; at >= 0; at = body.parents[at]) chain.add(at);
  const whole = rotation([0, 0, radians(figure.turn)]);
  body.parents.forEach((parent, joint) => {
    if (last !== null && !chain.has(joint)) return;
    const own = jointRotation(body, joint, figure.turns[joint]);
    if (parent < 0) {
      joints[joint] = figure.hips;
      rotations[joint] = product(whole, own);
      return;
    }
    const bone = minus(figure.rest[joint], figure.rest[parent]);
    joints[joint] = add(joints[parent], apply(rotations[parent], bone));
    rotations[joint] = product(rotations[parent], own);
  });
  return { joints, rotations };
}

/** What turns a joint's parent from rest, so that the joint's own turn comes after it. */
export const parentRotation = (body, figure, pose, joint) =>
  joint ? pose.rotations[body.parents[joint]] : rotation([0, 0, radians(figure.turn)]);

/** A place `offset` from a joint at rest, carried along by it. */
export const carried = (pose, joint, offset) => add(pose.joints[joint], apply(pose.rotations[joint], offset));

/** The same of a figure, by the joints above alone: for those who move few and ask often. */
export function placeOf(body, figure, joint, offset) {
  let place = offset;
  for (let at = joint; at >= 0; at = body.parents[at]) {
    place = apply(jointRotation(body, at, figure.turns[at]), place);
    if (at) place = add(minus(figure.rest[at], figure.rest[body.parents[at]]), place);
  }
  return add(figure.hips, apply(rotation([0, 0, radians(figure.turn)]), place));
}

/** Turns of the pose in the body's own mirror: the same numbers on the other side are the same gesture. */
export function mirrored(body, turns) {
  return body.names.map((name, joint) => {
    const other = name.startsWith("left ") ? `right ${name.slice(5)}` : name.startsWith("right ") ? `left ${name.slice(6)}` : null;
    if (other) return [...turns[body.names.indexOf(other)]];
    const [bend, side, twist] = turns[joint];
    return [bend, -side || 0, -twist || 0];
  });
}

