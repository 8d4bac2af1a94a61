// Figures, times and names as people read them.

// figure shows a number with three significant digits and a true minus sign.
export function figure(x) {
  if (typeof x !== 'number' || !Number.isFinite(x)) return '–';
  const size = Math.abs(x);
  let text;
  if (Number.isInteger(x) && size < 1e6) text = String(size);
  else if (size !== 0 && (size < 1e-4 || size >= 1e6)) text = size.toExponential(2);
  else text = String(Number(size.toPrecision(3)));
  return x < 0 ? `−${text}` : text;
}

export const count = (n) => (typeof n === 'number' ? n.toLocaleString('en-GB') : '–');

// milliseconds shows a short time: 0.42 ms, 12 ms, 1.3 s.
export function milliseconds(ms) {
  if (typeof ms !== 'number') return '–';
  return ms >= 1000 ? `${figure(ms / 1000)} s` : `${figure(ms)} ms`;
}

// duration shows a longer time: 45 s, 2 min 5 s, 1 h 20 min.
export function duration(seconds) {
  if (typeof seconds !== 'number' || seconds < 0) return '–';
  const all = Math.round(seconds);
  if (all < 60) return `${all} s`;
  if (all < 3600) return all % 60 ? `${Math.floor(all / 60)} min ${all % 60} s` : `${all / 60} min`;
  const minutes = Math.round(all / 60);
  if (minutes < 48 * 60) return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
  return `${Math.floor(minutes / 1440)} days`;
}

// moment reads RFC 3339 text or Unix seconds; null for none (Go's zero time included).
export function moment(time) {
  if (!time) return null;
  const date = new Date(typeof time === 'number' ? time * 1000 : time);
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() < 1971 ? null : date;
}

const dayAndTime = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
const withYear = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

export function when(time) {
  const date = moment(time);
  if (!date) return '–';
  return (date.getFullYear() === new Date().getFullYear() ? dayAndTime : withYear).format(date);
}

// short is the digest people compare: the first 12 digits.
export const short = (digest) => (digest ? digest.replace(/^sha256:/, '').slice(0, 12) : '');

// versionName is support@17 or support@base.
export const versionName = (track, version) => `${track}@${version || 'base'}`;
