/* SPDX-License-Identifier: ISC
 *
 * trace/cmd/page.js - the page of `gort trace html`.
 *
 * Text comes from the trace and may be anything: it gets into the document by
 * textContent and createTextNode only, never as HTML.
 *
 * Lanes are drawn into an array of pixels.  Where several spans fall into one
 * column of pixels it shows for how much of it the lane was in each state, by
 * the difference of two prefix sums; what a frame costs depends on the number
 * of pixels, not on that of spans.
 *
 * Times are ns from the beginning of what of the trace is here; shown are those
 * from the beginning of the trace.
 */
'use strict';
(() => {

const $ = id => document.getElementById(id);
const started = performance.now();

/* --- data: in the order in which html_out.c writes it --- */

const RUNNABLE = 2, RUNNING = 3, WAITING = 4, SYSCALL = 5, MERGED = 6;
const STATES = ['', '', 'runnable', 'running', 'waiting', 'system call',
	'several spans'];
const OVERVIEW = 2048;

function take(id)
{
	const e = $(id), text = e.textContent;

	e.remove();
	return text;
}

function bytesOf(base64)
{
	if (Uint8Array.fromBase64)
		return Uint8Array.fromBase64(base64);
	const s = atob(base64), b = new Uint8Array(s.length);

	for (let i = 0; i < s.length; i++)
		b[i] = s.charCodeAt(i);
	return b;
}

function reader(buf)
{
	let pos = 0;

	return () => {
		let b = buf[pos++], v = b & 127, m = 128;

		for (; b >= 128; m *= 128) {
			b = buf[pos++];
			v += (b & 127) * m;
		}
		return v;
	};
}

/* One of the two sets of lanes, by columns. */
function readLanes(next, set)
{
	const lanes = [];
	let n = 0;

	for (let i = 0; i < set.lanes.length; i += 2) {
		lanes.push({ set, id: set.lanes[i], from: n,
			to: n + set.lanes[i + 1] });
		n += set.lanes[i + 1];
	}
	const column = (type, minus) => {
		const a = new type(n);

		for (let i = 0; i < n; i++)
			a[i] = next() - minus;
		return a;
	};

	set.start = column(Float64Array, 0);
	set.end = column(Float64Array, 0);
	for (const l of lanes)
		for (let i = l.from, t = 0; i < l.to; i++) {
			set.start[i] += t;
			t = set.end[i] += set.start[i];
		}
	set.state = column(Uint8Array, 0);
	set.who = column(Float64Array, 1);
	set.by = column(Float64Array, 1);
	set.latency = column(Float64Array, 1);
	set.site = column(Uint32Array, 0);
	set.why = column(Uint32Array, 0);
	set.stack = column(Uint32Array, 0);
	set.byStack = column(Uint32Array, 0);
	set.count = column(Uint32Array, 0);
	set.lanes = lanes;
	set.byId = new Map(lanes.map(l => [l.id, l]));
	sum(set, n);
}

/* Time in each state before record i. */
function sum(set, n)
{
	const run = set.sumRunning = new Float64Array(n + 1);
	const able = set.sumRunnable = new Float64Array(n + 1);
	const sys = set.sumSyscall = new Float64Array(n + 1);

	for (let i = 0; i < n; i++) {
		const d = set.end[i] - set.start[i], s = set.state[i];

		run[i + 1] = run[i] + (s === RUNNING ? d :
			s === MERGED ? set.who[i] : 0);
		able[i + 1] = able[i] + (s === RUNNABLE ? d :
			s === MERGED ? set.by[i] : 0);
		sys[i + 1] = sys[i] + (s === SYSCALL ? d :
			s === MERGED ? set.latency[i] : 0);
	}
}

function readListed(next)
{
	const list = new Array(next());

	for (let i = 0; i < list.length; i++)
		list[i] = { id: next(), site: next(), flags: next(),
			begin: next(), life: next(), running: next(),
			runnable: next(), waiting: next(), syscall: next(),
			latency: next(), spans: next() };
	return list;
}

const meta = JSON.parse(take('meta'));
const { strings, frames, sites, plane, glane, duration } = meta;
let nodeFrame, nodeParent, listed, overview;

(() => {
	const next = reader(bytesOf(take('numbers')));
	const n = next() + 1;

	nodeFrame = new Uint32Array(n);
	nodeParent = new Uint32Array(n);
	for (let i = 1; i < n; i++) {
		nodeFrame[i] = next();
		nodeParent[i] = i - next();
	}
	listed = readListed(next);
	overview = [0, 1, 2].map(() => Float64Array.from({ length: OVERVIEW }, next));
	readLanes(next, plane);
	readLanes(next, glane);
})();

const byId = new Map(listed.map(g => [g.id, g]));

/* --- words --- */

function digits(v)
{
	return v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2);
}

function time(ns)
{
	if (ns >= 1e13)
		return `${number(Math.round(ns / 1e9))} s`;
	return ns < 1e3 ? `${Math.round(ns)} ns` : ns < 1e6 ? `${digits(ns / 1e3)} µs` :
		ns < 1e9 ? `${digits(ns / 1e6)} ms` : `${digits(ns / 1e9)} s`;
}

const number = n => n.toLocaleString('en').replaceAll(',', '\u202f');
const plural = (n, word) => `${number(n)} ${word}${n === 1 ? '' : 's'}`;
const percent = (a, b) => b ? `${(a / b * 100).toFixed(1)} %` : '';
const siteName = i => sites[i] && strings[sites[i][0]] || '(unknown)';
const siteOf = g => byId.has(g) ? byId.get(g).site : 0;
const reason = (i, other) => strings[i] || other;

function goName(g, site)
{
	return `G${g} ${siteName(site || siteOf(g))}`;
}

/* Innermost first */
function stackFrames(node)
{
	const out = [];

	for (; node; node = nodeParent[node]) {
		const f = nodeFrame[node] * 3;

		out.push({ func: strings[frames[f]] || '?', file: strings[frames[f + 1]],
			line: frames[f + 2] });
	}
	return out;
}

/* The function that called into the runtime of Go, if it was one. */
function place(node)
{
	const list = stackFrames(node), f = list.find(x => !x.func.startsWith('runtime.')) || list[0];

	return f ? f.func : '';
}

const leaf = node => node ? strings[frames[nodeFrame[node] * 3]] || '?' : '';

/* A time from the beginning of the trace, to the precision of step. */
function clock(since, step)
{
	const t = since + meta.from, all = duration + meta.from;
	const [unit, name] = all < 1e3 ? [1, 'ns'] : all < 1e6 ? [1e3, 'µs'] :
		all < 1e9 ? [1e6, 'ms'] : [1e9, 's'];
	const least = Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
	const n = Math.min(9, least > 3 ? Math.ceil(least / 3) * 3 : least);
	const [whole, part] = (t / unit).toFixed(n).split('.');

	return whole + (part ? '.' + part.replace(/(\d{3})(?=\d)/g, '$1\u2009') : '') +
		'\u2009' + name;
}

/* --- elements --- */

function el(name, attrs, ...children)
{
	const e = document.createElement(name);

	for (const k in attrs)
		if (k.startsWith('on'))
			e.addEventListener(k.slice(2), attrs[k]);
		else
			e.setAttribute(k, attrs[k]);
	e.append(...children.filter(c => c !== null && c !== undefined));
	return e;
}

function svg(name, attrs, ...children)
{
	const e = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (const k in attrs)
		e.setAttribute(k, attrs[k]);
	e.append(...children);
	return e;
}

const link = (text, fn) => el('button', { class: 'link', type: 'button', onclick: fn }, text);
const goLink = (g, site) => g < 0 ? '' : link(goName(g, site), () => selectGo(g));
const atLink = (t, d) => link(clock(t, 1e3), () => zoomTo(t, t + d));

function stackList(node)
{
	const list = el('ol', { class: 'stack' });

	for (const f of stackFrames(node))
		list.append(el('li', {}, f.func, f.file ? el('small', {},
			f.file + (f.line ? `:${f.line}` : '')) : null));
	return node ? list : el('p', { class: 'dim' }, 'no stack');
}

/*
 * columns: [title, cell of row, number?]; rows can be sorted by what cell
 * gives, or by a fourth member if that is an element.
 */
function table(columns, rows, max = 200)
{
	const body = el('tbody'), t = el('table');
	let order = null, down = true;

	const fill = () => {
		body.replaceChildren(...rows.slice(0, max).map(r => el('tr', {},
			...columns.map(c => el('td', c[2] ? { class: 'n' } : {},
				c[1](r) ?? '')))));
	};
	const sortBy = i => {
		const key = columns[i][3];

		down = order === i ? !down : true;
		order = i;
		rows.sort((a, b) => {
			const x = key(a), y = key(b), v = x < y ? -1 : x > y ? 1 : 0;

			return down ? -v : v;
		});
		fill();
	};
	t.append(el('thead', {}, el('tr', {}, ...columns.map((c, i) =>
		el('th', { class: c[2] ? 'n' : '', scope: 'col' }, c[3] ?
			el('button', { type: 'button', title: 'Sort', onclick: () => sortBy(i) }, c[0]) :
			c[0])))), body);
	fill();
	return rows.length > max ? el('div', {}, t, el('p', { class: 'dim' },
		`and ${number(rows.length - max)} more`)) : t;
}

/* --- colours --- */

let colors = {}, siteColors = [];

function rgb(text)
{
	const c = document.createElement('canvas').getContext('2d');

	c.fillStyle = text;
	c.fillRect(0, 0, 1, 1);
	return [...c.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

const pack = c => (255 << 24 | c[2] << 16 | c[1] << 8 | c[0]) >>> 0;

function readColors()
{
	const style = getComputedStyle(document.documentElement);
	const dark = matchMedia('(prefers-color-scheme: dark)').matches;

	colors = { dark };
	for (const name of ['bg', 'lane', 'line', 'text', 'dim', 'sel', 'running',
		'runnable', 'waiting', 'syscall', 'stw', 'gc', 'np', 'accent']) {
		colors[name] = style.getPropertyValue(`--${name}`).trim();
		colors[name + '32'] = pack(rgb(colors[name]));
	}
	/* Golden angle: neighbours differ. */
	siteColors = sites.slice(0, 64).map((s, i) => pack(rgb(
		`hsl(${(150 + i * 137.508) % 360} ${dark ? '42% 46%' : '48% 62%'})`)));
	colors.state = [0, 0, colors.runnable32, colors.running32,
		colors.waiting32, colors.syscall32, colors.waiting32];
	colors.faded32 = pack(rgb(dark ? '#2c3135' : '#dfe2e3'));
}

const siteColor = i => siteColors[i % siteColors.length];

/* --- view --- */

const GUTTER = 168, AXIS = 22, P_HEIGHT = 24, G_HEIGHT = 16, MARK_HEIGHT = 16,
	HEAD_HEIGHT = 20;
const view = { t0: 0, t1: Math.max(1, duration) };
let rows = [], rowsHeight = 0, filter = '', onlyActive = false, sel = null, asked = false;
let drawTime = 0;

const canvas = $('lanes'), scroll = $('scroll'), mini = $('mini');
const ctx = canvas.getContext('2d', { alpha: false });
const miniCtx = mini.getContext('2d', { alpha: false });
let width = 1, height = 1, ratio = 1, image, pixels, plot = 1;

function redraw()
{
	if (asked)
		return;
	asked = true;
	requestAnimationFrame(() => {
		asked = false;
		draw();
	});
}

function setView(t0, t1)
{
	const all = Math.max(1, duration), d = Math.min(all, Math.max(20, t1 - t0));

	view.t0 = Math.max(0, Math.min(t0, all - d));
	view.t1 = view.t0 + d;
	redraw();
}

/* Around what is interesting, with something on both sides. */
function zoomTo(t0, t1)
{
	const room = Math.max(t1 - t0, 100) * 0.6;

	setView(t0 - room, t1 + room);
}

function zoomBy(factor, at = (view.t0 + view.t1) / 2)
{
	setView(at - (at - view.t0) * factor, at + (view.t1 - at) * factor);
}

function moveBy(part)
{
	const d = (view.t1 - view.t0) * part;

	setView(view.t0 + d, view.t1 + d);
}

const pxOf = t => (t - view.t0) / (view.t1 - view.t0) * plot + GUTTER;
const timeOf = px => view.t0 + (px - GUTTER) / plot * (view.t1 - view.t0);

/* --- lanes --- */

/* [start, length, ...] as lanes of marks, by start */
function marksOf(list, color, title)
{
	return { color, title, list: list.slice().sort((a, b) => a[0] - b[0]) };
}

const marks = [
	marksOf(meta.stw_list, 'stw', 'stop the world'),
	marksOf(meta.gc_list, 'gc', 'GC'),
	marksOf(meta.sections, 'np', 'non-preemptible'),
].filter(m => m.list.length);
const sections = marks.find(m => m.color === 'np');

function matches(id, site)
{
	const f = filter.toLowerCase();

	return !f || (/^g?#?\d+$/.test(f) ? id === Number(f.replace(/\D/g, '')) :
		siteName(site).toLowerCase().includes(f));
}

/* Did it run, or want to, in what is shown? */
function isActive(lane)
{
	const { sumRunning: run, sumRunnable: able, start } = lane.set;
	const i = find(lane, view.t0), last = find(lane, view.t1, i);
	const j = last < lane.to && start[last] < view.t1 ? last + 1 : last;

	return run[j] - run[i] + able[j] - able[i] > 0;
}

function layOut()
{
	let y = AXIS;
	const add = (h, row) => {
		rows.push({ y, h, ...row });
		y += h;
	};

	rows = [];
	for (const m of marks)
		add(MARK_HEIGHT, { marks: m, label: m.title });
	add(HEAD_HEIGHT, { head: plural(plane.lanes.length, 'P'), note: 'coloured by function' });
	for (const l of plane.lanes)
		add(P_HEIGHT, { lane: l, label: `P${l.id}` });
	const shown = glane.lanes.filter(l => matches(l.id, siteOf(l.id)) &&
		(!onlyActive || isActive(l)));

	add(HEAD_HEIGHT, { head: filter || onlyActive ?
		`${number(shown.length)} of ${plural(glane.lanes.length, 'goroutine')}` :
		glane.lanes.length < meta.goroutines ?
		`${number(glane.lanes.length)} of ${plural(meta.goroutines, 'goroutine')}` :
		plural(meta.goroutines, 'goroutine'),
	note: 'eight of each kind first; by time they ran or wanted to', legend: true });
	for (const l of shown)
		add(G_HEIGHT, { lane: l, label: goName(l.id) });
	rowsHeight = y + 6;
	$('tall').style.height = `${Math.max(0, rowsHeight - height)}px`;
}

/* The first record of a lane that ends after t. */
function find(lane, t, from = lane.from)
{
	const { end } = lane.set;
	let lo = from, hi = lane.to;

	while (lo < hi) {
		const mid = lo + hi >> 1;

		if (end[mid] > t)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* --- pixels --- */

function fill(x0, x1, y0, y1, color)
{
	x0 = Math.max(x0, 0);
	x1 = Math.min(x1, image.width);
	y0 = Math.max(y0, Math.round(AXIS * ratio));
	y1 = Math.min(y1, image.height);
	if (x1 <= x0)
		return;
	for (let at = y0 * image.width; y0 < y1; y0++, at += image.width)
		if (x1 - x0 === 1)
			pixels[at + x0] = color;
		else
			pixels.fill(color, at + x0, at + x1);
}

/* From the bottom, what each state has of a column of pixels. */
function column(x, y0, y1, parts)
{
	let y = y1;

	for (const [share, color] of parts) {
		if (share <= 0)
			continue;
		const next = Math.max(y0, y - Math.max(1, Math.round(share * (y1 - y0))));

		fill(x, x + 1, next, y, color);
		y = next;
	}
}

/* Of the first few from i on, the longest gives the colour. */
function siteAmong(set, i, j)
{
	let best = i;

	for (let k = i + 1; k < j && k < i + 4; k++)
		if (set.end[k] - set.start[k] > set.end[best] - set.start[best])
			best = k;
	return set.site[best];
}

const isFocus = (set, i) => sel && sel.g !== undefined && set === plane &&
	set.who[i] === sel.g && set.state[i] !== MERGED;

function colorOf(set, i)
{
	const s = set.state[i];

	if (s === MERGED || set === glane || s === SYSCALL)
		return set === plane && s === MERGED ? siteColor(set.site[i]) : colors.state[s];
	if (sel && sel.g !== undefined && set.who[i] !== sel.g)
		return colors.faded32;
	return siteColor(set.site[i]);
}

function drawMany(lane, x, y0, y1, i, j, from, to)
{
	const { set } = lane, d = to - from, inside = (a, k) => (a[k] - a[i]) / d;
	let run = inside(set.sumRunning, j), able = inside(set.sumRunnable, j),
		sys = inside(set.sumSyscall, j);
	const k = Math.min(1, 1 / Math.max(run + able + sys, 1e-9));
	const base = set === plane ? colors.lane32 : colors.waiting32;
	let color = set === plane ? siteColor(siteAmong(set, i, j)) : colors.running32;

	if (set === plane && sel && sel.g !== undefined)
		color = isFocus(set, i) ? color : colors.faded32;
	if (k < 1) {
		run *= k;
		able *= k;
		sys *= k;
	}
	fill(x, x + 1, y0, y1, base);
	column(x, y0, y1, [[run, color], [sys, colors.syscall32], [able, colors.runnable32]]);
}

function drawLane(lane, y0, y1, texts)
{
	const { set } = lane, perPx = (view.t1 - view.t0) / (plot * ratio);
	const left = GUTTER * ratio, right = width * ratio;
	const toX = t => (t - view.t0) / perPx + left;
	let i = find(lane, view.t0);

	while (i < lane.to && set.start[i] < view.t1) {
		const x0 = toX(set.start[i]), x1 = toX(set.end[i]);
		const x = Math.max(left, Math.floor(x0));

		if (x1 - x0 >= 2) {
			const end = Math.min(right, Math.max(x + 1, Math.round(x1)));

			if (set.state[i] === MERGED)
				drawMerged(lane, x, end, y0, y1, i);
			else
				fill(x, end - (set === plane && end - x > 4 ? 1 : 0), y0, y1, colorOf(set, i));
			if (end - x > 34 * ratio)
				texts.push([lane, i, x / ratio, end / ratio, y0 / ratio, y1 / ratio]);
			i++;
			continue;
		}
		const from = view.t0 + (x - left) * perPx, to = from + perPx;
		const j = Math.max(i + 1, find(lane, to, i));

		drawMany(lane, x, y0, y1, i, j, from, to);
		i = j;
	}
}

/* One record that stands for many: all its columns are alike. */
function drawMerged(lane, x0, x1, y0, y1, i)
{
	const { set } = lane, d = set.end[i] - set.start[i];
	const run = set.who[i] / d, sys = set.latency[i] / d, able = set.by[i] / d;
	const h = y1 - y0;
	let y = y1;

	fill(x0, x1, y0, y1, set === plane ? colors.lane32 : colors.waiting32);
	for (const [share, color] of [[run, set === plane ? colorOf(set, i) : colors.running32],
		[sys, colors.syscall32], [able, colors.runnable32]]) {
		if (!(share > 0))
			continue;
		const next = Math.max(y0, y - Math.max(1, Math.round(share * h)));

		fill(x0, x1, next, y, color);
		y = next;
	}
}

/* With p, those on this P. */
function drawMarks(row, y0, y1, p)
{
	const perPx = (view.t1 - view.t0) / (plot * ratio), left = GUTTER * ratio;
	const color = colors[row.marks.color + '32'];

	for (const m of row.marks.list) {
		if (m[0] + m[1] < view.t0)
			continue;
		if (m[0] > view.t1)
			break;
		if (p !== undefined && m[3] !== p)
			continue;
		const x = Math.max(left, Math.floor((m[0] - view.t0) / perPx + left));

		fill(x, Math.max(x + Math.ceil(ratio), Math.round((m[0] + m[1] - view.t0) / perPx + left)),
			y0, y1, color);
	}
}

/* --- text over the pixels --- */

function label(lane, i)
{
	const { set } = lane, s = set.state[i];

	if (s === MERGED)
		return `${number(set.count[i])} spans`;
	if (set === plane)
		return (s === SYSCALL ? 'system call ' : '') + goName(set.who[i], set.site[i]);
	return s === RUNNING ? `P${set.who[i]}` : s === WAITING ?
		reason(set.why[i], 'waiting') : STATES[s];
}

function textIn(text, x, y, room)
{
	const fits = Math.floor(room / 6.6);

	if (fits < 3)
		return;
	ctx.fillText(text.length > fits ? text.slice(0, fits - 1) + '…' : text, x, y);
}

/* Luma, as in Rec. 601 */
const isBright = c => (c & 255) * 0.3 + (c >> 8 & 255) * 0.59 + (c >> 16 & 255) * 0.11 > 105;

function drawTexts(texts)
{
	ctx.font = '10.5px system-ui, "DejaVu Sans", sans-serif';
	for (const [lane, i, x0, x1, y0, y1] of texts) {
		if (y1 <= AXIS + 6)
			continue;
		ctx.fillStyle = isBright(colorOf(lane.set, i)) ? '#000d' : '#fffe';
		textIn(label(lane, i), x0 + 4, (y0 + y1) / 2 + 1, x1 - x0 - 8);
	}
}

function drawLabels(top)
{
	for (const r of rows) {
		const y = r.y - top, mid = y + r.h / 2 + 1;

		if (y + r.h < AXIS || y > height)
			continue;
		if (r.head) {
			ctx.font = '600 11px system-ui, "DejaVu Sans", sans-serif';
			ctx.fillStyle = colors.text;
			ctx.fillText(r.head, 10, mid);
			const x = Math.max(GUTTER + 4, 24 + ctx.measureText(r.head).width);

			ctx.font = '11px system-ui, "DejaVu Sans", sans-serif';
			ctx.fillStyle = colors.dim;
			ctx.fillText(r.note, x, mid);
			if (r.legend)
				drawLegend(x + ctx.measureText(r.note).width + 24, mid);
		} else {
			ctx.font = '11px system-ui, "DejaVu Sans", sans-serif';
			ctx.fillStyle = sel && sel.lane === r.lane && r.lane ? colors.sel : colors.dim;
			textIn(r.label, 10, mid, GUTTER - 14);
		}
	}
}

function drawLegend(x, y)
{
	for (const [name, text] of [['running', 'running'], ['runnable', 'runnable'],
		['syscall', 'system call'], ['waiting', 'waiting']]) {
		ctx.fillStyle = colors[name];
		ctx.fillRect(x, y - 5, 9, 9);
		ctx.fillStyle = colors.dim;
		ctx.fillText(text, x + 13, y);
		x += ctx.measureText(text).width + 30;
	}
}

function tickStep(d, room)
{
	const least = d / Math.max(1, room / 110), p = 10 ** Math.floor(Math.log10(least));

	return [1, 2, 5, 10].map(k => k * p).find(s => s >= least) || least;
}

/* Times of what is shown, at most 60. */
function ticks(step)
{
	const first = Math.ceil((view.t0 + meta.from) / step), out = [];

	for (let k = 0; k < 60 && (first + k) * step - meta.from <= view.t1; k++)
		out.push((first + k) * step - meta.from);
	return out;
}

function drawAxis()
{
	const step = Math.max(1, tickStep(view.t1 - view.t0, plot));

	ctx.fillStyle = colors.bg;
	ctx.fillRect(0, 0, width, AXIS);
	ctx.font = '11px system-ui, "DejaVu Sans", sans-serif';
	for (const t of ticks(step)) {
		const x = Math.round(pxOf(t)) + 0.5;

		ctx.fillStyle = colors.line;
		ctx.fillRect(x, 0, 1, AXIS);
		ctx.fillStyle = colors.dim;
		ctx.fillText(clock(t, step), x + 4, 11);
	}
	ctx.fillStyle = colors.bg;
	ctx.fillRect(0, 0, GUTTER, AXIS);
	ctx.fillStyle = colors.text;
	ctx.fillText(`${time(view.t1 - view.t0)} shown`, 10, 11);
	ctx.fillStyle = colors.line;
	ctx.fillRect(0, AXIS - 1, width, 1);
}

function drawGrid()
{
	for (const t of ticks(Math.max(1, tickStep(view.t1 - view.t0, plot)))) {
		const x = Math.round(pxOf(t) * ratio);

		fill(x, x + 1, 0, image.height, colors.line32);
	}
}

function outline(top)
{
	if (!sel || sel.i === undefined)
		return;
	const r = rows.find(row => row.lane === sel.lane);

	if (!r || r.y + r.h - top < AXIS)
		return;
	const { set } = sel.lane, x0 = Math.max(GUTTER, pxOf(set.start[sel.i]));
	const x1 = Math.min(width, Math.max(x0 + 3, pxOf(set.end[sel.i])));

	if (x1 < GUTTER || x0 > width)
		return;
	ctx.strokeStyle = colors.sel;
	ctx.lineWidth = 2;
	ctx.strokeRect(x0, r.y - top + 1, x1 - x0, r.h - 2);
}

function draw()
{
	const begin = performance.now(), texts = [];

	if (onlyActive)
		layOut();
	const top = scroll.scrollTop;

	pixels.fill(colors.bg32);
	drawGrid();
	for (const r of rows) {
		const y0 = Math.round((r.y - top + 1) * ratio);
		const y1 = Math.round((r.y - top + r.h - 1) * ratio);

		if (y1 < AXIS * ratio || y0 > image.height || r.head)
			continue;
		if (r.lane && r.lane.set === plane)
			fill(GUTTER * ratio, image.width, y0, y1, colors.lane32);
		if (r.lane)
			drawLane(r.lane, y0, y1, texts);
		else
			drawMarks(r, y0, y1);
		if (r.lane && r.lane.set === plane && sections)
			drawMarks({ marks: sections }, y0, y0 + Math.round(3 * ratio), r.lane.id);
	}
	ctx.putImageData(image, 0, 0);
	ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
	ctx.textBaseline = 'middle';
	drawTexts(texts);
	drawLabels(top);
	outline(top);
	drawAxis();
	drawMini();
	drawTime = performance.now() - begin;
}

/* --- overview --- */

let miniImage = null;

function niceCeil(v)
{
	const p = 10 ** Math.floor(Math.log10(v || 1));

	return [1, 2, 5, 10].map(k => k * p).find(x => x >= v) || 1;
}

/* Bars of at least one pixel; each shows the greatest it stands for. */
function paintMini(w, h)
{
	const lines = ['running', 'syscall', 'runnable'], data = [overview[0], overview[2], overview[1]];
	const c = document.createElement('canvas'), x = c.getContext('2d');
	const each = meta.overview_width, n = Math.max(1, Math.ceil(duration / each));
	const cols = Math.min(w, n);
	const sums = Array.from({ length: cols }, (_, i) => {
		const a = Math.floor(i / cols * n), b = Math.max(a + 1, Math.floor((i + 1) / cols * n));
		let best = [0, 0, 0], most = -1;

		for (let k = a; k < b; k++) {
			const len = Math.min(each, duration - k * each) || 1;
			const v = data.map(d => d[k] / len), all = v[0] + v[1] + v[2];

			if (all > most)
				[best, most] = [v, all];
		}
		return best;
	});
	const max = niceCeil(Math.max(...sums.map(v => v[0] + v[1] + v[2]), 0.01));

	c.width = w * ratio;
	c.height = h * ratio;
	x.scale(ratio, ratio);
	x.fillStyle = colors.bg;
	x.fillRect(0, 0, w, h);
	sums.forEach((v, i) => {
		const x0 = Math.floor(i / cols * w), x1 = Math.ceil((i + 1) / cols * w);
		let y = h;

		lines.forEach((name, k) => {
			const bar = v[k] / max * (h - 4);

			x.fillStyle = colors[name];
			x.fillRect(x0, y - bar, x1 - x0, bar);
			y -= bar;
		});
	});
	for (const m of marks)
		if (m.color !== 'gc')
			for (const e of m.list) {
				x.fillStyle = colors[m.color];
				x.fillRect(e[0] / Math.max(1, duration) * w, 0,
					Math.max(1, e[1] / Math.max(1, duration) * w), 4);
			}
	return { c, max, w, h };
}

function drawMini()
{
	const w = mini.clientWidth - GUTTER, h = mini.clientHeight;

	if (!miniImage || miniImage.w !== w || miniImage.h !== h)
		miniImage = paintMini(w, h);
	const x = miniCtx, x0 = GUTTER + view.t0 / Math.max(1, duration) * w;
	const x1 = GUTTER + view.t1 / Math.max(1, duration) * w;

	x.setTransform(ratio, 0, 0, ratio, 0, 0);
	x.fillStyle = colors.bg;
	x.fillRect(0, 0, w + GUTTER, h);
	x.drawImage(miniImage.c, GUTTER, 0, w, h);
	x.fillStyle = colors.dark ? '#000a' : '#fffb';
	x.fillRect(GUTTER, 0, x0 - GUTTER, h);
	x.fillRect(x1, 0, GUTTER + w - x1, h);
	x.strokeStyle = colors.sel;
	x.strokeRect(x0 + 0.5, 0.5, Math.max(2, x1 - x0 - 1), h - 1);
	x.textBaseline = 'middle';
	x.font = '600 11px system-ui, "DejaVu Sans", sans-serif';
	x.fillStyle = colors.text;
	x.fillText('Goroutines', 10, 11);
	x.font = '11px system-ui, "DejaVu Sans", sans-serif';
	x.fillStyle = colors.dim;
	['running', 'syscall', 'runnable'].forEach((name, i) => {
		const y = 26 + i * 13;

		x.fillStyle = colors[name];
		x.fillRect(10, y - 4, 8, 8);
		x.fillStyle = colors.dim;
		x.fillText(name === 'syscall' ? 'system call' : name, 23, y);
	});
	x.textAlign = 'right';
	x.fillText(`${miniImage.max} `, GUTTER, 8);
	x.textAlign = 'left';
}

/* --- selection --- */

function say(text)
{
	$('said').textContent = text;
}

function rowInView(lane)
{
	const r = rows.find(row => row.lane === lane);

	if (!r)
		return;
	if (r.y < scroll.scrollTop + AXIS)
		scroll.scrollTop = r.y - AXIS - 40;
	else if (r.y + r.h > scroll.scrollTop + height)
		scroll.scrollTop = r.y + r.h - height + 40;
}

function select(lane, i)
{
	const { set } = lane;
	const g = set === glane ? lane.id : set.state[i] === MERGED ? undefined : set.who[i];

	sel = { lane, i, g };
	rowInView(lane);
	if (set.end[i] < view.t0 || set.start[i] > view.t1) {
		const d = view.t1 - view.t0;

		setView(set.start[i] - d / 2, set.start[i] + d / 2);
	}
	showRecord(lane, i);
	redraw();
}

function selectGo(g)
{
	const lane = glane.byId.get(g);

	if (lane && !matches(g, siteOf(g)))
		setFilter('');
	if (lane && onlyActive && !isActive(lane))
		setActive(false);
	sel = { g, lane };
	if (lane)
		rowInView(lane);
	showGo(g);
	redraw();
}

function drop()
{
	sel = null;
	showNothing();
	redraw();
}

function showDetail(title, color, ...children)
{
	$('detail').replaceChildren(el('h2', {}, color ? el('span', { class: 'chip',
		style: `background:${color}` }) : null, title), ...children.filter(c => c));
	say(title);
}

function pairs(list)
{
	return el('dl', {}, ...list.filter(p => p && p[1] !== '' && p[1] !== undefined)
		.flatMap(([k, v]) => [el('dt', {}, k), el('dd', {}, v)]));
}

const stackPart = (title, node) => node ?
	el('div', {}, el('h3', {}, title), stackList(node)) : null;

function showRecord(lane, i)
{
	const { set } = lane, s = set.state[i], t = set.start[i], d = set.end[i] - t;
	const onP = set === plane, g = onP ? set.who[i] : lane.id;
	const buttons = el('div', { class: 'row' },
		el('button', { type: 'button', onclick: () => zoomTo(t, t + d) }, 'Zoom to it'),
		el('button', { type: 'button', onclick: () => step(-1) }, 'Previous'),
		el('button', { type: 'button', onclick: () => step(1) }, 'Next'));
	const when = [['from', clock(t, 1)], ['for', time(d)]];

	if (s === MERGED) {
		showDetail(`${number(set.count[i])} spans of ${onP ? `P${lane.id}` : `G${lane.id}`}`,
			colors.waiting, pairs([...when, ['running', time(set.who[i])],
				['runnable', onP ? '' : time(set.by[i])],
				['system calls', time(set.latency[i])]]),
			el('p', { class: 'dim' }, 'Too short to be kept apart in a trace of this size. They are in the page of'),
			el('p', {}, el('code', {}, partOf(t, t + d))), buttons);
		return;
	}
	showDetail(`G${g} ${STATES[s]}, ${time(d)}`, colors[['', '', 'runnable', 'running',
		'waiting', 'syscall'][s]], pairs([['goroutine', goLink(g, set.site[i])], ...when,
		s === RUNNING || s === SYSCALL ? ['on', onP ? `P${lane.id}` :
			set.who[i] < 0 ? '' : `P${set.who[i]}`] : null,
		...because(lane, i)]), buttons, ...stacks(lane, i));
}

/* The command for a page of this, and something on both sides. */
function partOf(t0, t1)
{
	const room = (t1 - t0) * 2 + 1e5, us = t => `${Math.max(0, Math.round((t + meta.from) / 1e3))}us`;

	return `gort trace html --from=${us(t0 - room)} --to=${us(t1 + room)} ${meta.name}`;
}

function because(lane, i)
{
	const { set } = lane, s = set.state[i], why = reason(set.why[i], '');
	const wake = set === glane && i + 1 < lane.to && set.state[i + 1] === RUNNABLE ? i + 1 : -1;

	const was = set === glane && i > lane.from && set.by[i] < 0 ? reason(set.why[i - 1], '') : '';

	if (s === RUNNING)
		return [['then', why], ['runnable before', set.latency[i] < 0 ? '' :
			time(set.latency[i]) + (was ? `, ${was}` : '')],
			['woken by', goLink(set.by[i])]];
	if (s === RUNNABLE)
		return [['woken by', goLink(set.by[i])], ['because', why]];
	return [['because', why], ['woken by', wake < 0 ? '' : goLink(set.by[wake])]];
}

function stacks(lane, i)
{
	const { set } = lane, s = set.state[i];
	const wake = s === WAITING && i + 1 < lane.to && set.state[i + 1] === RUNNABLE;

	return [
		stackPart(s === RUNNING ? 'Where it stopped' : s === WAITING ? 'Where it waits' :
			s === SYSCALL ? 'System call' : 'Where it stopped before', set.stack[i]),
		stackPart('Where it was woken', wake ? set.byStack[i + 1] : set.byStack[i]),
	];
}

function timesBar(g)
{
	const all = g.running + g.runnable + g.waiting + g.syscall || 1;

	return el('div', { class: 'times', role: 'img', 'aria-label': 'time by state' },
		...['running', 'runnable', 'syscall', 'waiting'].map(k => el('span', {
			style: `width:${g[k] / all * 100}%;background:var(--${k})`,
		})));
}

function showGo(id)
{
	const g = byId.get(id);

	if (!g) {
		showDetail(`G${id}`, '', el('p', { class: 'dim' },
			'It hardly ran: of it nothing but its spans on Ps was kept. See "Left out".'));
		return;
	}
	const lane = glane.byId.get(id), all = g.life;

	showDetail(goName(id), '', timesBar(g), pairs([
		['from', g.flags & 1 ? clock(g.begin, 1e3) : 'before the trace'],
		['until', g.flags & 2 ? clock(g.begin + g.life, 1e3) : 'after the trace'],
		['running', `${time(g.running)}  ${percent(g.running, all)}`],
		['runnable', `${time(g.runnable)}  ${percent(g.runnable, all)}`],
		['longest', g.latency ? `${time(g.latency)} runnable` : ''],
		['waiting', `${time(g.waiting)}  ${percent(g.waiting, all)}`],
		['system calls', `${time(g.syscall)}  ${percent(g.syscall, all)}`],
		['spans', number(g.spans)],
	]), el('div', { class: 'row' },
		el('button', { type: 'button', onclick: () => zoomTo(g.begin, g.begin + g.life) }, 'Zoom to its life'),
		lane && lane.to > lane.from ? el('button', { type: 'button',
			onclick: () => select(lane, longest(lane, RUNNABLE)) }, 'Longest wait for a P') : null),
	lane ? null : el('p', { class: 'dim' }, 'It has no lane of its own; see "Left out".'),
	stackPart('Started at', sites[g.site][1]));
}

function longest(lane, state)
{
	const { set } = lane;
	let best = -1;

	for (let i = lane.from; i < lane.to; i++)
		if (set.state[i] === state && (best < 0 ||
			set.end[i] - set.start[i] > set.end[best] - set.start[best]))
			best = i;
	return best < 0 ? lane.from : best;
}

function showMark(m, kind)
{
	showDetail(`${kind.title}, ${time(m[1])}`, colors[kind.color], pairs([
		['what', reason(m[4], '')], ['from', clock(m[0], 1)], ['for', time(m[1])],
		['on', m[3] >= 0 ? `P${m[3]}` : ''], ['goroutine', goLink(m[2])],
	]), el('div', { class: 'row' }, el('button', { type: 'button',
		onclick: () => zoomTo(m[0], m[0] + m[1]) }, 'Zoom to it')),
	stackPart('Stack', m[5]));
}

function showNothing()
{
	$('detail').replaceChildren(el('p', { class: 'dim' },
		'Click a span for its goroutine, reason, stacks, and who woke it.'),
	el('p', { class: 'dim' }, 'Times are from the beginning of the trace.'));
}

function step(by)
{
	if (!sel || !sel.lane)
		return;
	const { lane } = sel, i = sel.i === undefined ? find(lane, view.t0) : sel.i + by;

	if (i >= lane.from && i < lane.to)
		select(lane, i);
}

function stepLane(by)
{
	const list = rows.filter(r => r.lane && r.lane.to > r.lane.from);
	const at = sel && sel.lane ? list.findIndex(r => r.lane === sel.lane) : -1;
	const r = list[at < 0 ? 0 : at + by];

	if (r)
		select(r.lane, Math.min(r.lane.to - 1, find(r.lane, sel && sel.i !== undefined && at >= 0 ?
			sel.lane.set.start[sel.i] : view.t0)));
}

/* --- search --- */

function setFilter(text)
{
	filter = text.trim();
	if ($('search').value.trim() !== filter)
		$('search').value = filter;
	const n = filter ? listed.filter(g => matches(g.id, g.site)).length : 0;

	$('found').textContent = filter ? (n ? `${number(n)} found` : 'none') : '';
	scroll.scrollTop = 0;
	layOut();
	if (tab === 'goroutines')
		showTab(tab);
	redraw();
}

function setActive(on)
{
	onlyActive = on;
	$('active').setAttribute('aria-pressed', on);
	layOut();
	redraw();
}

function firstMatch()
{
	const g = listed.find(l => matches(l.id, l.site));

	if (filter && g)
		selectGo(g.id);
}

/* --- pointer --- */

function rowAt(y)
{
	const at = y + scroll.scrollTop;

	return y < AXIS ? null : rows.find(r => at >= r.y && at < r.y + r.h);
}

/* What is under the pointer, with two pixels to spare. */
function hit(x, y)
{
	const r = rowAt(y), t = timeOf(x), slack = 2 / plot * (view.t1 - view.t0);

	if (!r || r.head || x < GUTTER)
		return r && r.lane && x < GUTTER ? { row: r } : null;
	if (r.marks) {
		const m = r.marks.list.filter(e => t >= e[0] - slack && t <= e[0] + e[1] + slack)
			.sort((a, b) => b[1] - a[1])[0];

		return m ? { row: r, mark: m } : null;
	}
	const { set } = r.lane;
	let i = find(r.lane, t);

	if (i < r.lane.to && set.start[i] <= t)
		return { row: r, i };
	for (const k of [i, i - 1])
		if (k >= r.lane.from && k < r.lane.to && set.start[k] - slack <= t &&
			set.end[k] + slack >= t)
			return { row: r, i: k };
	return null;
}

function tipText(h)
{
	if (h.mark)
		return `${h.row.marks.title}: ${reason(h.mark[4], '')}\n${time(h.mark[1])}`;
	const { lane } = h.row, { set } = lane, s = set.state[h.i];
	const d = time(set.end[h.i] - set.start[h.i]);

	if (s === MERGED)
		return `${number(set.count[h.i])} spans in ${d}\nrunning ${time(set.who[h.i])}`;
	const first = `${set === plane ? goName(set.who[h.i], set.site[h.i]) : goName(lane.id)}\n`;
	const more = set.latency[h.i] > 0 && s === RUNNING ?
		`\nrunnable before: ${time(set.latency[h.i])}` : '';
	const why = s !== RUNNABLE && set.why[h.i] ?
		`\n${s === RUNNING ? 'then' : 'because'}: ${strings[set.why[h.i]]}` : '';

	return `${first}${STATES[s]} ${d}${more}${why}`;
}

function showTip(e, h)
{
	const tip = $('tip');

	tip.hidden = !h || (h.i === undefined && !h.mark);
	if (tip.hidden)
		return;
	tip.textContent = tipText(h);
	tip.style.left = `${Math.min(e.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
	tip.style.top = `${Math.min(e.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
}

function click(x, y)
{
	const h = hit(x, y);

	if (!h)
		return drop();
	if (h.mark) {
		sel = { g: h.mark[2] >= 0 ? h.mark[2] : undefined };
		showMark(h.mark, h.row.marks);
		redraw();
	} else if (h.i !== undefined) {
		select(h.row.lane, h.i);
	} else if (h.row.lane.set === glane) {
		selectGo(h.row.lane.id);
	}
}

let drag = null;

function local(e)
{
	const r = canvas.getBoundingClientRect();

	return [e.clientX - r.left, e.clientY - r.top];
}

canvas.addEventListener('pointerdown', e => {
	if (e.button)
		return;
	const [x, y] = local(e);

	drag = { x, y, t0: view.t0, t1: view.t1, moved: false, range: e.shiftKey };
	canvas.setPointerCapture(e.pointerId);
});

canvas.addEventListener('pointermove', e => {
	const [x, y] = local(e);

	if (!drag)
		return showTip(e, hit(x, y));
	drag.moved = drag.moved || Math.abs(x - drag.x) > 3;
	$('tip').hidden = true;
	if (!drag.moved || drag.range)
		return undefined;
	const d = (drag.x - x) / plot * (drag.t1 - drag.t0);

	return setView(drag.t0 + d, drag.t1 + d);
});

canvas.addEventListener('pointerup', e => {
	const [x, y] = local(e), d = drag;

	drag = null;
	if (!d)
		return;
	if (!d.moved)
		click(x, y);
	else if (d.range)
		setView(timeOf(Math.min(x, d.x)), timeOf(Math.max(x, d.x)));
});

canvas.addEventListener('pointerleave', () => {
	$('tip').hidden = true;
});

canvas.addEventListener('dblclick', () => {
	if (sel && sel.i !== undefined)
		zoomTo(sel.lane.set.start[sel.i], sel.lane.set.end[sel.i]);
});

scroll.addEventListener('wheel', e => {
	const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY);

	if (e.ctrlKey || e.altKey || e.metaKey)
		zoomBy(Math.exp(e.deltaY * 0.002), timeOf(Math.max(GUTTER, local(e)[0])));
	else if (e.shiftKey || sideways)
		moveBy((sideways ? e.deltaX : e.deltaY) / plot);
	else
		return;
	e.preventDefault();
}, { passive: false });

scroll.addEventListener('scroll', redraw);

const miniTime = e => Math.max(0, Math.min(duration, (e.clientX - mini.getBoundingClientRect().left -
	GUTTER) / (mini.clientWidth - GUTTER) * duration));
let miniFrom = null;

mini.addEventListener('pointerdown', e => {
	miniFrom = { t: miniTime(e), x: e.clientX };
	mini.setPointerCapture(e.pointerId);
});

mini.addEventListener('pointermove', e => {
	if (miniFrom && Math.abs(e.clientX - miniFrom.x) > 3)
		setView(Math.min(miniFrom.t, miniTime(e)), Math.max(miniFrom.t, miniTime(e)));
});

mini.addEventListener('pointerup', e => {
	const d = (view.t1 - view.t0) / 2;

	if (miniFrom && Math.abs(e.clientX - miniFrom.x) <= 3)
		setView(miniTime(e) - d, miniTime(e) + d);
	miniFrom = null;
});

mini.addEventListener('dblclick', () => setView(0, duration));

/* --- keys --- */

const keys = {
	w: () => zoomBy(0.6), '+': () => zoomBy(0.6), '=': () => zoomBy(0.6),
	s: () => zoomBy(1 / 0.6), '-': () => zoomBy(1 / 0.6),
	a: () => moveBy(-0.2), ArrowLeft: () => moveBy(-0.2),
	d: () => moveBy(0.2), ArrowRight: () => moveBy(0.2),
	0: () => setView(0, duration), Home: () => setView(0, duration),
	n: () => step(1), p: () => step(-1), j: () => stepLane(1), k: () => stepLane(-1),
	f: () => {
		if (sel && sel.i !== undefined)
			zoomTo(sel.lane.set.start[sel.i], sel.lane.set.end[sel.i]);
	},
	o: () => setActive(!onlyActive),
	'/': () => $('search').focus(),
	'?': () => $('help').showModal(),
	Escape: () => {
		setFilter('');
		drop();
	},
};

addEventListener('keydown', e => {
	const inPanel = $('tables').contains(e.target) && e.key.startsWith('Arrow');

	if (e.ctrlKey || e.altKey || e.metaKey || $('help').open || inPanel)
		return;
	if (e.target === $('search')) {
		if (e.key === 'Enter')
			firstMatch();
		else if (e.key === 'Escape')
			scroll.focus();
		if (e.key !== 'Escape')
			return;
	}
	if (Object.hasOwn(keys, e.key)) {
		keys[e.key]();
		e.preventDefault();
	}
});

$('search').addEventListener('input', e => setFilter(e.target.value));
$('active').addEventListener('click', keys.o);
$('zoom-in').addEventListener('click', keys.w);
$('zoom-out').addEventListener('click', keys.s);
$('fit').addEventListener('click', keys[0]);
$('help-button').addEventListener('click', keys['?']);

/* --- histograms --- */

const bucketStart = i => i < 16 ? i : ((i - (Math.floor(i / 16) - 1) * 16)) *
	2 ** (Math.floor(i / 16) - 1);

function quantile(h, q)
{
	const want = q * h.count;
	let seen = 0;

	for (let k = 0; k < h.buckets.length; k += 2) {
		seen += h.buckets[k + 1];
		if (seen >= want)
			return Math.min(h.max, (bucketStart(h.buckets[k]) +
				bucketStart(h.buckets[k] + 1)) / 2);
	}
	return h.max;
}

const QUANTILES = [['median', 0.5], ['90 %', 0.9], ['99 %', 0.99], ['99.9 %', 0.999]];

function histogram(h, title)
{
	const w = 520, height = 150, base = height - 18, left = 8;
	const lo = Math.floor(Math.log10(Math.max(1, bucketStart(h.buckets[0]))));
	const hi = Math.max(lo + 1, Math.ceil(Math.log10(Math.max(2, h.max + 1))));
	const x = v => left + (Math.log10(Math.max(1, v)) - lo) / (hi - lo) * (w - 2 * left);
	/* Bars of equal width: eight to a power of ten. */
	const bars = new Array((hi - lo) * 8).fill(0);
	const out = svg('svg', { width: w, height, viewBox: `0 0 ${w} ${height}`, role: 'img',
		'aria-label': `${title}: ` + QUANTILES.map(([n, q]) => `${n} ${time(quantile(h, q))}`).join(', ') });

	for (let k = 0; k < h.buckets.length; k += 2) {
		const v = Math.max(1, (bucketStart(h.buckets[k]) + bucketStart(h.buckets[k] + 1)) / 2);

		bars[Math.min(bars.length - 1, Math.floor((Math.log10(v) - lo) * 8))] += h.buckets[k + 1];
	}
	const max = Math.max(...bars), each = (w - 2 * left) / bars.length;

	bars.forEach((n, i) => {
		const tall = n ? Math.max(1.5, n / max * (base - 4)) : 0;
		const from = 10 ** (lo + i / 8), to = 10 ** (lo + (i + 1) / 8);

		if (n)
			out.append(svg('rect', { class: 'bar', x: left + i * each + 0.5, y: base - tall,
				width: each - 1, height: tall },
			svg('title', {}, `${time(from)} to ${time(to)}: ${number(n)}`)));
	});
	out.append(svg('line', { class: 'axis', x1: left, x2: w - left, y1: base, y2: base }));
	for (let e = lo; e <= hi; e++)
		out.append(svg('text', { x: x(10 ** e), y: height - 5, 'text-anchor': e === lo ? 'start' :
			e === hi ? 'end' : 'middle' }, time(10 ** e).replace(/\.0+(?= )/, '')));
	QUANTILES.filter((_, i) => i !== 1).forEach(([n, q], i) => {
		const at = x(quantile(h, q)), y = i * 11 + 9;

		out.append(svg('line', { class: 'q', x1: at, x2: at, y1: y - 8, y2: base }),
			svg('text', { x: at - 3, y, 'text-anchor': 'end' }, n));
	});
	return out;
}

function histPart(h, title, note)
{
	if (!h.count)
		return el('div', {}, el('h2', {}, title), el('p', { class: 'dim' }, 'none'));
	return el('div', {}, el('h2', {}, title), el('div', { class: 'hist' }, histogram(h, title), pairs([
		['number', number(h.count)], ['mean', time(h.sum / h.count)],
		...QUANTILES.map(([n, q]) => [n, time(quantile(h, q))]),
		['longest', time(h.max)], ['in all', time(h.sum)],
	])), el('p', { class: 'dim' }, note));
}

/* --- tables --- */

function latencyTab()
{
	return el('div', { class: 'cols' },
		histPart(meta.latency, 'From runnable to running', 'By number; the scale of time is logarithmic.'),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['runnable for', r => time(r[1]), true, r => r[1]],
			['until', r => link(clock(r[0], 1e3), () => goToLatency(r)), true, r => r[0]],
			['goroutine', r => goLink(r[2], r[6]), false, r => r[2]],
			['then on', r => r[3] >= 0 ? `P${r[3]}` : '', false, r => r[3]],
			['woken by', r => r[4] >= 0 ? goLink(r[4]) : reason(r[7], ''), false, r => r[4]],
			['at', r => place(r[5])],
		], meta.latencies.slice(), 100)));
}

function goToLatency(r)
{
	const lane = glane.byId.get(r[2]) || plane.byId.get(r[3]);

	zoomTo(r[0] - r[1], r[0]);
	if (lane)
		select(lane, Math.min(lane.to - 1, find(lane, lane.set === glane ? r[0] - 1 : r[0])));
}

function pausesTab()
{
	return el('div', { class: 'cols' },
		histPart(meta.stw, 'Pauses: the world is stopped', 'From the request to stop it to its restart.'),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['for', r => time(r[1]), true, r => r[1]],
			['from', r => atLink(r[0], r[1]), true, r => r[0]],
			['why', r => reason(r[4], '')],
			['goroutine', r => goLink(r[2]), false, r => r[2]],
			['at', r => place(r[5])],
		], meta.stw_list.slice(), 100)));
}

