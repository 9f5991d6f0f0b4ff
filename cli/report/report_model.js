// SPDX-License-Identifier: Apache-2.0
// The report's data as the page needs it: seconds instead of text, one list of shots, items of each analyzer's lane.
"use strict";

const DATA = JSON.parse(document.getElementById("report-data").textContent);
const RESPONSE = DATA.response || {};
const VIDEO = RESPONSE.video || {};
const KEY_FRAMES = DATA.keyFrames || [];
const RESULTS = RESPONSE.results || [];

const MOTIONS = {
  STATIC: ["static", "#c9ced8"], PAN_LEFT: ["pan left", "#7cb3f2"], PAN_RIGHT: ["pan right", "#a9d2ff"],
  TILT_UP: ["tilt up", "#7fd3a4"], TILT_DOWN: ["tilt down", "#b4e8c8"], ZOOM_IN: ["zoom in", "#f5a86b"],
  ZOOM_OUT: ["zoom out", "#fbd0a9"], ROLL: ["roll", "#c9a5f2"], HANDHELD: ["handheld", "#f0d566"],
  COMPLEX: ["complex", "#f093a5"],
};

function seconds(duration) {
  return duration ? parseFloat(duration) || 0 : 0;
}

function span(thing) {
  return {start: seconds(thing.startOffset), end: seconds(thing.endOffset)};
}

function place(time) {
  const ms = Math.max(0, Math.round(time * 1000));
  const pad = (n, digits) => String(n).padStart(digits, "0");
  const hours = Math.floor(ms / 3600000);
  const minutes = Math.floor(ms / 60000) % 60;
  const rest = `${pad(Math.floor(ms / 1000) % 60, 2)}.${pad(ms % 1000, 3)}`;
  return hours ? `${hours}:${pad(minutes, 2)}:${rest}` : `${minutes}:${rest}`;
}

function span_words(item) {
  return item.end > item.start ? `${place(item.start)} to ${place(item.end)}, ${length(item.end - item.start)}`
                               : place(item.start);
}

function length(time) {
  if (time < 0.00995) return `${(time * 1000).toFixed(1)} ms`;
  if (time < 0.9995) return `${Math.round(time * 1000)} ms`;
  if (time < 9.995) return `${time.toFixed(2)} s`;
  if (time < 99.95) return `${time.toFixed(1)} s`;
  return `${Math.floor(Math.round(time) / 60)} m ${String(Math.round(time) % 60).padStart(2, "0")} s`;
}

function percent(share) {
  return `${Math.round((share || 0) * 100)}%`;
}

function words(enum_name) {
  return String(enum_name || "").toLowerCase().replaceAll("_", " ");
}

function count(number) {
  return Number(number || 0).toLocaleString("en-US");
}

// `1 shot`, `2 shots`, `2 entries`.
function counted(number, one, many) {
  return `${count(number)} ${Number(number) === 1 ? one : many || one + "s"}`;
}

function bytes(number) {
  let value = Number(number || 0);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024 || unit === "GiB") return `${unit === "B" ? value : value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return "";
}

// A colour of the data, or grey: nothing else may reach a style.
function safe_color(hex) {
  return /^#[0-9a-f]{6}$/i.test(hex || "") ? hex : "#808080";
}

const SCENES = ((RESPONSE.timeline || {}).scenes || []).map((scene) => ({
  ...span(scene), shots: (scene.shots || []).map((shot) => ({...span(shot), entries: shot.entries || []})),
}));
const SHOTS = [];
SCENES.forEach((scene, index) => scene.shots.forEach((shot) => {
  shot.scene = index;
  shot.number = SHOTS.length + 1;
  SHOTS.push(shot);
}));
const DURATION = Math.max(seconds(VIDEO.duration), ...SHOTS.map((shot) => shot.end), 0.001);

// What the timeline covers: all of the video, or the part that was asked for.
const COVERED = SCENES.reduce((sum, scene) => sum + scene.end - scene.start, 0) || DURATION;

function typed(field) {
  const result = RESULTS.find((one) => one[field]);
  return result ? result[field] : null;
}
const CUTS = typed("cutAnalysis");
const CAMERA = typed("cameraAnalysis");
const COLORS = typed("colorAnalysis");
const SCENE_RESULT = typed("sceneSegmentation");

function at(items, time) {
  return items.find((item) => span(item).start <= time && time < span(item).end) || items[items.length - 1];
}

function shot_at(time) {
  let found = SHOTS[0];
  for (const shot of SHOTS) if (shot.start <= time + 1e-9) found = shot;
  return found;
}

function colors_at(time) {
  return COLORS && (COLORS.scenes || []).length ? at(COLORS.scenes, time).dominantColors || []
                                                : COLORS ? COLORS.dominantColors || [] : [];
}

// The picture to show at a time: of the same shot if there is one, else the nearest before.
function picture_at(time) {
  const shot = shot_at(time);
  let best = null;
  let best_cost = Infinity;
  for (const frame of KEY_FRAMES) {
    const same = shot && frame.offset >= shot.start - 1e-6 && frame.offset < shot.end;
    const cost = Math.abs(frame.offset - time) + (same ? 0 : DURATION);
    if (cost < best_cost) [best, best_cost] = [frame, cost];
  }
  return best;
}

// What an analyzer saw, put together again where a shot's boundary parted it.
function timeline_items(analyzer) {
  const items = [];
  for (const shot of SHOTS) {
    for (const entry of shot.entries) {
      if (entry.analyzer !== analyzer) continue;
      const item = {...span(entry), label: entry.label || "", score: entry.score || 0};
      const same = items.find((one) => one.label === item.label && Math.abs(one.end - item.start) < 1e-6 &&
                                       Math.abs(item.start - shot.start) < 1e-6);
      if (same) {
        same.end = item.end;
        same.score = Math.max(same.score, item.score);
      } else {
        items.push(item);
      }
    }
  }
  return items.sort((a, b) => a.start - b.start);
}

// Items that overlap go to rows below each other; more than `most` rows share the last.
function rows_of(items, most) {
  const rows = [];
  for (const item of items) {
    let row = rows.find((one) => one[one.length - 1].end <= item.start + 1e-6);
    if (!row) {
      if (rows.length < most) rows.push(row = []);
      else row = rows[rows.length - 1];
    }
    row.push(item);
  }
  return rows;
}
