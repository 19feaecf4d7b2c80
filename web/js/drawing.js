/**
 * A scene on a canvas: floor, photo, people, the picture's frame, handles.
 */

import { looking, projected } from "./camera.js";
import { posed } from "./kinematics.js";
import { Raster } from "./raster.js";
import { clothColours, clothed, lit, tints } from "./shading.js";
import { garmentsWorn, skinned, vertexNormals } from "./surface.js";

const NEAREST = 0.4;
/** Bones as shadows on the floor: who casts one, and how wide, metres. */
const SHADOWS = [
  ["hips", "upper chest", 0.3],
  ["neck", "head", 0.16],
  ...["left", "right"].flatMap((side) => [
    [`${side} shoulder`, `${side} elbow`, 0.1],
    [`${side} elbow`, `${side} wrist`, 0.08],
    [`${side} hip`, `${side} knee`, 0.16],
    [`${side} knee`, `${side} ankle`, 0.1],
    [`${side} ankle`, `${side} toes`, 0.09],
  ]),
];
/** Names of handles as they are shown. */
const SAID = { place: "whole person" };

/** Draws an editor's scene, again and again, and knows whose body is at a pixel of what it drew last. */
export class Drawing {
  #body;
  #tints;
  /** Colours by surface, which is another one as soon as someone wears something else. */
  #colours = new WeakMap();
  #raster = null;
  #layer = document.createElement("canvas");

  constructor(body) {
    this.#body = body;
    this.#tints = tints(body);
  }

