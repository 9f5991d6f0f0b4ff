// SPDX-License-Identifier: Apache-2.0
// The swim lanes: one for each analyzer, on a common axis of time.
"use strict";

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function share(time) {
  return `${Math.min(100, Math.max(0, time / DURATION * 100))}%`;
}

const tip = document.getElementById("tip");

function show_tip(title, lines, x, y) {
  tip.replaceChildren(make("b", "", title), ...lines.filter(Boolean).map((line) => make("span", "", line)));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, x + 14), innerWidth - box.width - 8);
  const top = y + 20 + box.height > innerHeight ? y - box.height - 14 : y + 18;
  tip.style.left = `${left}px`;
  tip.style.top = `${Math.max(8, top)}px`;
}

function hide_tip() {
  tip.hidden = true;
}

// One thing on a track. `title` and `lines` show on hover, tap and focus.
function block(item, className, title, lines, text) {
  const element = make("button", `block ${className}`);
  element.type = "button";
  element.tabIndex = -1;
  element.style.left = share(item.start);
  if (item.end > item.start) element.style.width = `${(Math.min(item.end, DURATION) - item.start) / DURATION * 100}%`;
  if ((item.end - item.start) / DURATION < 0.03) element.classList.add("tiny");
  if (text && !element.classList.contains("tiny")) element.append(text);
  element.setAttribute("aria-label", [title, ...lines.filter(Boolean)].join(", "));
  element.addEventListener("pointermove", (event) => show_tip(title, lines, event.clientX, event.clientY));
  element.addEventListener("pointerleave", hide_tip);
  element.addEventListener("focus", () => {
    if (!element.matches(":focus-visible")) return;
    const box = element.getBoundingClientRect();
    show_tip(title, lines, box.left, box.bottom - 14);
  });
  element.addEventListener("blur", hide_tip);
  element.addEventListener("click", (event) => {
    seek(item.start);
    const box = element.getBoundingClientRect();
    show_tip(title, lines, event.clientX || box.left, event.clientY || box.bottom - 14);
  });
  return element;
}

// A track of blocks is one stop of the Tab key; arrow keys walk along it.
function track(className, blocks, label) {
  const element = make("div", `track ${className}`);
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
  element.append(...blocks);
  if (blocks.length) blocks[0].tabIndex = 0;
  element.addEventListener("keydown", (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity}[event.key];
    const index = blocks.indexOf(document.activeElement);
    if (step === undefined || index < 0) return;
    event.preventDefault();
    const next = blocks[Math.min(blocks.length - 1, Math.max(0, index + step))];
    blocks[index].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return element;
}

// A line chart. Each series: {name, color, points: [[time, value]], step}. `low` and `high` are the ends of the axis.
function curve(series, low, high, read) {
  const element = make("div", "track tall");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "curve");
  svg.setAttribute("viewBox", "0 0 1000 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const y = (value) => (94 - 88 * (Math.min(high, Math.max(low, value)) - low) / (high - low)).toFixed(1);
  const add = (d, color, className) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    if (color) path.setAttribute("stroke", color);
    if (className) path.setAttribute("class", className);
    svg.append(path);
  };
  if (low < 0) add(`M0 ${y(0)}H1000`, null, "zero");
  for (const one of series) {
    let d = "";
    let last = -Infinity;
    for (const [time, value] of one.points) {
      const x = (time / DURATION * 1000).toFixed(1);
      // A hole in the data is a hole in the line.
      d += d === "" || time - last > (one.gap || Infinity) ? `M${x} ${y(value)}` : one.step ? `H${x}V${y(value)}`
                                                                                          : `L${x} ${y(value)}`;
      last = time;
    }
    add(d, one.color);
  }
  element.append(svg);
  const tell = (event) => {
    const box = element.getBoundingClientRect();
    const time = (event.clientX - box.left) / box.width * DURATION;
    show_tip(place(time), read(time), event.clientX, event.clientY);
    return time;
  };
  element.addEventListener("pointermove", tell);
  element.addEventListener("pointerleave", hide_tip);
  element.addEventListener("click", (event) => seek(tell(event)));
  // By keyboard and for a screen reader it is a slider: arrow keys walk through the values.
  element.tabIndex = 0;
  element.setAttribute("role", "slider");
  element.setAttribute("aria-label", series.map((one) => one.name).join(", ") + " over time");
  element.setAttribute("aria-valuemin", "0");
  element.setAttribute("aria-valuemax", DURATION.toFixed(3));
  const describe = () => {
    element.setAttribute("aria-valuenow", now.toFixed(3));
    element.setAttribute("aria-valuetext", [place(now), ...read(now).filter(Boolean)].join(", "));
  };
  const show = () => {
    describe();
    const box = element.getBoundingClientRect();
    show_tip(place(now), read(now), box.left + now / DURATION * box.width, box.bottom - 14);
  };
  describe();
  element.addEventListener("focus", () => { if (element.matches(":focus-visible")) show(); });
  element.addEventListener("blur", hide_tip);
  element.addEventListener("keydown", (event) => {
    const small = Math.max(0.04, DURATION / 100);
    const to = {ArrowRight: now + small, ArrowLeft: now - small, Home: 0, End: DURATION}[event.key];
    if (to === undefined) return;
    event.preventDefault();
    seek(to);
    show();
  });
  return element;
}