function waitsTab()
{
	const groups = new Map();

	for (const w of meta.waits) {
		const g = groups.get(w[0]) || groups.set(w[0], { why: w[0], n: 0, sum: 0, max: 0, list: [] }).get(w[0]);

		g.n += w[2];
		g.sum += w[3];
		g.max = Math.max(g.max, w[4]);
		g.list.push(w);
	}
	const all = [...groups.values()].sort((a, b) => b.sum - a.sum);

	return el('div', {}, el('h2', {}, 'What goroutines wait for'), table([
		['why', g => reason(g.why, '(began before the trace)')],
		['times', g => number(g.n), true, g => g.n],
		['in all', g => time(g.sum), true, g => g.sum],
		['mean', g => time(g.sum / g.n), true, g => g.sum / g.n],
		['longest', g => time(g.max), true, g => g.max],
		['where', waitStacks],
	], all));
}

function waitStacks(g)
{
	const box = el('div'), d = el('details', {}, el('summary', {},
		`${plural(g.list.length, 'stack')}, most at ${place(g.list[0][1]) || '?'}`), box);

	d.addEventListener('toggle', () => {
		if (!box.firstChild)
			box.append(...g.list.slice(0, 50).map(w => el('div', {},
				el('h3', {}, `${time(w[3])} in all, ${plural(w[2], 'time')}, longest ${time(w[4])}`),
				stackList(w[1]))));
	});
	return d;
}

