// Fills the page from JSON. File names and server answers are data: they are put in as text, never as markup.

import { act, setActs } from './acts.js';
import { $, bytes, clock, counted, duration, fileLink, fill, make, moment, named, now, setTitle, waits, whose } from './basics.js';
import { showFile } from './file.js';
import { needed, needs, showNeeds } from './needs.js';
import { loadOutcomes } from './outcomes.js';
import { showHistory } from './plots.js';
import { showWaiting } from './waiting.js';

const POLL_MS = 5000; // where server-sent events do not come through
const HISTORY_MS = 60000;
const told = {}; // the JSON of each part as it is shown: what did not change is not touched
const speeds = new Map(); // where an upload was when this page first saw it move

/** Run `show` if this part is not shown yet as it is now. */
function changed(part, data, show) {
  const text = JSON.stringify(data);
  if (told[part] === text) return;
  told[part] = text;
  show(data);
}

function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

// -- the parts ------------------------------------------------------------------------------------------------

function showState(data) {
  const need = needs(data);
  const [words, kind] =
    data.ill.length ? [data.ill[0], 'bad']
      : data.trouble ? ['in trouble', 'bad']
        : !data.running ? ['not running', 'bad']
          : data.held.length ? [`${counted(data.held.length, 'hold')}, nothing is lost`, 'warn']
            : ['running', 'good'];
  // What needs somebody comes first, whatever else there is to say.
  const both = [need.words, ...(need.words && kind === 'good' ? [] : [words])].filter(Boolean).join(' · ');
  setText('state', both);
  $('state').className = `chip ${need.number && kind !== 'bad' ? need.kind : kind}`;
  const site = data.title ?? 'watcher';
  setTitle({ state: kind === 'good' && !need.number ? site : `${both} · ${site}` });
  setText('title', site);
  fill($('about'), `tenant ${data.tenant}, host ${data.host}, `, named(data.drop, ''), ' → ', named(data.server, ''));
  const trouble = [...data.ill, ...(data.trouble ? [data.trouble] : [])].join('; ');
  $('trouble').hidden = !trouble;
  setText('trouble', trouble);
  // What an agent that does not turn any more, or is stopping, last told is old.
  document.body.classList.toggle('stale', data.ill.length > 0 || !data.running);
  setText('foot', `watcher ${data.version}. Times are those of your time zone.`);
}

function showNumbers(data) {
  const number = (value, label) => make('div', {}, make('dt', { text: label }), make('dd', {}, value));
  $('numbers').replaceChildren(
    ...(data.need.number ? [number(make('span', { class: `outcome ${data.need.kind}`, text: data.need.number.toLocaleString('en') }), data.need.number === 1 ? 'needs you' : 'need you')] : []),
    number(data.started ? make('span', { 'data-since': data.started }) : '–', 'running for'),
    number(data.waiting.toLocaleString('en'), 'waiting'),
    number(data.way.toLocaleString('en'), 'under way'),
    number(data.held.toLocaleString('en'), 'held'),
  );
}

function showHeld(held) {
  fill($('held'), ...held.map((hold) => make('div', { class: 'notice warn' },
    make('strong', { text: `held: ${hold.target}` }),
    make('div', { text: hold.reason }),
    ...(hold.check ? [make('div', {}, make('b', { text: 'What to check: ' }), hold.check)] : []),
    make('div', { class: 'quiet' }, 'Since ', moment(hold.since), ' (', make('span', { 'data-since': hold.since }), '), ',
      counted(hold.tries, 'try', 'tries'), '; next try ', make('span', { 'data-until': hold.next_try_at }), '.'))));
}

/** Where several share a journal: each with its host, and whether it lives. */
function showAgents(agents) {
  $('shared').hidden = !agents.length;
  setText('n-shared', String(agents.length));
  fill($('agents'), ...agents.map((agent) => {
    const [words, kind, since] = agent.ended_at ? ['ended', 'quiet', agent.ended_at]
      : agent.silent ? ['silent', 'outcome bad', agent.seen_at] : ['running', 'outcome good', agent.started_at];
    return make('li', {}, named(agent.host, ''), ' ', make('span', { class: kind, text: words }), agent.ended_at ? ' at ' : ' since ', moment(since),
      make('span', { class: 'quiet', text: ` (${agent.id}, process ${agent.pid}, watcher ${agent.version})` }));
  }));
}

function showWay(rows) {
  setText('n-way', rows.length ? String(rows.length) : '');
  for (const token of speeds.keys()) if (!rows.some((row) => row.push_token === token)) speeds.delete(token);
  fill($('way'), ...(rows.length ? rows.map(upload) : [make('p', { class: 'empty', text: 'Nothing is being uploaded.' })]));
}

function upload(row) {
  const share = Math.min(100, Math.floor((100 * row.delivered_bytes) / (row.total_bytes || 1)));
  return make('div', { class: 'upload' },
    make('div', { class: 'line' },
      fileLink(row.name, 'file', row.push_token),
      make('span', { class: 'quiet', text: row.route ?? 'no route' }),
      ...(row.agent ? [make('span', { class: 'quiet' }, 'with ', whose(row))] : []), ...act('withdraw', row.name, row.key)),
    make('progress', { max: 100, value: share, 'aria-label': `${row.name}: ${share} %` }),
    make('div', { class: 'line quiet' },
      make('span', { text: `${share} %, ${bytes(row.delivered_bytes)} of ${bytes(row.total_bytes)}, ${counted(row.chunks, 'chunk')}` }),
      row.waits_until ? make('span', {}, 'waits ', waits(row)) : make('span', { text: left(row) })));
}

