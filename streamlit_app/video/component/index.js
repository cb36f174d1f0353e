// One cursor, a time in seconds, for the player, the charts and the keys.
//
// Vega draws the charts; this sets their signals `cursor`, `from_s` and `until_s`.

const NAMES = ["timeline", "probabilities", "plane", "bars"];
const SECOND_S = 1;
const REST_MS = 250; // after which a cursor that does not move is at rest
const AFTER_S = 0.001; // after the start of a frame, so that rounding does not show the one before

const viewers = new WeakMap();
let embedding; // the promise of vegaEmbed
let left = {}; // the charts of the viewer that was closed last

function loadEmbed(url) {
  embedding ??= import(new URL(url, document.baseURI).href).then(
    () => window.vegaEmbed,
  );
  embedding.catch(() => (embedding = undefined));
  return embedding;
}

function clock(timeS, decimals) {
  const units = 10 ** decimals;
  const whole = Math.round(timeS * units);
  const seconds = Math.floor(whole / units);
  const pad = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const start = hours ? `${hours}:${pad(minutes)}` : `${minutes}`;
  return `${start}:${pad(seconds % 60)}` + (decimals ? `.${whole % units}` : "");
}

function finalize(charts = {}) {
  for (const { view } of Object.values(charts)) view.finalize();
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.video = this.find("video");
    this.course = this.find(".course");
    this.charts = {}; // by name: where it is, its view and its width
    this.signals = { cursor: 0, from_s: 0, until_s: 0 };
    this.shown = ""; // what is drawn, to draw it again only if it changes
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.find(".viewer"));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  async update(data, setStateValue, setTriggerValue) {
    const isFirst = !this.data;
    const seekBefore = this.data?.seek?.[0];
    Object.assign(this, { data, setStateValue, setTriggerValue });
    this.showVideo();
    const button = this.find(".mark");
    button.hidden = !data.mark;
    button.textContent = data.mark ? `${data.mark} (M)` : "";
    if (!this.dragged) [this.signals.from_s, this.signals.until_s] = data.span ?? [0, 0];
    if (isFirst) this.signals.cursor = data.start_s;
    if (data.seek && data.seek[0] !== seekBefore) this.seek(data.seek[1]);
    const shown = JSON.stringify([data.charts, data.rows, this.config]);
    if (shown !== this.shown) {
      this.shown = shown;
      await this.draw();
    }
    this.render();
  }

  showVideo() {
    const { video } = this.data;
    this.find(".player").classList.toggle("empty", !video);
    if (!video || this.source === video.url) return;
    this.source = video.url;
    this.video.src = video.url;
    this.video.setAttribute("aria-label", video.alt);
    this.video.style.setProperty("--ratio", video.ratio);
  }

  // Font and colours of the page's theme; emotions take the colours in their order
  get config() {
    const style = getComputedStyle(this.find(".viewer"));
    const category = style.getPropertyValue("--st-chart-categorical-colors").split(/,(?![^(]*\))/);
    return { font: style.fontFamily, range: { category } };
  }

  async draw() {
    const round = (this.round = (this.round ?? 0) + 1);
    const { charts, rows, vega } = this.data;
    if (this.goOn()) return;
    try {
      const embed = await loadEmbed(vega);
      for (const name of NAMES) {
        const place = this.find(`.${name}`);
        const { spec, alt } = charts[name];
        const options = { actions: false, defaultStyle: false, renderer: "svg" };
        const width = place.clientWidth;
        const whole = {
          ...spec,
          width,
          background: "transparent",
          datasets: { ...spec.datasets, course: rows },
        };
        const { view, finalize } = await embed(place, whole, { ...options, config: this.config });
        if (round !== this.round) return finalize();
        this.charts[name]?.view.finalize();
        this.charts[name] = { place, view, width };
        this.describe(name, place, alt);
      }
    } catch (error) {
      console.error(error);
    }
    this.find(".fault").hidden = NAMES.every((name) => this.charts[name]);
  }

  // Whoever comes back to a page finds the same charts: drawing takes longer than all else
  goOn() {
    const { shown, charts } = left;
    left = {};
    const places = NAMES.map((name) => this.find(`.${name}`));
    const fits = ({ clientWidth }, i) => clientWidth === charts[NAMES[i]]?.width;
    if (shown !== this.shown || !places.every(fits)) return finalize(charts);
    finalize(this.charts);
    places.forEach((place, i) => place.replaceWith(charts[NAMES[i]].place));
    this.charts = charts;
    this.find("#about").textContent = this.data.charts.timeline.alt;
    return true;
  }

  // For screen readers, in place of what Vega says; the charts over time are one slider
  describe(name, place, alt) {
    for (const attribute of ["role", "aria-label", "aria-roledescription"]) {
      place.removeAttribute(attribute);
    }
    if (name === "timeline") this.find("#about").textContent = alt;
    if (name !== "plane" && name !== "bars") return;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", alt);
  }

  resize() {
    for (const chart of Object.values(this.charts)) {
      const width = chart.place.clientWidth;
      if (!width || width === chart.width) continue;
      chart.width = width;
      chart.view.width(width).runAsync();
    }
  }

  // The cursor

  get lastS() {
    return Math.max(this.data.start_s, this.data.end_s - AFTER_S);
  }

  seek(timeS) {
    const time = Math.min(Math.max(timeS, this.data.start_s), this.lastS);
    if (this.data.video) {
      if (this.video.seeking) this.waiting = time;
      else this.video.currentTime = time - this.data.offset_s;
    }
    this.moveTo(time);
  }

  step(frames) {
    const { step_s: stepS } = this.data;
    this.video.pause();
    const frame = Math.floor(this.signals.cursor / stepS + 0.01) + frames;
    this.seek(frame * stepS + AFTER_S);
  }

  follow() {
    if (this.waiting !== undefined) return; // what is sought is not shown yet
    this.moveTo(this.video.currentTime + this.data.offset_s);
    if (!this.video.paused && !this.video.ended) requestAnimationFrame(() => this.follow());
  }

  moveTo(timeS) {
    this.signals.cursor = Math.min(Math.max(timeS, this.data.start_s), this.lastS);
    this.asked ??= requestAnimationFrame(() => this.render());
  }

  shade(fromS, untilS) {
    [this.signals.from_s, this.signals.until_s] = [fromS, untilS].sort((a, b) => a - b);
    this.asked ??= requestAnimationFrame(() => this.render());
  }

  render() {
    this.asked = undefined;
    const { cursor } = this.signals;
    for (const { view } of Object.values(this.charts)) {
      for (const [name, value] of Object.entries(this.signals)) view.signal(name, value);
      view.runAsync();
    }
    const [now, end] = [clock(cursor, 1), clock(this.data.end_s, 1)];
    this.find(".clock").textContent = `${now} / ${end}`;
    const values = { valuemin: this.data.start_s, valuemax: this.data.end_s, valuetext: now };
    for (const [name, value] of Object.entries({ ...values, valuenow: cursor.toFixed(3) })) {
      this.course.setAttribute(`aria-${name}`, value);
    }
    this.tell();
  }

  // Says where the cursor has come to rest, where somebody wants to know
  tell() {
    clearTimeout(this.resting);
    if (!this.data.follows) return;
    this.resting = setTimeout(() => {
      const { cursor } = this.signals;
      if (this.dragged || this.told === cursor) return;
      if (this.data.video && !this.video.paused) return;
      this.told = cursor;
      this.setStateValue("cursor", cursor);
    }, REST_MS);
  }

  // Mouse, finger and keys

  timeAt(event) {
    const { view } = this.charts.timeline;
    const left = this.find(".timeline svg").getBoundingClientRect().left + view.origin()[0];
    return view.scale("x").invert(event.clientX - left);
  }

  listen() {
    const { video, course } = this;
    for (const name of ["play", "seeking", "timeupdate", "loadedmetadata"]) {
      video.addEventListener(name, () => this.data && this.follow());
    }
    video.addEventListener("pause", () => this.data && this.tell());
    video.addEventListener("seeked", () => {
      const { waiting } = this;
      this.waiting = undefined;
      if (waiting !== undefined) this.seek(waiting);
    });
    this.find(".back").addEventListener("click", () => this.step(-1));
    this.find(".ahead").addEventListener("click", () => this.step(1));
    this.find(".mark").addEventListener("click", () => this.mark());
    // What is dragged: a span with its start, or the cursor.
    course.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.charts.timeline) return;
      course.setPointerCapture(event.pointerId);
      const timeS = this.timeAt(event);
      this.dragged = event.shiftKey ? { startS: timeS } : {};
      if (event.shiftKey) this.shade(timeS, timeS);
      else this.seek(timeS);
    });
    course.addEventListener("pointermove", (event) => {
      if (!this.dragged) return;
      const { startS } = this.dragged;
      if (startS === undefined) this.seek(this.timeAt(event));
      else this.shade(startS, this.timeAt(event));
    });
    course.addEventListener("pointerup", () => {
      const isSpan = this.dragged?.startS !== undefined;
      this.dragged = undefined;
      this.tell();
      if (isSpan) this.setStateValue("span", [this.signals.from_s, this.signals.until_s]);
    });
    course.addEventListener("pointercancel", () => (this.dragged = undefined));
    this.find(".viewer").addEventListener("keydown", (event) => this.press(event), true);
  }

  mark() {
    this.setTriggerValue("mark", this.signals.cursor);
  }

  press(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { cursor } = this.signals;
    const actions = {
      ArrowLeft: () => (event.shiftKey ? this.seek(cursor - SECOND_S) : this.step(-1)),
      ArrowRight: () => (event.shiftKey ? this.seek(cursor + SECOND_S) : this.step(1)),
      Home: () => this.seek(this.data.start_s),
      End: () => this.seek(this.data.end_s),
    };
    if (event.target === this.course) {
      actions[" "] = () => (this.video.paused ? this.video.play() : this.video.pause());
    }
    if (this.data.mark) actions.m = () => this.mark();
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  close() {
    clearTimeout(this.resting);
    this.observer.disconnect();
    this.round += 1;
    finalize(left.charts);
    left = { shown: this.shown, charts: this.charts };
  }
}

export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement)));
  viewer.update(data, setStateValue, setTriggerValue);
  return () => {
    // Streamlit also cleans up after a change that another one has overtaken
    if (!parentElement.isConnected) viewer.close();
  };
}
