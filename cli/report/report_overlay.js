// SPDX-License-Identifier: Apache-2.0
// What the analyzers saw, drawn over a key frame: boxes, joints, gazes, texts, masks.
"use strict";

const OBJECTS = typed("objectDetection");
const POSES = typed("bodyPose");
const EYES = typed("eyeTracking");
const TEXTS = typed("textOverlay");
const MATTE = typed("backgroundSegmentation");

// A sample belongs to a picture if it is no further away, in seconds, and in the same shot.
const SAMPLE_REACH = 0.26;

const LIMBS = [
  ["left_shoulder", "right_shoulder"], ["left_hip", "right_hip"], ["left_shoulder", "left_hip"],
  ["right_shoulder", "right_hip"], ["left_shoulder", "left_elbow"], ["left_elbow", "left_wrist"],
  ["right_shoulder", "right_elbow"], ["right_elbow", "right_wrist"], ["left_hip", "left_knee"],
  ["left_knee", "left_ankle"], ["right_hip", "right_knee"], ["right_knee", "right_ankle"],
];
const TRUSTED_JOINT = 0.3;

// The one of `samples` (with `offset`) that belongs to the picture at `time`, or null.
function sample_at(samples, time) {
  const shot = shot_at(time);
  let best = null;
  let reach = SAMPLE_REACH;
  for (const sample of samples || []) {
    const offset = seconds(sample.offset);
    if (shot && (offset < shot.start - 1e-6 || offset >= shot.end)) continue;
    if (Math.abs(offset - time) <= reach) [best, reach] = [sample, Math.abs(offset - time)];
  }
  return best;
}

function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// A path over the foreground of run lengths, in the mask's pixels: a rectangle for each run, parted where rows end.
function run_path(lengths, width) {
  const parts = [];
  let at = 0;
  lengths.forEach((length, index) => {
    const end = at + (Number(length) || 0);
    while (index % 2 && at < end) {
      const stop = Math.min(end, (Math.floor(at / width) + 1) * width);
      parts.push(`M${at % width} ${Math.floor(at / width)}h${stop - at}v1h${at - stop}z`);
      at = stop;
    }
    at = end;
  });
  return parts.join("");
}

// What shows the people of a frame of background_segmentation; empty where matte_note says why.
function matte_shapes(frame, time, width, height) {
  const {png, rle, widthPx, heightPx} = frame.mask || {};
  if (png && !(frame.classes || []).length && /^[A-Za-z0-9+/=]+$/.test(png)) {
    // The screen and the strip show the same picture: each has a mask of its own.
    const id = `matte-${Math.round(time * 1000)}-${++matte_count}`;
    const mask = svg("mask", {id});
    mask.append(svg("image", {href: `data:image/png;base64,${png}`, width, height, preserveAspectRatio: "none"}));
    return [mask, svg("rect", {width, height, class: "matte", mask: `url(#${id})`})];
  }
  const path = rle && widthPx > 0 && heightPx > 0 ? run_path(rle.lengths || [], widthPx) : "";
  if (!path) return [];
  return [svg("path", {d: path, class: "matte", transform: `scale(${width / widthPx} ${height / heightPx})`})];
}
let matte_count = 0;

// Why no masks are drawn, or empty.
function matte_note() {
  const frames = (MATTE || {}).frames || [];
  if (!frames.length || !KEY_FRAMES.length) return "";
  const masks = frames.filter((one) => (one.mask || {}).png || (one.mask || {}).rle);
  if (!masks.length) return "No masks are drawn: none were asked for (option mask_format).";
  if (masks.every((one) => one.mask.png && (one.classes || []).length)) {
    return "No masks are drawn: PNG masks of this model hold class numbers; with mask_format RLE people are drawn.";
  }
  return "";
}

// An SVG over the picture at `time`, or null where nothing was seen. Places are fractions of the picture.
function overlay(time) {
  const width = 1000;
  const height = Math.round(width * (VIDEO.heightPx || 16) / (VIDEO.widthPx || 9));
  const layer = svg("svg", {viewBox: `0 0 ${width} ${height}`, class: "overlay", "aria-hidden": "true"});
  const x = (value) => (Number(value) || 0) * width;
  const y = (value) => (Number(value) || 0) * height;
  const label = (text, left, top, kind) => layer.append(
      svg("text", {x: Math.max(4, left + 4), y: Math.max(26, top - 6), class: `tag ${kind}`}, text));
  const rect = (box, kind) => layer.append(svg("rect", {
    x: x(box.left), y: y(box.top), width: Math.max(1, x(box.right) - x(box.left)),
    height: Math.max(1, y(box.bottom) - y(box.top)), class: kind,
  }));

  const matte = sample_at((MATTE || {}).frames, time);
  if (matte) layer.append(...matte_shapes(matte, time, width, height));
  for (const track of (OBJECTS || {}).tracks || []) {
    const seen = sample_at(track.observations, time);
    if (!seen) continue;
    rect(seen.box || {}, "object");
    label(`${track.label} ${track.trackId}`, x((seen.box || {}).left), y((seen.box || {}).top), "object");
  }
  for (const track of (POSES || {}).tracks || []) {
    const seen = sample_at(track.observations, time);
    if (!seen) continue;
    const joints = Object.fromEntries((seen.keypoints || []).filter((one) => one.score >= TRUSTED_JOINT)
                                                            .map((one) => [one.name, one]));
    for (const [from, to] of LIMBS) {
      if (!joints[from] || !joints[to]) continue;
      layer.append(svg("line", {x1: x(joints[from].x), y1: y(joints[from].y), x2: x(joints[to].x), y2: y(joints[to].y),
                                class: "limb"}));
    }
    for (const joint of Object.values(joints)) layer.append(svg("circle", {cx: x(joint.x), cy: y(joint.y), r: 5, class: "joint"}));
  }
  for (const face of (EYES || {}).faces || []) {
    const seen = sample_at(face.observations, time);
    if (!seen) continue;
    rect(seen.box || {}, seen.lookingAtCamera ? "face looking" : "face");
    if (seen.gazeYawDegrees === undefined) continue;
    const reach = 0.8 * (x((seen.box || {}).right) - x((seen.box || {}).left));
    for (const iris of [seen.leftIris, seen.rightIris]) {
      if (!iris) continue;
      const yaw = seen.gazeYawDegrees * Math.PI / 180;
      const pitch = (seen.gazePitchDegrees || 0) * Math.PI / 180;
      layer.append(svg("line", {x1: x(iris.x), y1: y(iris.y), x2: x(iris.x) + reach * Math.sin(yaw),
                                y2: y(iris.y) - reach * Math.sin(pitch), class: "gaze"}),
                   svg("circle", {cx: x(iris.x), cy: y(iris.y), r: 6, class: "iris"}));
    }
  }
  for (const event of (TEXTS || {}).events || []) {
    const seen = sample_at(event.observations, time);
    if (!seen || (seen.quad || []).length < 3) continue;
    layer.append(svg("polygon", {points: seen.quad.map((one) => `${x(one.x)},${y(one.y)}`).join(" "), class: "text"}));
    label(event.text || "", x(seen.quad[0].x), y(seen.quad[0].y), "text");
  }
  return layer.childElementCount ? layer : null;
}

// A picture with what was seen on it.
function seen_picture(frame, alt) {
  const box = make("div", "seen");
  box.append(picture(frame, alt));
  const layer = overlay(frame.offset);
  if (layer) box.append(layer);
  return box;
}