function curve_keys(series) {
  return series.map((one) => {
    const key = make("span", "curve-key");
    const line = make("i");
    line.style.background = one.color;
    key.append(line, one.name);
    return key;
  });
}

function score_words(score) {
  return score ? `confidence ${percent(score)}` : "";
}

function cut_tracks(cuts) {
  const shots = (cuts.shots || []).map(span).map((shot, index) =>
      block(shot, index % 2 ? "b" : "", `Shot ${index + 1}`, [span_words(shot)], String(index + 1)));
  const transitions = (cuts.transitions || []).map((one) => {
    const item = {...span(one)};
    const hard = one.kind === "HARD_CUT";
    return block(item, hard ? "cut" : "transition", words(one.kind), [span_words(item), score_words(one.score)]);
  });
  const tracks = [track("", shots, "Shots")];
  if (transitions.length) tracks.push(track("thin", transitions, "Transitions"));
  return {tracks, notes: [make("span", "", `${counted(shots.length, "shot")}, ${counted(transitions.length, "transition")}`)]};
}

function scene_tracks(result) {
  const scenes = (result.scenes || []).map((scene, index) => {
    const item = span(scene);
    const shots = (scene.shotIndexes || []).map((one) => one + 1);
    const list = shots.length > 1 ? `shots ${shots[0]} to ${shots[shots.length - 1]}` : `shot ${shots[0] || 1}`;
    return block(item, index % 2 ? "scene b" : "scene", `Scene ${index + 1}`, [span_words(item), list], String(index + 1));
  });
  return {tracks: [track("", scenes, "Scenes")], notes: [make("span", "", counted(scenes.length, "scene"))]};
}

function camera_tracks(camera) {
  const segments = (camera.segments || []).map((one) => {
    const item = span(one);
    const [name, color] = MOTIONS[one.motion] || [words(one.motion), "#c9ced8"];
    const unit = {ZOOM_IN: "size", ZOOM_OUT: "size", ROLL: "turns"}[one.motion];
    const speed = one.motion === "STATIC" ? "" : unit === "turns" ? `${(one.speedPerSecond || 0).toFixed(3)} turns a second`
        : `${((one.speedPerSecond || 0) * 100).toFixed(1)}% of the ${unit || "frame"} a second`;
    const element = block(item, "motion", name, [span_words(item), speed, score_words(one.score)], name);
    element.style.background = color;
    return element;
  });
  const tracks = [track("", segments, "Camera motion")];
  const samples = camera.samples || [];
  let notes = [];
  if (samples.length > 1) {
    const times = samples.map((one) => seconds(one.offset));
    const gaps = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => a - b);
    const gap = Math.max(0.5, 3 * gaps[Math.floor(gaps.length / 2)]);
    const fields = [["pan", "panPerSecond", "#3f86d9"], ["tilt", "tiltPerSecond", "#2f9e68"],
                    ["zoom", "zoomPerSecond", "#d97a2b"]];
    const series = fields.map(([name, field, color]) =>
        ({name, color, gap, points: samples.map((one, index) => [times[index], one[field] || 0])}));
    // The few largest values must not flatten the rest.
    const sizes = series.flatMap((one) => one.points.map((point) => Math.abs(point[1]))).sort((a, b) => a - b);
    const most = Math.max(0.05, sizes[Math.floor(sizes.length * 0.98)] || 0) * 1.1;
    tracks.push(curve(series, -most, most, (time) => {
      let nearest = 0;
      times.forEach((one, index) => { if (Math.abs(one - time) < Math.abs(times[nearest] - time)) nearest = index; });
      return fields.map(([name, field]) => `${name} ${((samples[nearest][field] || 0) * 100).toFixed(1)}% a second`);
    }));
    notes = curve_keys(series);
  }
  return {tracks, notes};
}

