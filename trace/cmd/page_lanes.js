/* SPDX-License-Identifier: ISC
 *
 * trace/cmd/page_lanes.js - the timeline of `gort trace html`, and what can be
 * done with it; after page.js.
 *
 * Lanes are drawn into an array of pixels.  Where several spans fall into one
 * column of pixels it shows for how much of it the lane was in each state, by
 * the difference of two prefix sums; what a frame costs depends on the number
 * of pixels, not on that of spans.
 */

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

/* From the bottom, what each state has of some columns of pixels. */
function bar(x0, x1, y0, y1, parts)
{
	let y = y1;

	for (const [share, color] of parts) {
		if (!(share > 0))
			continue;
		const next = Math.max(y0, y - Math.max(1, Math.round(share * (y1 - y0))));

		fill(x0, x1, next, y, color);
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
	const run = inside(set.sumRunning, j), able = inside(set.sumRunnable, j);
	const sys = inside(set.sumSyscall, j), k = 1 / Math.max(1, run + able + sys);
	const base = set === plane ? colors.lane32 : colors.waiting32;
	let color = set === plane ? siteColor(siteAmong(set, i, j)) : colors.running32;

	if (set === plane && sel && sel.g !== undefined)
		color = isFocus(set, i) ? color : colors.faded32;
	fill(x, x + 1, y0, y1, base);
	bar(x, x + 1, y0, y1, [[run * k, color], [sys * k, colors.syscall32],
		[able * k, colors.runnable32]]);
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
	const { set } = lane, d = set.end[i] - set.start[i], onP = set === plane;

	fill(x0, x1, y0, y1, onP ? colors.lane32 : colors.waiting32);
	bar(x0, x1, y0, y1, [[set.who[i] / d, onP ? colorOf(set, i) : colors.running32],
		[set.latency[i] / d, colors.syscall32], [set.by[i] / d, colors.runnable32]]);
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
	drawWake(r.y + r.h / 2 - top, top);
}

/* From the lane of the waker, if it is there, to that of the selection. */
function drawWake(y1, top)
{
	const from = sel.wake && rows.find(r => r.lane && r.lane.set === glane &&
		r.lane.id === sel.wake.by);

	if (!from)
		return;
	const x = pxOf(sel.wake.at), y0 = from.y + from.h / 2 - top, down = y1 > y0 ? 1 : -1;

	if (x < GUTTER || y0 === y1)
		return;
	ctx.fillStyle = ctx.strokeStyle = colors.sel;
	ctx.lineWidth = 1.5;
	ctx.beginPath();
	ctx.moveTo(x, y0);
	ctx.lineTo(x, y1);
	ctx.moveTo(x + 3, y0);
	ctx.arc(x, y0, 3, 0, 7);
	ctx.moveTo(x, y1);
	ctx.lineTo(x - 4, y1 - 7 * down);
	ctx.lineTo(x + 4, y1 - 7 * down);
	ctx.fill();
	ctx.stroke();
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

/* Whatever hides it. */
function showLane(lane)
{
	if (lane.set === glane && !matches(lane.id, siteOf(lane.id)))
		setFilter('');
	if (lane.set === glane && onlyActive && !isActive(lane))
		setActive(false);
	const r = rows.find(row => row.lane === lane);

	if (r.y < scroll.scrollTop + AXIS)
		scroll.scrollTop = r.y - AXIS - 40;
	else if (r.y + r.h > scroll.scrollTop + height)
		scroll.scrollTop = r.y + r.h - height + 40;
}

function select(lane, i)
{
	const { set } = lane;
	const g = set === glane ? lane.id : set.state[i] === MERGED ? undefined : set.who[i];

	sel = { lane, i, g, wake: wakeOf(lane, i) };
	showLane(lane);
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

	sel = { g, lane };
	if (lane)
		showLane(lane);
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
			el('p', { class: 'dim' }, 'Too short to be kept apart in a trace of this ' +
				'size. They are in the page of'),
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

/* Who made runnable what record i is about, when, and where; or null. */
function wakeOf(lane, i)
{
	const { set } = lane, s = set.state[i];
	const k = s !== WAITING ? i : i + 1 < lane.to && set.state[i + 1] === RUNNABLE ? i + 1 : -1;

	if (k < 0 || s === MERGED || s === SYSCALL || set.by[k] < 0)
		return null;
	return { by: set.by[k], stack: set.byStack[k], at: s === WAITING ? set.end[i] :
		set.start[i] - (s === RUNNING ? Math.max(0, set.latency[i]) : 0) };
}

/* To what the waker was about when it did. */
function wakerLink(wake)
{
	const lane = wake && glane.byId.get(wake.by);

	if (!lane || lane.from === lane.to)
		return wake ? goLink(wake.by) : '';
	return link(goName(wake.by), () => select(lane, Math.min(lane.to - 1, find(lane, wake.at - 1))));
}

function because(lane, i)
{
	const { set } = lane, s = set.state[i], why = reason(set.why[i], '');
	const was = set === glane && i > lane.from && set.by[i] < 0 ? reason(set.why[i - 1], '') : '';
	const by = ['woken by', wakerLink(wakeOf(lane, i))];

	if (s === RUNNING)
		return [['then', why], ['runnable before', set.latency[i] < 0 ? '' :
			time(set.latency[i]) + (was ? `, ${was}` : '')], by];
	return [['because', why], by];
}

function stacks(lane, i)
{
	const { set } = lane, s = set.state[i], wake = wakeOf(lane, i);

	return [
		stackPart(s === RUNNING ? 'Where it stopped' : s === WAITING ? 'Where it waits' :
			s === SYSCALL ? 'System call' : 'Where it stopped before', set.stack[i]),
		wake ? stackPart('Where it was woken', wake.stack) : null,
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
		el('button', { type: 'button',
			onclick: () => zoomTo(g.begin, g.begin + g.life) }, 'Zoom to its life'),
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

function miniTime(e)
{
	const x = e.clientX - mini.getBoundingClientRect().left - GUTTER;

	return Math.max(0, Math.min(1, x / (mini.clientWidth - GUTTER))) * duration;
}

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