function sectionsTab()
{
	if (!meta.nonpreempt.count)
		return el('p', { class: 'dim' }, 'There are none in this trace. They are written while the profiler of ' +
			'non-preemptible sections runs, with a threshold, and marks long sections in the trace.');
	return el('div', { class: 'cols' },
		histPart(meta.nonpreempt, 'Non-preemptible sections over the threshold', 'Only those marked in the trace.'),
		el('div', {}, el('h2', {}, 'By kind'), table([
			['what', r => reason(r[0], '')],
			['number', r => number(r[2]), true, r => r[2]],
			['in all', r => time(r[3]), true, r => r[3]],
			['longest', r => time(r[4]), true, r => r[4]],
		], meta.kinds.slice(), 50)),
		el('div', {}, el('h2', {}, 'Longest'), table([
			['for', r => time(r[1]), true, r => r[1]],
			['from', r => atLink(r[0], r[1]), true, r => r[0]],
			['what', r => reason(r[4], '')],
			['on', r => r[3] >= 0 ? `P${r[3]}` : '', false, r => r[3]],
			['goroutine', r => goLink(r[2]), false, r => r[2]],
		], meta.sections.slice(), 100)));
}

function goTab()
{
	const shown = listed.filter(g => matches(g.id, g.site));
	const used = sites.map((s, i) => [...s, i]).filter(s => s[2] && (!filter || matches(-1, s[9])));

	return el('div', {}, el('h2', {}, 'By function and place of creation'), table([
		['function', s => link(siteName(s[9]), () => setFilter(siteName(s[9])))],
		['goroutines', s => number(s[2]), true, s => s[2]],
		['ended', s => number(s[3]), true, s => s[3]],
		['running', s => time(s[4]), true, s => s[4]],
		['runnable', s => time(s[5]), true, s => s[5]],
		['waiting', s => time(s[6]), true, s => s[6]],
		['system calls', s => time(s[7]), true, s => s[7]],
		['longest runnable', s => time(s[8]), true, s => s[8]],
		['started at', s => s[1] ? foldedStack(s[1]) : ''],
	], used.sort((a, b) => b[4] + b[5] - a[4] - a[5]), 100),
	el('h2', {}, filter ? `Goroutines: ${filter}` : 'Goroutines'), table([
		['goroutine', g => goLink(g.id, g.site), false, g => g.id],
		['running', g => time(g.running), true, g => g.running],
		['runnable', g => time(g.runnable), true, g => g.runnable],
		['longest runnable', g => time(g.latency), true, g => g.latency],
		['waiting', g => time(g.waiting), true, g => g.waiting],
		['system calls', g => time(g.syscall), true, g => g.syscall],
		['lived', g => time(g.life), true, g => g.life],
		['spans', g => number(g.spans), true, g => g.spans],
	], shown, 200));
}

