/**
 * What is turned where it is: a head that looks aside, a hand or a foot about its limb, the whole person.
 */

import { clamped } from "./kinematics.js";

const [BEND, TWIST] = [0, 2];
/** Joint, its turn, and its share of the degrees, by what a handle is of; `across` is to the right, `down` downwards. */
const TURNS = {
  head: { across: [["neck", TWIST, 0.4], ["head", TWIST, 0.6]], down: [["neck", BEND, 0.4], ["head", BEND, 0.6]] },
  hand: { across: [["forearm", TWIST, 1]], down: [["wrist", BEND, 1]] },
  foot: { across: [["hip", TWIST, 1]], down: [["ankle", BEND, -1]] },
  elbow: { across: [["shoulder", TWIST, 1]], down: [] },
  knee: { across: [["hip", TWIST, 1]], down: [] },
  hips: { across: [], down: [["hips", BEND, 1]] },
};

/**
 * The person with what a handle is of turned.
 *
 * @param right degrees as seen by someone who faces the person: positive turns its front to the picture's right.
 * @param down degrees; positive lowers the front.
 */
export function twisted(body, figure, handle, right, down) {
  if (handle === "place" || handle === "hips") figure = { ...figure, turn: ((((figure.turn + right) % 360) + 540) % 360) - 180 };
  const [side, part] = handle.includes(" ") ? handle.split(" ") : ["", handle];
  if (!TURNS[part]) return figure;
  const turns = figure.turns.map((turn) => [...turn]);
  const turn = (table, by) => {
    for (const [name, axis, share] of table) {
      const joint = body.names.indexOf(side ? `${side} ${name}` : name);
      turns[joint][axis] += by * share;
      turns[joint] = clamped(body, joint, turns[joint]);
    }
  };
  // Twists of limbs are inward: to the left for the right ones. Those of the trunk are to the left.
  turn(TURNS[part].across, side === "left" ? -right : right);
  turn(TURNS[part].down, down);
  return { ...figure, turns };
}