function color_tracks(colors) {
  const scenes = (colors.scenes || []).length ? colors.scenes
      : [{startOffset: "0s", endOffset: `${DURATION}s`, dominantColors: colors.dominantColors, statistics: colors}];
  const blocks = scenes.map((scene) => {
    const item = span(scene);
    const list = scene.dominantColors || [];
    const element = block(item, "colors", "Palette", [span_words(item),
        ...list.map((one) => `${one.hex} ${one.name}, ${percent(one.share)}`)]);
    for (const one of list) {
      const stripe = make("span");
      stripe.style.background = safe_color(one.hex);
      stripe.style.flex = `${one.share || 0.01} 1 0`;
      element.append(stripe);
    }
    return element;
  });
  const tracks = [track("", blocks, "Palettes")];
  const fields = [["brightness", "#d9a411"], ["contrast", "#7a7f8c"], ["saturation", "#c2479e"]];
  const series = fields.map(([name, color]) => ({name, color, step: true, points: scenes.flatMap((scene) => {
    const value = (scene.statistics || {})[name] || 0;
    return [[span(scene).start, value], [Math.min(DURATION, span(scene).end), value]];
  })}));
  tracks.push(curve(series, 0, 1, (time) => {
    const statistics = at(scenes, time).statistics || {};
    return [...fields.map(([name]) => `${name} ${(statistics[name] || 0).toFixed(2)}`),
            statistics.temperatureKelvin ? `${Math.round(statistics.temperatureKelvin)} K` : ""];
  }));
  const blanks = (colors.blankSpans || []).map((one) => {
    const item = span(one);
    return block(item, one.kind === "WHITE" ? "blank white" : "blank", words(one.kind), [span_words(item)], words(one.kind));
  });
  if (blanks.length) tracks.push(track("thin", blanks, "Black and white pictures"));
  return {tracks, notes: curve_keys(series)};
}

function generic_tracks(result) {
  const items = timeline_items(result.analyzer);
  if (!items.length) {
    return {tracks: [make("div", "lane-message", result.headline || "Nothing on the timeline.")], notes: []};
  }
  const labels = [...new Set(items.map((item) => item.label))];
  const tracks = rows_of(items, 6).map((row) => track("", row.map((item) =>
      block(item, labels.indexOf(item.label) % 2 ? "generic b" : "generic", item.label,
            [span_words(item), score_words(item.score)], item.label)), result.analyzer));
  return {tracks, notes: [make("span", "", counted(items.length, "entry", "entries"))]};
}

function lane_of(result) {
  const status = result.status || {};
  if (status.code && status.code !== "OK") {
    const text = `${status.code}${status.reason ? `, ${status.reason}` : ""}: ${status.message || "no result"}`;
    return {tracks: [make("div", "lane-message bad", text)], notes: []};
  }
  if (result.cutAnalysis) return cut_tracks(result.cutAnalysis);
  if (result.sceneSegmentation) return scene_tracks(result.sceneSegmentation);
  if (result.cameraAnalysis) return camera_tracks(result.cameraAnalysis);
  if (result.colorAnalysis) return color_tracks(result.colorAnalysis);
  return generic_tracks(result);
}

function draw_axis(zoom) {
  const axis = document.getElementById("axis");
  const width = document.getElementById("lanes-scroll").clientWidth * zoom;
  const most = Math.max(2, Math.floor(width / 110));
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800].find((one) =>
      DURATION / one <= most) || 3600;
  const ticks = [];
  for (let i = 0; i * step <= DURATION * (1 + 1e-9); ++i) {
    const time = i * step;
    const text = step < 1 ? place(time).slice(0, step < 0.1 ? -1 : -2) : place(time).slice(0, -4);
    const tick = make("span", i === 0 ? "first" : time > DURATION * 0.97 ? "last" : "", text);
    tick.style.left = share(time);
    ticks.push(tick);
  }
  axis.replaceChildren(...ticks);
}

function draw_lanes() {
  const lanes = document.getElementById("lanes");
  const add = (name, notes, tracks, className) => {
    const lane = make("div", `lane ${className || ""}`);
    const label = make("div", "lane-label");
    label.append(make("b", "", name), ...notes);
    const box = make("div", "tracks");
    box.append(...tracks);
    lane.append(label, box);
    lanes.append(lane);
    return box;
  };
  const axis = make("div", "track ticks");
  axis.id = "axis";
  const axis_box = add("", [], [axis], "axis");
  axis_box.addEventListener("click", (event) => {
    const box = axis.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width * DURATION);
  });
  for (const result of RESULTS) {
    const {tracks, notes} = lane_of(result);
    add(result.analyzer, notes, tracks);
  }
  if (!RESULTS.length) add("", [], [make("div", "lane-message", "No analyzer ran.")]);
  if (!RESULTS.length) document.querySelector(".zoom").hidden = true;
  lanes.addEventListener("pointermove", (event) => {
    const box = axis.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * 100;
    lanes.style.setProperty("--hover", at >= 0 && at <= 100 ? `${at}%` : "-100vw");
  });
  lanes.addEventListener("pointerleave", () => lanes.style.setProperty("--hover", "-100vw"));

  const legend = document.getElementById("legend");
  const used = new Set(CAMERA ? (CAMERA.segments || []).map((one) => one.motion) : []);
  for (const [motion, [name, color]] of Object.entries(MOTIONS)) {
    if (!used.has(motion)) continue;
    const entry = make("li");
    const square = make("i");
    square.style.background = color;
    entry.append(square, name);
    legend.append(entry);
  }
}