function foldedStack(node)
{
	const box = el('div'), d = el('details', {}, el('summary', {}, place(node)), box);

	d.addEventListener('toggle', () => box.replaceChildren(stackList(node)));
	return d;
}

/* A function that is on a stack twice counts once. */
function cpuTab()
{
	const flat = new Map(), cum = new Map(), all = meta.samples_total;

	if (!all)
		return el('p', { class: 'dim' }, 'There are none: the CPU profiler did not run.');
	for (const s of meta.samples) {
		const names = new Set(stackFrames(s[1]).map(f => f.func)), top = leaf(s[1]) || '(no stack)';

		flat.set(top, (flat.get(top) || 0) + s[2]);
		for (const f of names.size ? names : [top])
			cum.set(f, (cum.get(f) || 0) + s[2]);
	}
	const funcs = [...cum].map(([f, n]) => [f, flat.get(f) || 0, n]).sort((a, b) => b[1] - a[1]);

	return el('div', { class: 'cols' }, el('div', {},
		el('h2', {}, `${plural(all, 'sample')} by function`), table([
			['function', f => f[0], false, f => f[0]],
			['in it', f => number(f[1]), true, f => f[1]],
			['', f => percent(f[1], all), true],
			['with what it calls', f => number(f[2]), true, f => f[2]],
			['', f => percent(f[2], all), true],
		], funcs, 100)), el('div', {}, el('h2', {}, 'Most frequent stacks'),
		table([
			['samples', s => number(s[2]), true, s => s[2]],
			['', s => percent(s[2], all), true],
			['stack', s => s[1] ? foldedStack(s[1]) : '(none)'],
		], meta.samples.slice(), 100)));
}