/** Say how long an upload will take, by its speed since this page saw it first, else since it began. */
function left(row) {
  const at = { time: now(), bytes: row.delivered_bytes };
  const first = speeds.get(row.push_token);
  if (!first || first.bytes > at.bytes) speeds.set(row.push_token, at);
  let speed = at.bytes / ((at.time - Date.parse(row.started_at)) / 1000);
  if (first && at.bytes > first.bytes && at.time - first.time > 2000) {
    speed = (at.bytes - first.bytes) / ((at.time - first.time) / 1000);
  }
  if (row.held_by.length) return `waits: held by ${row.held_by.join(', ')}`;
  if (row.delivered_bytes === 0 || !(speed > 0)) return row.state === 'ready' ? 'being inspected' : 'no answer yet';
  return `about ${duration((row.total_bytes - row.delivered_bytes) / speed)} left, ${bytes(Math.round(speed))}/s`;
}

// -- what keeps it going --------------------------------------------------------------------------------------

function show(data) {
  heardAt = now();
  const mayElse = setActs(data.acts);
  changed('state', { ...data, waiting: data.waiting.filter((row) => row.stuck), under_way: 0, last: 0, updated_at: 0, agents: 0 }, showState);
  changed('needs', needed(data), showNeeds);
  changed('numbers', { need: needs(data), started: data.started_at, waiting: data.waiting_count, way: data.under_way.length, held: data.held.length }, showNumbers);
  changed('held', data.held, showHeld);
  changed('agents', (data.agents ?? []).map((agent) => ({ ...agent, seen_at: agent.silent && agent.seen_at })), showAgents);
  changed('way', { rows: data.under_way, may: data.acts?.may }, ({ rows }) => showWay(rows));
  changed('waiting', { rows: data.waiting, number: data.waiting_count, ignored: data.ignored, drop: data.drop, routes: data.routes, may: data.acts?.may }, showWaiting);
  changed('last', data.last, () => { loadOutcomes(); loadHistory(); });
  showFile(mayElse);
  tick();
}

/** Bring the times up that run: "for 3 min 20 s", "in 40 s". They are not announced. */
function tick() {
  for (const element of document.querySelectorAll('[data-since]')) {
    element.textContent = duration((now() - Date.parse(element.dataset.since)) / 1000);
  }
  for (const element of document.querySelectorAll('[data-until]')) {
    const seconds = (Date.parse(element.dataset.until) - now()) / 1000;
    element.textContent = seconds > 0.5 ? `in ${duration(seconds)}` : 'now';
  }
}

let historyAt = 0;
let historyTurn = 0;
async function loadHistory() {
  historyAt = Date.now();
  const mine = historyTurn += 1;
  try {
    const answer = await fetch('api/history');
    const data = answer.ok ? await answer.json() : null;
    if (data && mine === historyTurn) showHistory(data);
  } catch { /* the next minute tries again; the state says that the agent does not answer */ }
}

let heardAt = null; // when there was the last answer
/** Say since when nothing is known: what is seen here is as it was then. */
function lost(words = 'no answer from the agent', why = '') {
  setText('state', words);
  $('state').className = 'chip bad';
  setTitle({ state: `no answer · ${$('title').textContent}` });
  delete told.state;
  document.body.classList.add('stale');
  $('trouble').hidden = false;
  fill($('trouble'), why ? `${why}. ` : '', ...(heardAt === null ? ['Nothing was heard of the agent so far.'] : [
    'Nothing was heard since ', moment(new Date(heardAt).toISOString()), ' (',
    make('span', { 'data-since': new Date(heardAt).toISOString() }), '). What is seen here is as it was then.']));
  tick();
}

let turn = 0; // looks at the agent, counted
let newest = 0; // the newest of them that told something: an older one that comes later says what was

async function poll() {
  const mine = turn += 1;
  try {
    const answer = await fetch('api/now');
    const sent = Date.parse(answer.headers.get('date'));
    if (Math.abs(sent - Date.now()) > 5000) clock.skewMs = sent - Date.now();
    const data = await answer.json();
    if (mine < newest) return;
    newest = mine;
    if (answer.ok) show(data);
    else lost(undefined, data.trouble);
  } catch {
    if (mine > newest) lost();
  }
}

let polling;
function listen() {
  const source = new EventSource('api/events');
  source.addEventListener('now', (event) => {
    clearInterval(polling);
    polling = undefined;
    newest = turn += 1;
    show(JSON.parse(event.data));
  });
  source.addEventListener('slow', () => { newest = turn += 1; lost('the disk does not answer'); });
  source.addEventListener('error', () => {
    // The browser tries again by itself, unless the server refused: then this asks now and then.
    polling ??= setInterval(poll, POLL_MS);
    poll();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, HISTORY_MS);
  });
}

poll();
listen();
setInterval(tick, 1000);
setInterval(() => { if (Date.now() - historyAt > HISTORY_MS) loadHistory(); }, 5000);
