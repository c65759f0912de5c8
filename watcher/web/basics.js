// Elements from data, and numbers in words. Names and answers are put in as text, never as markup.

const LONGEST = 72; // characters of a name; the middle of longer ones is left out
const ENDS = 34; // characters that are left on each side
const LONGEST_PART = 20; // characters without a place to break: it fits on a phone, so nothing breaks elsewhere
const PART_ENDS = 9;
const LAST = 5; // characters at the end that stay together: an extension alone on its line says nothing
export const clock = { skewMs: 0 }; // how far the agent's clock is ahead of ours

/** A name that the agent has not told, as it would: what is not seen, or turns text around, as escapes. */
export const shown = (name) => name.replace(/(?! )[\p{C}\p{Z}]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);

export const now = () => Date.now() + clock.skewMs;
export const $ = (id) => document.getElementById(id);

/** Make an element with text in it. */
export function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'text') element.textContent = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** A name as it is seen: the middle is left out of a long one, and of what has no place to break. */
function cut(name) {
  const whole = name.length > LONGEST ? `${name.slice(0, ENDS)}…${name.slice(-ENDS)}` : name;
  return whole.replace(/[^_.\-/\\…\s]+/g, (part) =>
    (part.length > LONGEST_PART ? `${part.slice(0, PART_ENDS)}…${part.slice(-PART_ENDS)}` : part));
}

/** A file's name, or a path: it may break behind `_ . - /`; of a long one the middle is left out. */
export function named(name, kind = 'name') {
  return broken(make('span', { class: kind }), name);
}

/** Where the view of one file is; `kind`: file, by its push token, or failed or waiting, by its name. */
export const fileAddress = (kind, key) => `#/${kind}/${encodeURIComponent(key)}`;

/** A file's name that leads to its own view. */
export function fileLink(name, kind, key, style = 'name') {
  const address = fileAddress(kind, key);
  return broken(make('a', { class: style, href: address, 'data-key': address }), name);
}

function broken(element, name) {
  const seen = cut(name);
  if (seen !== name) element.title = name;
  let left = seen.length;
  for (const part of seen.split(/(?<=[_.\-/\\…])(?=[^_.\-/\\…])/)) {
    if (element.firstChild && left > LAST) element.append(make('wbr'));
    left -= part.length;
    element.append(part);
  }
  return element;
}

export function moment(text) {
  const when = new Date(text);
  const today = new Date(now()).toDateString() === when.toDateString();
  const options = today ? {} : { day: 'numeric', month: 'short' };
  const shown = when.toLocaleString('en-GB', { ...options, hour: '2-digit', minute: '2-digit', second: '2-digit' });
  return make('time', { datetime: text, title: `${when.toISOString().slice(0, 19).replace('T', ' ')} UTC`, text: shown });
}

/** Which other agent of a shared journal has a file under way. */
export const whose = (row) => make('span', {}, 'the agent on ', named(row.host ?? row.agent, ''));

/** Until when a file waits that was taken over: the agent before may still have something of it under way. */
export const waits = (row) => make('span', {}, 'until ', moment(row.waits_until), ': no request of the agent that had it before can be under way then');

/** Put other children into an element; the keyboard's focus stays on what has the same `data-key`. */
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...children);
  if (key !== undefined) [...element.querySelectorAll('[data-key]')].find((each) => each.dataset.key === key)?.focus();
}

const titles = { state: 'watcher', place: '' };

/** Bring the tab's title up: what is seen, before how the agent is. */
export function setTitle(parts) {
  Object.assign(titles, parts);
  document.title = [titles.place, titles.state].filter(Boolean).join(' · ');
}

const opened = new Set(); // what a reader opened stays open, whatever comes meanwhile

/** What is shown on demand. `content` makes it; it is asked only once it is wanted. */
export function more(key, summary, content) {
  const element = make('details', { open: opened.has(key) }, make('summary', { 'data-key': key, text: summary }));
  const show = () => { if (element.open && element.children.length === 1) element.append(...content()); };
  show();
  element.addEventListener('toggle', () => {
    if (element.open) opened.add(key); else opened.delete(key);
    show();
  });
  return element;
}

/** The first so many of `items` as elements, then the others on demand. */
export function firstOf(items, most, key, show) {
  const rest = items.length - most;
  const first = show(rest > 0 ? items.slice(0, most) : items);
  return rest > 0 ? [first, more(key, `${rest.toLocaleString('en')} more`, () => [show(items.slice(most))])] : [first];
}

/** Put rows together that differ in numbers alone: [{words, rows}], the words those of the first. */
export function grouped(rows, words) {
  const groups = new Map();
  for (const row of rows) {
    const key = words(row).replace(/\d[\d,.]*/g, '#');
    if (!groups.has(key)) groups.set(key, { key, words: words(row), rows: [] });
    groups.get(key).rows.push(row);
  }
  return [...groups.values()];
}

const reports = new Map(); // texts that were read, and which of them are open, by their address

/** A button and the place of a report, which is read when it is asked for: [button, place]. */
export function report(name, address) {
  const known = reports.get(address) ?? { open: false, text: '' };
  reports.set(address, known);
  const button = make('button', { type: 'button', 'aria-label': `Error report of ${name}`, 'data-key': address, text: 'Report' });
  const place = make('pre', { tabindex: '0', 'aria-label': `Report of ${name}` });
  const show = () => {
    button.setAttribute('aria-expanded', String(known.open));
    place.hidden = !known.open;
    place.textContent = known.text;
  };
  button.addEventListener('click', async () => {
    known.open = !known.open;
    show();
    if (!known.open || known.text) return;
    try {
      known.text = await (await fetch(address)).text();
    } catch {
      known.open = false;
    }
    show();
  });
  show();
  return [button, place];
}

export function bytes(number) {
  if (number < 1000) return `${number} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = number;
  let unit = -1;
  do { size /= 1000; unit += 1; } while (size >= 999.5 && unit < units.length - 1);
  return `${size.toFixed(size < 9.95 ? 1 : 0)} ${units[unit]}`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function counted(number, noun, nouns = `${noun}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? noun : nouns}`;
}