function leftOut()
{
	const list = [], say1 = text => list.push(el('li', {}, text));
	const cell = set => time(2 ** set.shift);

	if (meta.from || !meta.to_end)
		say1(`All of the trace before ${clock(0, 1e3)} and after ${clock(duration, 1e3)}: as --from and --to said.`);
	if (plane.shift || glane.shift)
		say1('What is left out because of the size of the trace is in pages of parts of it: options --from and --to.');
	if (plane.shift)
		say1(`${number(plane.spans)} spans of Ps are drawn from ${plural(plane.records, 'record')}: those of a P that ` +
			`lie inside the same ${cell(plane)} were made one, with their number and sums. Longer ones are all there.`);
	if (plane.left_out)
		say1(`${number(plane.left_out)} spans of Ps beyond the first 1024.`);
	if (glane.lanes.length < meta.goroutines)
		say1(`${number(glane.lanes.length)} of ${plural(meta.goroutines, 'goroutine')} have a lane: those that ran, or ` +
			`were runnable, for the longest time. The others' ${number(glane.left_out)} spans are in the overview, on the ` +
			'Ps, and in all histograms and sums.');
	if (glane.shift)
		say1(`${number(glane.spans)} spans of goroutines with a lane are drawn from ${plural(glane.records, 'record')}: those ` +
			`inside the same ${cell(glane)} were made one.`);
	if (listed.length < meta.goroutines)
		say1(`${number(listed.length)} of ${plural(meta.goroutines, 'goroutine')} can be searched for: the same choice.`);
	for (const [key, what] of [['stw_list', 'pauses'], ['gc_list', 'GC cycles'], ['sections', 'non-preemptible sections'],
		['waits', 'places of waiting'], ['samples', 'stacks of samples'], ['kinds', 'kinds of non-preemptible sections']])
		if (meta[key].length < meta[`${key}_all`])
			say1(`${number(meta[key].length)} of ${number(meta[`${key}_all`])} ${what} are listed and drawn: the ` +
				'longest, or most frequent. Histograms have all.');
	if (meta.latency.count > meta.latencies.length)
		say1(`The ${number(meta.latencies.length)} longest scheduling latencies are listed of ${number(meta.latency.count)}.`);
	if (meta.regions + meta.tasks + meta.logs)
		say1(`${plural(meta.regions, 'region')}, ${plural(meta.tasks, 'task')} and ${plural(meta.logs, 'log')} of the program ` +
			'are not shown; `gort trace events` has them.');
	if (meta.unparsed_sections)
		say1(`${plural(meta.unparsed_sections, 'mark')} of non-preemptible sections without a time.`);
	if (meta.strings_dropped)
		say1('Some names: there were too many different ones.');
	if (meta.stacks_cut)
		say1(`The inner frames of ${plural(meta.stacks_cut, 'stack')}: there were too many different ones.`);
	if (meta.broken)
		say1('The trace breaks off in the middle; what was complete is here.');
	return list;
}

