// SPDX-License-Identifier: Apache-2.0
// The page around the lanes: header, viewer, key frames, palette, scenes, tables; and what moves.
"use strict";

const $ = (id) => document.getElementById(id);
let now = 0;
let zoom = 1;
let playing = null;

function fact(text, className) {
  $("facts").append(make("li", className, text));
}

function draw_header() {
  if (VIDEO.codec) fact(VIDEO.codec);
  if (VIDEO.widthPx) fact(`${VIDEO.widthPx} × ${VIDEO.heightPx}`);
  if (RESULTS.length) fact(length(DURATION));
  if (VIDEO.frameRate) {
    fact(`${Math.round(VIDEO.frameRate * 100) / 100} fps${VIDEO.variableFrameRate ? ", variable" : ""}`);
  }
  if (Number(VIDEO.frameCount)) fact(counted(VIDEO.frameCount, "frame"));
  if (DURATION - COVERED > 0.1) {
    fact(`analysed: ${place(SCENES[0].start)} to ${place(SCENES[SCENES.length - 1].end)}`, "part");
  }
  if (VIDEO.rotationDegrees) fact(`turned by ${VIDEO.rotationDegrees}°`);
  if (VIDEO.toneMapped) fact("tone-mapped from HDR");
  if (Number(VIDEO.decodeErrors)) fact(`${count(VIDEO.decodeErrors)} defects stepped over`, "warn");
  const failed = RESULTS.filter((one) => ((one.status || {}).code || "OK") !== "OK").length;
  if (failed) fact(`${failed} of ${counted(RESULTS.length, "analyzer")} failed`, "bad");
  else if (RESULTS.length) fact(RESULTS.length > 1 ? `all ${RESULTS.length} analyzers OK` : "1 analyzer OK", "good");
  const told = RESULTS.filter((one) => one.headline);
  for (const result of told) $("summary").append(make("dt", "", words(result.analyzer)), make("dd", "", result.headline));
  if (!told.length && RESPONSE.summary) $("summary").append(make("dd", "all", RESPONSE.summary));
}

function chips(colors) {
  return colors.slice(0, 8).map((one) => {
    const chip = make("span", "chip");
    chip.style.background = safe_color(one.hex);
    chip.title = `${one.hex} ${one.name}`;
    return chip;
  });
}

function color_bars(colors) {
  return colors.map((one) => {
    const bar = make("span");
    bar.style.background = safe_color(one.hex);
    bar.style.flex = `${one.share || 0.01} 1 0`;
    return bar;
  });
}

function picture(frame, alt) {
  const image = make("img");
  image.src = frame.src;
  image.width = frame.width;
  image.height = frame.height;
  image.alt = alt;
  image.decoding = "async";
  return image;
}

function draw_screen() {
  const wide = VIDEO.widthPx > VIDEO.heightPx;
  document.querySelector(".viewer").classList.toggle("wide", wide);
  $("strip").classList.toggle("wide", wide);
  $("screen").style.aspectRatio = `${VIDEO.widthPx || 9} / ${VIDEO.heightPx || 16}`;
}

function update_screen() {
  const frame = picture_at(now);
  const screen = $("screen");
  const shown = screen.firstElementChild;
  if (frame) {
    if (shown && shown.dataset.offset === String(frame.offset)) return;
    const image = seen_picture(frame, `Picture at ${place(frame.offset)}`);
    image.dataset.offset = String(frame.offset);
    screen.replaceChildren(image);
    return;
  }
  const bars = make("div", "bars");
  bars.append(...color_bars(colors_at(now)));
  screen.replaceChildren(bars, make("div", "none", "This report has no pictures of the video."));
}

function update_now() {
  const shot = shot_at(now);
  const rows = [];
  const add = (term, ...content) => {
    const description = make("dd");
    description.append(...content);
    rows.push(make("dt", "", term), description);
  };
  if (shot) {
    if (SCENE_RESULT) {
      const scene = SCENES[shot.scene];
      add("Scene", `${shot.scene + 1} of ${SCENES.length}`, make("span", "times", span_words(scene)));
    }
    if (CUTS) add("Shot", `${shot.number} of ${SHOTS.length}`, make("span", "times", span_words(shot)));
  }
  if (CAMERA && (CAMERA.segments || []).length) {
    const segment = at(CAMERA.segments, now);
    const [name, color] = MOTIONS[segment.motion] || [words(segment.motion), "#c9ced8"];
    const chip = make("span", "chip");
    chip.style.background = color;
    add("Camera", chip, ` ${name}`);
  }
  if (COLORS) add("Colours", ...chips(colors_at(now)));
  for (const result of RESULTS) {
    if (result.cutAnalysis || result.sceneSegmentation || result.cameraAnalysis || result.colorAnalysis) continue;
    const seen = timeline_items(result.analyzer).filter((item) => item.start <= now + 1e-6 && now <= item.end);
    if (seen.length) add(words(result.analyzer), seen.slice(0, 4).map((item) => item.label).join(", "));
  }
  $("now").replaceChildren(...rows);
}

