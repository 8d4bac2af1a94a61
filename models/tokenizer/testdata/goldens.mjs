// Writes r50k.ranks.gz (GPT-2's byte-level BPE: the tokens in order of rank, base64, one a line) and r50k.goldens.gz
// (lines of JSON: category, text, GPT-2's ids of it) from the npm package tiktoken 1.x (MIT licence). Run in a directory
// where it is installed:  npm install tiktoken && node .../goldens.mjs .../testdata
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

const require = createRequire(join(process.cwd(), 'x.js'))
const { get_encoding } = require('tiktoken')
const base = require('tiktoken/encoders/r50k_base.json')
const out = process.argv[2]

const ranks = base.bpe_ranks.split('\n').flatMap((line) => line.split(' ').slice(2))
if (ranks.length !== 50256) throw new Error('ranks: ' + ranks.length)
writeFileSync(join(out, 'r50k.ranks.gz'), gzipSync(ranks.join('\n') + '\n', { level: 9 }))

let state = 20240601
const random = (n) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return Math.floor((state / 2 ** 32) * n)
}
const pick = (list) => list[random(list.length)]
const times = (n, f) => Array.from({ length: n }, f)
const between = (a, b) => a + random(b - a + 1)
const char = (a, b) => String.fromCodePoint(between(a, b))

const words = `the a of to and in tent boots return warranty shipping Norway thunderstruck mountain river quickly unbelievable it
is was were days thirty customer please help question answer colour neighbour state-of-the-art e-mail naïve café Zürich
über straße José coöperate IPv6 USA NASA iPhone McDonald O'Neill rock'n'roll antidisestablishmentarianism jazz quiz`.split(/\s+/)
const endings = ['.', '!', '?', '...', ';', ':', ' -', ' —', ',', '."', '?!', ')']
const sentence = () => times(between(2, 9), () => pick(words)).join(pick([' ', ' ', ' ', '  '])) + pick(endings)
const spaces = [...'\u0009\u000a\u000b\u000c\u000d\u0020\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000']
const nearSpaces = [...'\u001c\u001d\u001e\u001f\u180e\u200b\u200c\u200d\u2060\ufeff']
const contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'l", "'r", "'v", "'", "''", "'ss", "'lll", "’s", "'x"]
const identifiers = ['ctx', 'err', 'nil', 'i', 'len', 'make', 'append', 'fmt.Errorf', 'http.Get', 'map[string]int', 'chan<- T', 'func', 'x_1', 'ΔNLL']
const emoji = ['😀', '👩🏽‍🚀', '🏕️', '🇳🇴', '👨‍👩‍👧‍👦', '❤️', '1️⃣', '🫠', '☃', '✂︎', '🧗‍♀️']
const scripts = [[0x400, 0x44f], [0x391, 0x3a1], [0x3b1, 0x3c9], [0x5d0, 0x5ea], [0x627, 0x63a], [0x905, 0x939], [0xe01, 0xe2e], [0x10d0, 0x10f0], [0x561, 0x586], [0x1200, 0x1246], [0x1e00, 0x1eff]]