function leftTab()
{
	const list = leftOut();

	return el('div', {}, el('h2', {}, 'Left out'), list.length ? el('ul', {}, ...list) :
		el('p', {}, 'Nothing: every span of every goroutine is on this page.'));
}

const TABS = [
	['latency', 'Scheduling latency', latencyTab, meta.latency.count],
	['pauses', 'Pauses', pausesTab, meta.stw.count],
	['waits', 'Blocking', waitsTab, meta.waits.reduce((n, w) => n + w[2], 0)],
	['sections', 'Non-preemptible', sectionsTab, meta.nonpreempt.count],
	['goroutines', 'Goroutines', goTab, meta.goroutines],
	['cpu', 'CPU samples', cpuTab, meta.samples_total],
	['left', 'Left out', leftTab, leftOut().length],
];
let tab = 'latency';

function showTab(name)
{
	const t = TABS.find(x => x[0] === name);

	tab = name;
	for (const b of $('tabs').children) {
		const on = b.id === `tab-${name}`;

		b.setAttribute('aria-selected', on);
		b.tabIndex = on ? 0 : -1;
	}
	$('panel').setAttribute('aria-labelledby', `tab-${name}`);
	$('panel').replaceChildren(t[2]());
	$('panel').scrollTop = 0;
}

function tabKeys(e)
{
	const at = TABS.findIndex(t => t[0] === tab);
	const by = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;

	if (!by)
		return;
	const next = TABS[(at + by + TABS.length) % TABS.length][0];

	showTab(next);
	$(`tab-${next}`).focus();
	e.stopPropagation();
	e.preventDefault();
}

