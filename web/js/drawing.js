/**
 * A scene on a canvas: capsules from the farthest to the nearest, the picture's frame, a floor, handles.
 */

import { clamp, length, minus } from "./linear.js";
import { looking, projected } from "./camera.js";
import { posed } from "./kinematics.js";
import { capsules, pieces } from "./solid.js";

/** Hue, saturation and lightness by part; left is warm and right is cool, as in OpenPose's skeletons. */
const COLOURS = {
  trunk: [36, 28, 66],
  head: [28, 42, 74],
  nose: [14, 55, 60],
  "left arm": [150, 38, 58],
  "left hand": [150, 42, 70],
  "left leg": [205, 45, 60],
  "left foot": [205, 50, 48],
  "right arm": [22, 62, 64],
  "right hand": [22, 66, 74],
  "right leg": [350, 40, 64],
  "right foot": [350, 44, 52],
};
const SMALLEST = 0.4;

/**
 * Draw it.
 *
 * @param view `{scene, selected, frame, handles, active, photo, ratio}`: `frame` is where the picture lies on the canvas,
 *   `{x, y, width, height}` in its pixels; `handles` are those of the selected person, `{name: {x, y}}` in the
 *   frame's; `photo` is an image to trace, or null; `ratio` is the pixels of a CSS pixel.
 */
export function draw(context, body, view) {
  const { frame } = view;
  const { canvas } = context;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#17181b";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#2a2c31";
  context.fillRect(frame.x, frame.y, frame.width, frame.height);
  context.translate(frame.x, frame.y);
  context.lineCap = "round";
  if (view.photo) drawPhoto(context, frame, view.photo);
  const turned = looking(view.scene.camera);
  const seen = (place) => projected(view.scene.camera, turned, frame, place);
  drawFloor(context, view.scene, seen);
  context.globalAlpha = view.photo ? 0.75 : 1;
  drawPeople(context, body, view, turned, seen);
  context.globalAlpha = 1;
  dimOutside(context, canvas, frame);
  drawHandles(context, view);
}

function drawPhoto(context, frame, photo) {
  const scale = Math.min(frame.width / photo.width, frame.height / photo.height);
  const [width, height] = [photo.width * scale, photo.height * scale];
  context.drawImage(photo, (frame.width - width) / 2, (frame.height - height) / 2, width, height);
}

/** Lines on the floor every half metre, about where people stand. */
function drawFloor(context, { people, camera }, seen) {
  const [x, y] = people.length ? people[0].hips : camera.centre;
  const middle = [Math.round(x * 2) / 2, Math.round(y * 2) / 2];
  context.strokeStyle = "rgba(255, 255, 255, 0.13)";
  context.lineWidth = 1;
  context.beginPath();
  for (let line = -4; line <= 4; line++)
    for (const ends of [
      [[line / 2, -2], [line / 2, 2]],
      [[-2, line / 2], [2, line / 2]],
    ]) {
      const [from, to] = ends.map(([across, along]) => seen([middle[0] + across, middle[1] + along, 0]));
      if (from.away < SMALLEST || to.away < SMALLEST) continue;
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
  context.stroke();
}

function drawPeople(context, body, { scene, selected }, turned, seen) {
  const all = scene.people.flatMap((figure, person) =>
    pieces(capsules(body, figure, posed(body, figure))).map((piece) => ({
      ...piece,
      chosen: person === selected || scene.people.length === 1,
      // What a ball shows is its near side.
      away: seen(piece.middle).away - piece.radius,
    })),
  );
  all.sort((a, b) => b.away - a.away);
  for (const piece of all) if (piece.away > SMALLEST) drawPiece(context, piece, seen, scene.camera.distance);
}

/** A tube, light along its middle; darker the farther it is. */
function drawPiece(context, { from, to, radius, part, chosen, away }, seen, distance) {
  const [a, b] = [seen(from), seen(to)];
  const wide = Math.max((radius * (a.scale + b.scale)) / 2, 0.5);
  const [hue, saturation, lightness] = COLOURS[part];
  const far = clamp((away - distance) * 12, -8, 10);
  const tint = (change) => `hsl(${hue} ${chosen ? saturation : saturation / 3}% ${lightness + change - far - (chosen ? 0 : 14)}%)`;
  const [x, y] = [b.x - a.x, b.y - a.y];
  const long = Math.hypot(x, y);
  const [cross, down] = long > 0.5 ? [(-y / long) * wide, (x / long) * wide] : [wide, 0];
  const gradient =
    long > wide / 3
      ? context.createLinearGradient(a.x + cross, a.y + down, a.x - cross, a.y - down)
      : context.createRadialGradient(a.x, a.y, 0, a.x, a.y, wide * 1.02);
  const stops = long > wide / 3 ? [[0, -30], [0.16, -8], [0.5, 8], [0.84, -8], [1, -30]] : [[0, 8], [0.68, -8], [1, -30]];
  for (const [share, change] of stops) gradient.addColorStop(share, tint(change));
  context.strokeStyle = gradient;
  context.lineWidth = 2 * wide;
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x + (long < 0.01 ? 0.01 : 0), b.y);
  context.stroke();
}

function dimOutside(context, canvas, frame) {
  context.fillStyle = "rgba(15, 16, 18, 0.62)";
  context.beginPath();
  context.rect(-frame.x, -frame.y, canvas.width, canvas.height);
  context.rect(0, 0, frame.width, frame.height);
  context.fill("evenodd");
  context.strokeStyle = "rgba(255, 255, 255, 0.35)";
  context.lineWidth = 1;
  context.strokeRect(0.5, 0.5, frame.width - 1, frame.height - 1);
}

function drawHandles(context, { handles, active, ratio }) {
  for (const [name, { x, y }] of Object.entries(handles)) {
    context.beginPath();
    if (name === "place") context.rect(x - 5 * ratio, y - 5 * ratio, 10 * ratio, 10 * ratio);
    else context.arc(x, y, (isSmall(name) ? 4 : 6) * ratio, 0, 2 * Math.PI);
    context.fillStyle = name === active ? "#ffd54a" : "rgba(255, 255, 255, 0.78)";
    context.strokeStyle = "#101114";
    context.lineWidth = 1.5 * ratio;
    context.fill();
    context.stroke();
  }
}

const isSmall = (name) => name.endsWith("elbow") || name.endsWith("knee");

/** Number of the person whose body is at a pixel of the frame, the nearest of several; −1 for none. */
export function personAt(body, scene, frame, pixel) {
  const turned = looking(scene.camera);
  let [found, nearest] = [-1, Infinity];
  scene.people.forEach((figure, person) => {
    for (const piece of pieces(capsules(body, figure, posed(body, figure)))) {
      const { x, y, away, scale } = projected(scene.camera, turned, frame, piece.middle);
      const reach = piece.radius + length(minus(piece.to, piece.from)) / 2;
      if (Math.hypot(x - pixel.x, y - pixel.y) < reach * scale && away < nearest) [found, nearest] = [person, away];
    }
  });
  return found;
}