const categories = {
  prose: () => times(between(1, 3), sentence).join(' '),
  'prose with line breaks': () => times(between(2, 4), sentence).join(pick(['\n', '\n\n', '\r\n', ' \n', '\n ', '\n\n\n  ', '\n\t'])) + pick(['', '\n', '\n\n', ' ', '  ']),
  'Go code': () => `func ${pick(words).replace(/\W/g, '')}(${pick(identifiers)} int) error {\n\t${'\t'.repeat(random(4))}if ${pick(identifiers)} != nil {\n\t\treturn fmt.Errorf("${sentence()}: %w", err)\n\t}\n\n\tfor i := range ${random(5000)} { ${pick(identifiers)}[i]++ } // ${pick(words)}\n}\n`,
  'other code': () => pick([`<div class="${pick(words)}">\n    <p>${pick(words)}</p>\n</div>`, `{"id":${random(1e6)},"name":"${pick(words)}","tags":[null,true,-${random(99)}.5e-3]}`, `def ${pick(identifiers)}(self):\n        return self.${pick(words)}['k'] #!/usr/bin\n`, `SELECT * FROM t WHERE a>=${random(99)} AND b<>'${pick(words)}';`, `https://example.org/${pick(words)}?q=${random(1e5)}&x=%20#${pick(words)}`]),
  'repeated characters': () => times(between(1, 3), () => pick(['a', 'A', ' ', '\n', '0', '=', '-', '.', '!', 'é', '的', '😀', '\t', '/', '_', 'ab', ' a', '\u00a0', 'ha']).repeat(between(1, 60))).join(pick(['', ' ', 'x'])),
  'unicode spaces': () => times(between(2, 12), () => pick([pick(spaces), pick(spaces), pick(words), pick(nearSpaces), pick(endings)])).join(''),
  'white space runs': () => times(between(1, 4), () => times(between(0, 5), () => pick([' ', ' ', '\n', '\t', '\r'])).join('') + pick(['', 'x', '1', '!', 'the', '的'])).join('') + times(random(4), () => pick([' ', '\n'])).join(''),
  CJK: () => times(between(3, 20), () => pick([char(0x4e00, 0x9fa5), char(0x4e00, 0x6000), char(0x3041, 0x3093), char(0x30a1, 0x30f6), char(0xac00, 0xd7a3), pick([...'，。！？、「」（）・ー〇々']), pick(words)])).join(''),
  emoji: () => times(between(1, 7), () => pick([pick(emoji), pick(emoji), ' ' + pick(words), ' ', char(0x1f300, 0x1f5ff)])).join(''),
  'combining marks': () => times(between(3, 14), () => pick([char(97, 122), char(97, 122) + char(0x300, 0x36f), ' ', char(0x300, 0x34e), 'क्षि', 'ที่', 'שָׁ', 'é', 'e\u0301'])).join(''),
  contractions: () => times(between(1, 6), () => pick(['I', 'you', 'don', 'WE', 'it', '', ' ', '1', '!', 'é']) + pick(contractions) + pick(['', ' ', 'n', '!'])).join(''),
  digits: () => times(between(1, 7), () => pick([random(10), random(1e3), random(1e6), ' ' + random(1e9), '1,000.50', ' 1000', '٣٤٥', '½', '²', 'Ⅷ', '①', '〇', '0x1F', '3.14', '१२', ' 00', '%', '$'])).join(pick(['', '', ' ', ','])),
  'long words': () => times(between(30, 260), () => pick([char(97, 122), char(97, 122), char(65, 90), pick([...'aeiounrst'])])).join(''),
  'long symbols': () => times(between(30, 120), () => char(33, 47)).join(''),
  'control characters': () => times(between(2, 14), () => pick([char(0, 0x1f), char(0x7f, 0x9f), pick(words), ' '])).join(''),
  'other scripts': () => { const [a, b] = pick(scripts); return times(between(3, 25), () => pick([char(a, b), char(a, b), char(a, b), pick([' ', '.', ', ', '\n', '1'])])).join('') },
  'special tokens': () => times(between(1, 4), () => pick(['<|endoftext|>', '<|endoftext|', ' <|endoftext|>', '<|user|>', '<|im_start|>', '<|', '|>', pick(words), '\n'])).join(''),
  Latin: () => times(between(3, 30), () => pick([char(0x20, 0x7e), char(0xa1, 0xff), char(0x100, 0x17f)])).join(''),
  mixed: () => times(between(2, 5), () => categories[pick(['prose', 'CJK', 'emoji', 'digits', 'unicode spaces', 'contractions', 'other scripts', 'Latin', 'control characters', 'white space runs'])]()).join(pick(['', ' ', '\n'])),
}

const encoding = get_encoding('r50k_base')
const lines = []
for (const [category, make] of Object.entries(categories)) {
  for (let i = 0; i < 130; i++) {
    const text = make()
    lines.push(JSON.stringify([category, text, [...encoding.encode_ordinary(text)]]))
  }
}
writeFileSync(join(out, 'r50k.goldens.gz'), gzipSync(lines.join('\n') + '\n', { level: 9 }))
console.log(lines.length, 'strings')