/* --- begin --- */

function resize()
{
	ratio = Math.min(2, Math.max(1, devicePixelRatio || 1));
	width = Math.max(GUTTER + 50, scroll.clientWidth);
	height = Math.max(60, scroll.clientHeight);
	plot = width - GUTTER;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	canvas.style.width = `${width}px`;
	canvas.style.height = `${height}px`;
	mini.width = Math.round(mini.clientWidth * ratio);
	mini.height = Math.round(mini.clientHeight * ratio);
	image = ctx.createImageData(canvas.width, canvas.height);
	pixels = new Uint32Array(image.data.buffer);
	miniImage = null;
	layOut();
	redraw();
}

function begin()
{
	document.title = `${meta.name} – gort trace`;
	$('name').textContent = meta.name;
	$('facts').textContent = [meta.from ? `${time(duration)} from ${clock(0, 1e3)} on` : time(duration), plural(meta.events, 'event'), plural(plane.lanes.length, 'P'),
		plural(meta.goroutines, 'goroutine'),
		meta.to_end ? plural(meta.generations, 'generation') : '',
		`format 1.${meta.version}`].filter(s => s).join(' · ') + (meta.broken ? ' · breaks off' : '');
	for (const [id, title, , n] of TABS)
		$('tabs').append(el('button', { id: `tab-${id}`, type: 'button', role: 'tab', 'aria-controls': 'panel',
			onclick: () => showTab(id) }, title, el('b', {}, number(n))));
	$('tabs').addEventListener('keydown', tabKeys);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
		readColors();
		miniImage = null;
		redraw();
	});
	addEventListener('resize', resize);
	readColors();
	showNothing();
	showTab(tab);
	resize();
	draw();
}

/* What the page can do, for scripts. */
window.gort = {
	meta, plane, glane, listed, view, setView, zoomBy, zoomTo, select, selectGo, setFilter, setActive, showTab, draw,
	hit, rows: () => rows, selection: () => sel, drawTime: () => drawTime, find,
};
begin();
window.gort.loadTime = performance.now() - started;
window.gort.ready = true;

})();