  /**
   * Draw it.
   *
   * @param view `{scene, selected, frame, handles, active, hovered, photo, ratio}`: `frame` is where the picture lies on the
   *   canvas, `{x, y, width, height}` in its pixels; `handles` are those of the selected person, `{name: {x, y}}` in
   *   the frame's; `photo` is an image to trace, or null; `ratio` is the pixels of a CSS pixel.
   */
  draw(context, view) {
    const { frame, scene } = view;
    const { canvas } = context;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#17181b";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.translate(frame.x, frame.y);
    drawGround(context, frame);
    if (view.photo) drawPhoto(context, frame, view.photo);
    const turned = looking(scene.camera);
    const seen = (place) => projected(scene.camera, turned, frame, place);
    const poses = scene.people.map((figure) => posed(this.#body, figure));
    if (!view.photo) {
      drawFloor(context, scene, seen);
      drawShadows(context, this.#body, poses, seen, view.ratio);
    }
    this.#render(canvas, view, turned, seen, poses);
    context.globalAlpha = view.photo ? 0.72 : 1;
    context.drawImage(this.#layer, -frame.x, -frame.y);
    context.globalAlpha = 1;
    dimOutside(context, canvas, frame);
    drawHandles(context, view);
  }

  /** Number of the person whose body is at a pixel of the frame; −1 for none. */
  personAt(frame, pixel) {
    const [x, y] = [Math.floor(pixel.x + frame.x), Math.floor(pixel.y + frame.y)];
    const drawn = this.#raster;
    return drawn && x >= 0 && y >= 0 && x < drawn.width && y < drawn.height ? drawn.owners[y * drawn.width + x] : -1;
  }

  #render(canvas, { scene, selected, frame }, turned, seen, poses) {
    const { width, height } = canvas;
    if (this.#raster?.width !== width || this.#raster?.height !== height) {
      this.#raster = new Raster(width, height);
      Object.assign(this.#layer, { width, height });
    } else this.#raster.clear();
    const { mesh } = this.#body;
    scene.people.forEach((figure, person) => {
      for (const part of [{ mesh, surface: figure.surface }, ...figure.own]) {
        const places = skinned(part.mesh, part.surface, figure.rest, poses[person]);
        const normals = vertexNormals(part.mesh, places);
        const chosen = person === selected || scene.people.length === 1;
        const unlit = this.#coloursOf(figure, part);
        const colours = lit(unlit, normals, turned, chosen);
        for (let at = 0; at < places.length; at += 3) {
          const { x, y, away } = seen([places[at], places[at + 1], places[at + 2]]);
          [places[at], places[at + 1], places[at + 2]] = [x + frame.x, y + frame.y, away > NEAREST ? 1 / away : 0];
        }
        this.#raster.draw(part.mesh.faces, places, colours, person);
        if (!part.mesh.inside) continue;
        const inwards = normals.map((value) => -value);
        this.#raster.draw(part.mesh.inside, places, lit(unlit, inwards, turned, chosen), person);
      }
    });
    this.#layer.getContext("2d").putImageData(new ImageData(this.#raster.colours, width, height), 0, 0);
  }

  #coloursOf({ clothes }, { mesh, surface }) {
    let colours = this.#colours.get(surface);
    if (!colours) {
      const whole = this.#body.mesh;
      if (mesh === whole) colours = clothed(mesh, this.#tints, garmentsWorn(mesh, clothes));
      else colours = clothColours(this.#body, mesh, whole.garments[mesh.garment][0]);
      this.#colours.set(surface, colours);
    }
    return colours;
  }
}

function drawGround(context, { width, height }) {
  const light = context.createLinearGradient(0, 0, 0, height);
  light.addColorStop(0, "#3a3d44");
  light.addColorStop(0.75, "#2b2d33");
  light.addColorStop(1, "#24262b");
  context.fillStyle = light;
  context.fillRect(0, 0, width, height);
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
  context.strokeStyle = "rgba(255, 255, 255, 0.1)";
  context.lineWidth = 1;
  context.beginPath();
  for (let line = -4; line <= 4; line++)
    for (const ends of [
      [[line / 2, -2], [line / 2, 2]],
      [[-2, line / 2], [2, line / 2]],
    ]) {
      const [from, to] = ends.map(([across, along]) => seen([middle[0] + across, middle[1] + along, 0]));
      if (from.away < NEAREST || to.away < NEAREST) continue;
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
    }
  context.stroke();
}

/** Of light from straight above: they say how high someone is, and which foot stands. */
function drawShadows(context, body, poses, seen, ratio) {
  context.save();
  context.lineCap = "round";
  context.filter = `blur(${3 * ratio}px)`;
  for (const pose of poses)
    for (const [from, to, wide] of SHADOWS) {
      const ends = [from, to].map((name) => pose.joints[body.names.indexOf(name)]);
      const [a, b] = ends.map(([x, y]) => seen([x, y, 0]));
      if (a.away < NEAREST || b.away < NEAREST) continue;
      const height = Math.max((ends[0][2] + ends[1][2]) / 2, 0);
      context.strokeStyle = `rgba(0, 0, 0, ${0.05 + 0.4 / (1 + 8 * height)})`;
      // The floor is seen slantwise, and so is a shadow's width.
      context.lineWidth = Math.max((wide * (a.scale + b.scale)) / 5, 1);
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x + 0.01, b.y);
      context.stroke();
    }
  context.restore();
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

/** Rings that leave what is under them to be seen; the one that is meant is full and has its name. */
function drawHandles(context, { handles, active, hovered, ratio, frame }) {
  for (const [name, { x, y }] of Object.entries(handles)) {
    const meant = name === active || name === hovered;
    context.beginPath();
    const radius = (isSmall(name) ? 3.5 : 5.5) * ratio;
    if (name === "place") context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
    else context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = name === active ? "#ffd54a" : meant ? "#ffffff" : "rgba(255, 255, 255, 0.3)";
    context.fill();
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "rgba(16, 17, 20, 0.55)";
    context.stroke();
    context.lineWidth = 1.4 * ratio;
    context.strokeStyle = name === active ? "#fff3c4" : "rgba(255, 255, 255, 0.95)";
    context.stroke();
  }
  const named = handles[hovered ?? active];
  if (named) drawName(context, SAID[hovered ?? active] ?? hovered ?? active, named, ratio, frame);
}

function drawName(context, name, { x, y }, ratio, frame) {
  context.font = `${11 * ratio}px sans-serif`;
  context.textBaseline = "middle";
  const wide = context.measureText(name).width;
  const left = x + 12 * ratio + wide > frame.width ? x - 12 * ratio - wide : x + 12 * ratio;
  context.lineWidth = 3 * ratio;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(16, 17, 20, 0.8)";
  context.strokeText(name, left, y);
  context.fillStyle = "#ffffff";
  context.fillText(name, left, y);
}

const isSmall = (name) => name.endsWith("elbow") || name.endsWith("knee");