function seek(time, keep_scroll) {
  now = Math.min(DURATION, Math.max(0, time));
  $("lanes").style.setProperty("--at", share(now));
  $("scrubber").querySelector(".knob").style.left = share(now);
  $("scrubber").setAttribute("aria-valuenow", now.toFixed(3));
  const shot = shot_at(now);
  $("scrubber").setAttribute("aria-valuetext", `${place(now)}${shot ? `, shot ${shot.number}` : ""}`);
  $("clock").replaceChildren(make("b", "", place(now)), ` / ${place(DURATION)}`);
  update_screen();
  update_now();
  const current = picture_at(now);
  let index = 0;
  for (const button of $("strip").querySelectorAll("button")) {
    const mine = KEY_FRAMES.length ? KEY_FRAMES[index] === current : SHOTS[index] === shot;
    button.classList.toggle("current", mine);
    if (mine) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (mine && !keep_scroll) {
      const strip = $("strip");
      const left = button.parentElement.offsetLeft - strip.offsetLeft;
      if (left < strip.scrollLeft || left + button.offsetWidth > strip.scrollLeft + strip.clientWidth) {
        strip.scrollLeft = left - strip.clientWidth / 3;
      }
    }
    ++index;
  }
}

function draw_strip() {
  const tiles = KEY_FRAMES.length ? KEY_FRAMES.map((frame) => ({time: frame.offset, shot: SHOTS[frame.shot], frame}))
                                  : SHOTS.slice(0, 60).map((shot) => ({time: shot.start, shot}));
  for (const {time, shot, frame} of tiles) {
    const button = make("button");
    button.type = "button";
    if (frame) {
      button.append(seen_picture(frame, ""));
    } else {
      const box = make("div", "no-picture");
      box.append(...color_bars(colors_at(time)));
      button.append(box);
    }
    const label = make("div", "label");
    label.append(make("b", "", shot && SHOTS.length > 1 ? `${shot.number}` : ""), make("span", "", place(time)));
    button.append(label);
    button.setAttribute("aria-label", `${shot ? `Shot ${shot.number}, ` : ""}${place(time)}`);
    button.addEventListener("click", () => seek(time, true));
    const tile = make("li");
    tile.append(button);
    $("strip").append(tile);
  }
}

function step_shot(step) {
  const shot = shot_at(now);
  if (!shot) return;
  const into = now - shot.start;
  const index = shot.number - 1 + (step < 0 && into > 0.5 ? 0 : step);
  seek(SHOTS[Math.min(SHOTS.length - 1, Math.max(0, index))].start);
}

function stop_playing() {
  if (playing) cancelAnimationFrame(playing);
  playing = null;
  $("play").setAttribute("aria-pressed", "false");
}

function toggle_playing() {
  if (playing) return stop_playing();
  if (now >= DURATION - 0.01) seek(0);
  $("play").setAttribute("aria-pressed", "true");
  let last = performance.now();
  const tick = (time) => {
    seek(now + (time - last) / 1000);
    last = time;
    if (now >= DURATION) stop_playing();
    else playing = requestAnimationFrame(tick);
  };
  playing = requestAnimationFrame(tick);
}

