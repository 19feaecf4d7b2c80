/**
 * Colours of a mannequin: left and right differ, as they do in OpenPose's skeletons, and light comes from the left above.
 */

import { apply } from "./linear.js";

/** By words of a joint's name, the first that fits. */
const COLOURS = [
  ["left collar", [206, 202, 186]],
  ["right collar", [214, 200, 182]],
  ["left hip", [112, 150, 204]],
  ["left knee", [112, 150, 204]],
  ["left ankle", [98, 136, 196]],
  ["left toes", [98, 136, 196]],
  ["right hip", [206, 116, 130]],
  ["right knee", [206, 116, 130]],
  ["right ankle", [196, 100, 116]],
  ["right toes", [196, 100, 116]],
  // Arms and all of the hands.
  ["left", [116, 184, 156]],
  ["right", [226, 158, 106]],
  ["", [212, 202, 186]],
];
const LIGHT = unit([-0.5, -0.72, 0.6]);
/** Who is not chosen is grey and darker. */
const [GREY, DARKER] = [0.65, 0.72];

/** Of what garments are made, and skin where there is none: a colour, and how much of it there is over the bones'. */
const STUFFS = {
  hair: [[84, 64, 54], 0.85],
  shoes: [[52, 54, 62], 0.6],
  coat: [[70, 74, 84], 0.6],
  top: [[0, 0, 0], 0],
  bottom: [[0, 0, 0], 0],
  skin: [[238, 214, 196], 0.5],
};
/** From the skin outwards. */
const ORDER = ["hair", "bottom", "top", "coat", "shoes"];

/** Of every vertex in clothes without light, 0–255, `[3 V]`; `worn` are numbers of garments. */
export function clothed(mesh, colours, worn) {
  const result = Float32Array.from(colours);
  const slots = worn.map((number) => [number, mesh.garments[number][0]]);
  const outwards = slots.sort(([, one], [, other]) => ORDER.indexOf(other) - ORDER.indexOf(one));
  for (let vertex = 0; vertex < mesh.count; vertex++) {
    const outermost = outwards.find(([number]) => mesh.offsets[number * mesh.count + vertex] > 0);
    mix(result, vertex, STUFFS[outermost?.[1] ?? "skin"]);
  }
  return result;
}

/** The same of a garment's own mesh. */
export function clothColours(body, mesh, slot) {
  const result = slot === "hair" ? new Float32Array(3 * mesh.count) : tints(body, mesh);
  const stuff = slot === "hair" ? [STUFFS.hair[0], 1] : STUFFS[slot];
  for (let vertex = 0; vertex < mesh.count; vertex++) mix(result, vertex, stuff);
  return result;
}

function mix(colours, vertex, [colour, share]) {
  for (let channel = 0; channel < 3; channel++)
    colours[3 * vertex + channel] += (colour[channel] - colours[3 * vertex + channel]) * share;
}

/** Of every vertex without light, 0–255, `[3 V]`: what its bones have, mixed. */
export function tints(body, mesh = body.mesh) {
  const own = body.names.map((name) => COLOURS.find(([word]) => name.startsWith(word))[1]);
  const result = new Float32Array(3 * mesh.count);
  for (let slot = 0; slot < mesh.weights.length; slot++)
    for (let channel = 0; channel < 3; channel++)
      result[3 * (slot >> 2) + channel] += mesh.weights[slot] * own[mesh.bones[slot]][channel];
  return result;
}

/** Those colours in the light; `turned` is the camera's rotation. */
export function lit(colours, normals, turned, chosen) {
  const result = new Float32Array(colours.length);
  for (let at = 0; at < colours.length; at += 3) {
    const normal = apply(turned, [normals[at], normals[at + 1], normals[at + 2]]);
    const facing = normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2];
    // Wrapped half around the body, or what looks away from the light were one flat dark.
    const light = 0.3 + 0.78 * Math.max(0.5 + 0.5 * facing, 0) ** 1.6 + 0.1 * normal[2];
    const edge = 1 - 0.42 * (1 - Math.min(Math.max(-normal[1], 0), 1)) ** 2.2;
    const shine = 34 * Math.max(facing, 0) ** 14;
    const grey = (colours[at] + colours[at + 1] + colours[at + 2]) / 3;
    for (let channel = 0; channel < 3; channel++) {
      const colour = chosen ? colours[at + channel] : (colours[at + channel] * (1 - GREY) + grey * GREY) * DARKER;
      result[at + channel] = Math.min(colour * light * edge + (chosen ? shine : 0), 255);
    }
  }
  return result;
}

function unit(vector) {
  const long = Math.hypot(...vector);
  return vector.map((value) => value / long);
}
