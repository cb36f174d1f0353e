// Emotions with their numbers of faces, as bars that can be switched on and off. Data comes from
// emotion_counts in sheet.py; the emotions that are on go back as the state "chosen".

const rows = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  let list = rows.get(parentElement);
  if (!list) {
    list = document.createElement("div");
    list.className = "counts";
    list.setAttribute("role", "group");
    list.setAttribute("aria-label", "Faces per emotion");
    parentElement.append(list);
    rows.set(parentElement, list);
  }
  const colours = getComputedStyle(list).getPropertyValue("--st-chart-categorical-colors").split(/,(?![^(]*\))/);
  const most = Math.max(1, ...data.rows.map((row) => row.all));
  const chosen = new Set(data.chosen);
  const make = (name, text = "") => {
    const part = document.createElement("span");
    part.className = name;
    part.textContent = text;
    return part;
  };
  const focused = parentElement.activeElement?.dataset.emotion;
  list.replaceChildren(...data.rows.map((row) => {
    const button = document.createElement("button");
    const isOn = chosen.has(row.emotion);
    button.type = "button";
    button.dataset.emotion = row.emotion;
    button.className = chosen.size && !isOn ? "off" : "";
    button.setAttribute("aria-pressed", `${isOn}`);
    const number = row.shown === row.all ? `${row.all}` : `${row.shown} of ${row.all}`;
    button.setAttribute("aria-label", `${row.emotion}: ${number}`);
    button.title = isOn ? `Show others than ${row.emotion} again` : `Show only ${row.emotion}`;
    const track = make("track"), all = make("all"), shown = make("shown");
    all.style.width = `${(100 * row.all) / most}%`;
    shown.style.width = `${(100 * row.shown) / most}%`;
    shown.style.background = colours[row.colour] || "gray";
    track.append(all, shown);
    button.append(make("word", row.emotion), track, make("number", number));
    button.addEventListener("click", () => {
      if (!chosen.delete(row.emotion)) chosen.add(row.emotion);
      setStateValue("chosen", [...chosen]);
    });
    return button;
  }));
  if (focused) list.querySelector(`[data-emotion="${focused}"]`)?.focus();
  return () => rows.delete(parentElement);
}