function draw_scrubber() {
  const scrubber = $("scrubber");
  scrubber.setAttribute("aria-valuemax", DURATION.toFixed(3));
  const rail = make("div", "rail");
  for (const shot of SHOTS) {
    const part = make("span");
    part.style.left = share(shot.start);
    part.style.width = `${(shot.end - shot.start) / DURATION * 100}%`;
    rail.append(part);
  }
  scrubber.append(rail, make("div", "knob"));
  const follow = (event) => {
    const box = scrubber.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width * DURATION);
  };
  scrubber.addEventListener("pointerdown", (event) => {
    scrubber.setPointerCapture(event.pointerId);
    follow(event);
  });
  scrubber.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  scrubber.addEventListener("keydown", (event) => {
    const small = Math.max(0.04, DURATION / 200);
    const actions = {
      ArrowRight: () => seek(now + small), ArrowUp: () => seek(now + small), ArrowLeft: () => seek(now - small),
      ArrowDown: () => seek(now - small), PageUp: () => step_shot(1), PageDown: () => step_shot(-1),
      Home: () => seek(0), End: () => seek(DURATION), " ": toggle_playing,
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  $("previous").addEventListener("click", () => step_shot(-1));
  $("next").addEventListener("click", () => step_shot(1));
  $("play").addEventListener("click", toggle_playing);
}

function set_zoom(value) {
  const scroll = $("lanes-scroll");
  zoom = Math.min(32, Math.max(1, value));
  $("lanes").style.width = `${zoom * 100}%`;
  $("zoom-level").textContent = `${zoom}×`;
  $("zoom-out").disabled = zoom === 1;
  $("zoom-in").disabled = zoom === 32;
  draw_axis(zoom);
  for (const element of $("lanes").querySelectorAll(".block[style*='width']")) {
    const narrow = element.getBoundingClientRect().width < 24;
    element.classList.toggle("tiny", narrow);
  }
  scroll.scrollLeft = now / DURATION * scroll.scrollWidth - scroll.clientWidth / 2;
}

function term(list, name, value, meter) {
  const box = make("div");
  const description = make("dd", "", value);
  box.append(make("dt", "", name), description);
  if (meter !== undefined) {
    const bar = make("div", "meter");
    const fill = make("i");
    fill.style.width = percent(Math.min(1, meter));
    bar.append(fill);
    description.append(bar);
  }
  $(list).append(box);
}

function draw_palette() {
  if (!COLORS) {
    $("palette-section").hidden = true;
    return;
  }
  const colors = COLORS.dominantColors || [];
  $("palette-bar").append(...color_bars(colors));
  for (const color of colors) {
    const entry = make("li");
    const paint = make("div", "paint");
    paint.style.background = safe_color(color.hex);
    const text = make("div", "words");
    text.append(make("code", "", color.hex), make("b", "", percent(color.share)), make("span", "soft", color.name));
    entry.append(paint, text);
    $("palette").append(entry);
  }
  term("gauges", "Brightness", (COLORS.brightness || 0).toFixed(2), COLORS.brightness || 0);
  term("gauges", "Contrast", (COLORS.contrast || 0).toFixed(2), (COLORS.contrast || 0) * 2);
  term("gauges", "Saturation", (COLORS.saturation || 0).toFixed(2), COLORS.saturation || 0);
  if (COLORS.temperatureKelvin) term("gauges", "Temperature", `${count(Math.round(COLORS.temperatureKelvin))} K`);
}

function draw_scenes() {
  if (!SCENE_RESULT) {
    $("scenes-section").hidden = true;
    return;
  }
  $("scenes").classList.toggle("few", SCENES.length < 3);
  $("scenes-title").textContent = SCENES.length === 1 ? "One scene" : `${SCENES.length} scenes`;
  SCENES.forEach((scene, index) => {
    const entry = make("li");
    const pictures = make("div", "pictures");
    const frames = KEY_FRAMES.filter((one) => one.offset >= scene.start && one.offset < scene.end);
    // Portrait pictures stand three side by side, wide ones two; twice as many where cards are wide.
    const most = (VIDEO.heightPx > VIDEO.widthPx ? 3 : 2) * (SCENES.length < 3 ? 2 : 1);
    const chosen = frames.filter((_, i) => frames.length <= most || i % Math.ceil(frames.length / most) === 0);
    const middle = (scene.start + scene.end) / 2;
    if (chosen.length) pictures.append(...chosen.slice(0, most).map((one) => picture(one, "")));
    else pictures.append(...color_bars(colors_at(middle)));
    const body = make("div", "body");
    const head = make("h3");
    const go = make("button", "quiet", `${place(scene.start)} – ${place(scene.end)}`);
    go.type = "button";
    go.setAttribute("aria-label", `Go to scene ${index + 1}, ${span_words(scene)}`);
    go.addEventListener("click", () => { seek(scene.start); document.querySelector(".viewer").scrollIntoView({block: "nearest"}); });
    head.append(make("span", "", `Scene ${index + 1}`), go);
    const facts = [length(scene.end - scene.start), counted(scene.shots.length, "shot")];
    const motions = CAMERA ? [...new Set((CAMERA.segments || []).filter((one) => {
      const item = span(one);
      return item.start < scene.end && item.end > scene.start;
    }).map((one) => (MOTIONS[one.motion] || [words(one.motion)])[0]))] : [];
    if (motions.length) facts.push(motions.slice(0, 4).join(", "));
    const color_row = make("div", "chips");
    color_row.append(...chips(colors_at(middle)));
    body.append(head, make("div", "soft", facts.join(" · ")), color_row);
    entry.append(pictures, body);
    $("scenes").append(entry);
  });
}

// What an analyzer that this page does not know found, as it stands.
function custom_result(value) {
  const details = make("details");
  details.append(make("summary", "", "Whole result"), make("pre", "", JSON.stringify(value, null, 2)));
  return details;
}

function draw_analyzers() {
  const head = make("tr");
  for (const [name, className] of [["Analyzer", ""], ["Status", ""], ["Result", ""], ["Frames", "number"],
                                   ["Batches", "number"], ["Busy", "number"], ["Summary", "number"], ["Done at", "number"]]) {
    const cell = make("th", className, name);
    cell.scope = "col";
    head.append(cell);
  }
  const top = make("thead");
  top.append(head);
  const body = make("tbody");
  for (const result of RESULTS) {
    const status = result.status || {};
    const good = (status.code || "OK") === "OK";
    const timing = result.timing || {};
    const row = make("tr");
    const name = make("td", "", result.analyzer);
    for (const model of result.models || []) {
      const device = model.device ? ` on ${model.device}` : "";
      name.append(make("small", "", `${model.name || ""} ${model.version || ""}${device}`));
    }
    const state = make("td");
    state.append(make("span", good ? "status good" : "status", status.code || "OK"));
    const text = make("td", "wide", good ? result.headline || "" : status.message || "");
    if (good && status.message) text.append(make("small", "", status.message));
    if (status.reason) text.append(make("small", "", status.reason));
    if (result.backgroundSegmentation && matte_note()) text.append(make("small", "", matte_note()));
    if (result.custom && Object.keys(result.custom).length) text.append(custom_result(result.custom));
    const retries = Number(timing.retryCount || 0);
    row.append(name, state, text, make("td", "number", count(timing.frameCount)),
               make("td", "number", count(timing.batchCount) + (retries ? ` + ${count(retries)} again` : "")),
               make("td", "number", length(seconds(timing.batchTime))),
               make("td", "number", length(seconds(timing.summarizeTime))),
               make("td", "number", length(seconds(timing.elapsed))));
    // On a phone each row is a card, and each value stands beside its column's name.
    [...row.cells].forEach((cell, index) => { cell.dataset.column = head.cells[index].textContent; });
    body.append(row);
  }
  $("analyzers").append(top, body);
  if (!RESULTS.length) document.querySelector("[aria-labelledby=analyzers-title]").hidden = true;
}

function draw_run() {
  const stats = RESPONSE.stats || {};
  const elapsed = seconds(stats.elapsed);
  term("run-facts", "Time", length(elapsed));
  if (elapsed > 0 && RESULTS.length) term("run-facts", "Speed", `${(COVERED / elapsed).toFixed(1)}× real time`);
  term("run-facts", "Frames decoded", count(stats.framesDecoded));
  term("run-facts", "Frames analysed", count(stats.framesAnalyzed));
  term("run-facts", "Read", bytes(stats.sourceBytes));
  if (Number(stats.sentBytes)) term("run-facts", "Sent to services", bytes(stats.sentBytes));
  if (Number(stats.sharedConversions)) term("run-facts", "Conversions shared", count(stats.sharedConversions));
  if (Number(stats.cacheHits) + Number(stats.cacheMisses)) {
    term("run-facts", "Model cache", `${count(stats.cacheHits)} hits, ${count(stats.cacheMisses)} misses`);
  }
  const stages = stats.stages || [];
  const most = Math.max(...stages.map((one) => seconds(one.time)), 1e-9);
  for (const stage of stages) {
    const entry = make("li");
    const bar = make("div", "meter");
    const fill = make("i");
    fill.style.width = percent(seconds(stage.time) / most);
    bar.append(fill);
    entry.append(make("span", "", stage.name), bar, make("span", "", length(seconds(stage.time))));
    $("stages").append(entry);
  }
  $("foot").textContent = `Made by Reelsight ${DATA.version || ""}. Request ${RESPONSE.requestId || "without id"}. ` +
      "Stages run side by side, so their times do not add up to the whole.";
}

draw_header();
draw_lanes();
draw_screen();
draw_scrubber();
draw_strip();
draw_palette();
draw_scenes();
draw_analyzers();
draw_run();
set_zoom(1);
seek(0, true);
$("zoom-in").addEventListener("click", () => set_zoom(zoom * 2));
$("zoom-out").addEventListener("click", () => set_zoom(zoom / 2));
addEventListener("resize", () => set_zoom(zoom));
addEventListener("keydown", (event) => { if (event.key === "Escape") hide_tip(); });
// Of any box on the page; what the keyboard is on keeps its tip, at its new place.
addEventListener("scroll", () => {
  const focused = document.activeElement;
  if (focused && focused.matches(".block:focus-visible, .tall:focus-visible") && !tip.hidden) {
    focused.dispatchEvent(new FocusEvent("focus"));
  } else {
    hide_tip();
  }
}, {passive: true, capture: true});
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
