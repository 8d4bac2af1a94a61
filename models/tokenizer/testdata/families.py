"""Writes the goldens of the families of tokenizers: what the package tokenizers (Apache-2.0) makes of thousands of strings.

    pip install tokenizers==0.23.3 && python families.py OUT                  small vocabularies that are trained here
    python families.py OUT NAME=tokenizer.json ...                            the same strings with vocabularies of others

OUT/families.strings.gz has one JSON value a line: [category, text]. OUT/NAME.family.gz has the tokenizer.json, its prefix, then for
each string [ids, ids with special tokens or null where they are the same, text of the ids or null where it is the string], then lists
of ids with their texts [ids, text, text without special tokens]. OUT/classes.gz has runs of code points and their classes.
Sentences, vocabularies and strings are this script's own.
"""
import gzip
import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = Path(sys.argv[1])
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
rng = random.Random(20240601)

SENTENCES = """The shop opens at nine and closes at six, Monday to Saturday; returns are free within 30 days.
I'd like to know whether they've shipped it: we'll wait, you're right, it's 12,345.67 euros and I'm sure he'd agree, don't you?
func main() { for i := range 10 { fmt.Println("hello, world", i) } } // TODO: tidy
def answer(self, question: str = "") -> int:\n    return self.table.get(question, 42)
SELECT name, price FROM tents WHERE price >= 199.90 ORDER BY price DESC LIMIT 10;
<div class="card"><p>Free shipping</p></div> https://example.org/a/b?q=1&x=%20#top
Können Sie mir bitte sagen, wann das Geschäft öffnet? Größe, Straße, Übermut, ärgerlich.
Où est la bibliothèque ? Les élèves étaient déjà là, à côté de l'hôtel, naïfs et heureux.
¿Cuándo llega el envío? Mañana por la mañana, según el señor Núñez. ¡Qué alegría!
Příliš žluťoučký kůň úpěl ďábelské ódy. Zażółć gęślą jaźń. Đây là tiếng Việt có dấu.
Магазин открывается в девять часов утра и закрывается в шесть вечера. Возврат товара бесплатный.
Το κατάστημα ανοίγει στις εννέα και κλείνει στις έξι. Καλημέρα, τι κάνετε σήμερα;
يفتح المتجر في التاسعة صباحا ويغلق في السادسة مساء. شكرا جزيلا على طلبكم.
החנות נפתחת בתשע בבוקר ונסגרת בשש בערב. תודה רבה על ההזמנה.
दुकान सुबह नौ बजे खुलती है और शाम छह बजे बंद होती है। आपका धन्यवाद।
ร้านเปิดเก้าโมงเช้าและปิดหกโมงเย็น ขอบคุณมากที่สั่งซื้อ
商店早上九点开门，下午六点关门。三十天内可以免费退货，谢谢您的订购。
お店は朝九時に開いて、夕方六時に閉まります。ご注文ありがとうございます。テント
가게는 아침 아홉 시에 열고 저녁 여섯 시에 닫습니다. 주문해 주셔서 감사합니다.
😀 👩🏽‍🚀 🏕️ 🇳🇴 👨‍👩‍👧‍👦 ❤️ 1️⃣ ☃ 🧗‍♀️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿""".split("\n")
SENTENCES = [s.replace("\\n", "\n") for s in SENTENCES]
WORDS = [w for s in SENTENCES for w in s.split()]
SPACES = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
NEAR = "\x1c\x1d\x1e\x1f\u180e\u200b\u200c\u200d\u2060\ufeff\u2581"
ENDS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'lL", "'D", "'ſ", "'ſt", "'l", "'r", "'", "''", "'sS", "’s", "'x", "'ﬆ", "'K"]
EMOJI = ["😀", "👩🏽‍🚀", "🏕️", "🇳🇴🇯🇵", "👨‍👩‍👧‍👦", "❤️", "1️⃣", "🫠", "☃", "✂︎", "🧗‍♀️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇳"]
SCRIPTS = [(0x400, 0x44F), (0x391, 0x3C9), (0x5D0, 0x5EA), (0x620, 0x64A), (0x905, 0x94D), (0xE01, 0xE4E), (0x10D0, 0x10F0), (0x561, 0x586), (0x1200, 0x1246),
           (0x1E00, 0x1EFF), (0xAC00, 0xD7A3), (0x3041, 0x30FE), (0x4E00, 0x9FA5), (0x1100, 0x11FF), (0x1F00, 0x1FFE), (0xF900, 0xFAD9), (0x2100, 0x218B)]
# Special tokens of all families: each knows some of them.
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>", "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>", "<|left|>", "<|right|>", "<|both|>",
           "tent", "<tool>", "<|", "|>", "<s", "NBSP", "ﬁne"]

pick = rng.choice
between = rng.randint


def times(low, high, make, joint=""):
    return joint.join(make() for _ in range(between(low, high)))


def char(low, high):
    return chr(between(low, high))


def anything():
    while True:
        c = between(0, 0x32FFF) if rng.random() < 0.8 else between(0, 0x10FFFF)
        if unicodedata.category(chr(c)) not in ("Cs", "Cn"):
            return chr(c)


def accents(s):
    return unicodedata.normalize(pick(["NFC", "NFD", "NFKC", "NFKD"]), s)


CATEGORIES = {
    "prose": lambda: times(1, 3, lambda: pick(SENTENCES), pick([" ", "\n", "  "])),
    "words": lambda: times(2, 14, lambda: pick(WORDS), pick([" ", " ", "  ", "\n", " \n", "\t"])) + pick(["", "", " ", "\n", "  "]),
    "accents": lambda: accents(times(2, 8, lambda: pick([pick(WORDS), char(0xC0, 0x24F), char(0x1E00, 0x1EFF), "e\u0301", "q\u0323\u0307", "가", "ᄀ" + "ᅡ" + "ᆨ", "Å", "ﬁ", "Ω"]), pick(["", " "]))),
    "marks": lambda: times(3, 14, lambda: pick([char(97, 122), char(97, 122) + char(0x300, 0x36F), " ", char(0x300, 0x34E), "क्षि", "ที่", "שָׁ", "é", "\u0344"])),
    "many marks": lambda: pick(["a", "e", "x", " ", "가", ""]) + times(20, 80, lambda: pick([char(0x300, 0x36F), char(0x323, 0x331), "\u0301", "\u0345", "\u05b4"])) + pick(["", "b", " end"]),
    "breaks": lambda: times(2, 4, lambda: pick(WORDS) + pick(["\n", "\n\n", "\r\n", " \n", "\n ", "\n\n\n  ", "\n\t", ".\n", "!\r\n\r\n", "  \n\n "])) + pick(["", "\n", " ", "x"]),
    "code": lambda: times(1, 4, lambda: pick(["if err != nil {\n\t\treturn err\n\t}\n", "x_1 = [i**2 for i in range(%d)]\n" % between(0, 9999), "</div>\n    <p>", '{"id":%d,"ok":null}' % between(0, 10**6), "a+=b-->c<<=3;", "#include <x.h>\r\n", "\n\n\n    def f(self):\n        '''doc'''\n", "$HOME/.cache/*.tmp", "@a.b(c=1)"])),
    "repeated": lambda: times(1, 3, lambda: pick(["a", "A", " ", "\n", "0", "=", "-", ".", "!", "é", "的", "😀", "\t", "/", "_", "ab", " a", "\xa0", "ha", "\r\n", "▁", "'"]) * between(1, 60), pick(["", " ", "x"])),
    "spaces": lambda: times(2, 12, lambda: pick([pick(SPACES), pick(SPACES), pick(WORDS), pick(NEAR), pick(ENDS)])),
    "space runs": lambda: times(1, 4, lambda: times(0, 5, lambda: pick("  \n\t\r")) + pick(["", "x", "1", "!", "the", "的", "é"])) + times(0, 4, lambda: pick(" \n")),
    "east": lambda: times(3, 20, lambda: pick([char(0x4E00, 0x9FA5), char(0x3041, 0x3093), char(0x30A1, 0x30F6), char(0xAC00, 0xD7A3), pick("，。！？、「」（）・ー〇々"), pick(WORDS)])),
    "emoji": lambda: times(1, 7, lambda: pick([pick(EMOJI), pick(EMOJI), " " + pick(WORDS), " ", char(0x1F300, 0x1F5FF)])),
    "contractions": lambda: times(1, 6, lambda: pick(["I", "you", "don", "WE", "it", "", " ", "1", "!", "é", "\n"]) + pick(ENDS) + pick(["", " ", "n", "!", "\n"])),
    "numbers": lambda: times(1, 7, lambda: pick([str(between(0, 9)), str(between(0, 10**3)), str(between(0, 10**9)), " " + str(between(0, 10**12)), "1,000.50", " 1000", "٣٤٥", "½", "²", "Ⅷ", "①", "〇", "0x1F", "3.14", "१२", " 00", "%", "$", "\n1", "\t22", "  7", "v2"]), pick(["", "", " ", ","])),
    "long words": lambda: times(30, 260, lambda: pick([char(97, 122), char(97, 122), char(65, 90), pick("aeiounrst")])),
    "long symbols": lambda: times(30, 120, lambda: char(33, 47)) + pick(["", "\n", "\r\n\r\nx"]),
    "control": lambda: times(2, 14, lambda: pick([char(0, 0x1F), char(0x7F, 0x9F), pick(WORDS), " "])),
    "scripts": lambda: (lambda r: times(3, 25, lambda: pick([char(*r), char(*r), char(*r), pick([" ", ".", ", ", "\n", "1"])])))(pick(SCRIPTS)),
    "anything": lambda: times(1, 12, lambda: pick([anything(), anything(), anything(), " ", pick(WORDS), "\n"])),
    "special": lambda: times(1, 6, lambda: pick([pick(SPECIAL), pick(SPECIAL), pick(SPECIAL), pick(WORDS), " ", "  ", "\n", "\xa0", "a", "é", "\u200d"])),
    "mixed": lambda: times(2, 5, lambda: CATEGORIES[pick(["prose", "words", "east", "emoji", "numbers", "spaces", "contractions", "scripts", "control", "space runs", "special", "accents"])](), pick(["", " ", "\n"])),
}


def strings():
    out = [["edge", s] for s in ["", " ", "  ", "▁", "▁▁", " ▁", "a", "\n", "<s>", "<s> a", " <s>a", "a <s> b", "\u0000", "'", "'s", " 's", "1", " 1", "12345678", "\r", "a\r\nb", "\ufeff", "\U0010ffff"]]
    for category, make in CATEGORIES.items():
        for _ in range(150):
            out.append([category, make()[:600]])
    return out


def corpus():
    for s in SENTENCES:
        for _ in range(3):
            yield s
    for _ in range(1500):
        yield times(3, 12, lambda: pick(WORDS), " ")
    for _ in range(300):
        yield times(1, 3, lambda: str(between(0, 10**6)), " ") + pick(["\n", "\n\n", "    ", "\t\t"])


def byte_level(size, pre, special, **model):
    """A byte-level BPE with the pre-tokenizer of a family."""
    tk = Tokenizer(models.BPE(**model))
    tk.pre_tokenizer = pre
    tk.decoder = decoders.ByteLevel()
    tk.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tk.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    return tk


def sentence_piece(size, split, missing=(), **model):
    """A BPE of characters with byte fallback, as SentencePiece's are written in tokenizer.json."""
    tk = Tokenizer(models.BPE(unk_token="<unk>"))
    tk.normalizer = normalizers.Replace(" ", "▁")
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=split)
    tk.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>"], limit_alphabet=200, max_token_length=12, show_progress=False))
    trained = json.loads(tk.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256) if b not in missing]
    names += [t for t in sorted(trained["vocab"], key=trained["vocab"].get) if t != "<unk>"]
    tk = Tokenizer(models.BPE({t: i for i, t in enumerate(names)}, [tuple(m) for m in trained["merges"]], unk_token="<unk>", byte_fallback=True, **model))
    tk.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in names[:3]])
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tk


def begin(tk, bos, before=()):
    template = processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tk.token_to_id(bos))])
    tk.post_processor = processors.Sequence([*before, template]) if before else template


def flags(tk):
    """Added tokens with every flag that there is."""
    tk.add_special_tokens([AddedToken("<|left|>", lstrip=True, normalized=False), AddedToken("<|right|>", rstrip=True, normalized=False),
                           AddedToken("<|both|>", lstrip=True, rstrip=True, normalized=False)])
    tk.add_tokens([AddedToken("tent", single_word=True, normalized=False), AddedToken("<tool>", normalized=False), AddedToken("ﬁne", normalized=True), AddedToken("NBSP", normalized=True, lstrip=True)])


def drop_merges(tk):
    """Takes some merges away: the tokens that they make are then reached by ignore_merges alone."""
    file = json.loads(tk.to_str())
    file["model"]["merges"] = [m for m in file["model"]["merges"] if rng.random() < 0.9]
    return Tokenizer.from_str(json.dumps(file))


def llama_split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def families():
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    yield "smollm2", byte_level(1200, digits, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tk = drop_merges(byte_level(1200, llama_split(LLAMA3), ["<|begin_of_text|>", "<|eot_id|>"], ignore_merges=True))
    begin(tk, "<|begin_of_text|>", [processors.ByteLevel(trim_offsets=False)])
    yield "llama3", tk
    tk = byte_level(1200, llama_split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tk.normalizer = normalizers.NFC()
    yield "qwen2", tk
    tk = byte_level(700, digits, ["<|endoftext|>"])
    tk.normalizer = normalizers.NFKC()
    flags(tk)
    yield "flags-bytes", tk
    tk = sentence_piece(1500, True, fuse_unk=True)
    tk.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    begin(tk, "<s>")
    yield "llama2", tk
    yield "scores", scored(tk)
    tk = sentence_piece(1500, True, fuse_unk=True)
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    begin(tk, "<s>")
    yield "metaspace-first", tk
    tk = sentence_piece(900, True, missing=range(0x80, 0xA0), fuse_unk=False)
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    flags(tk)
    yield "metaspace-always", tk
    tk = sentence_piece(900, False, missing=[0xE2, 0x0A], fuse_unk=True, ignore_merges=True)
    tk.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tk.normalizer = normalizers.NFC()
    tk.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    flags(tk)
    yield "metaspace-never", tk


def generate_merges(vocab, scores):
    """What transformers makes of a SentencePiece vocabulary with scores (tokenization_utils_base.py, Apache-2.0, The HuggingFace Team)."""
    merges = []
    for merge, score in scores.items():
        local = [(merge[:i], merge[i:], score) for i in range(1, len(merge)) if merge[:i] in vocab and merge[i:] in vocab]
        merges.extend(sorted(local, key=lambda x: (vocab[x[0]], vocab[x[1]])))
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    return [(left, right) for left, right, _ in merges]


def scored(tk):
    """A tokenizer of the vocabulary of another with merges of scores that its ids have, some of them the same."""
    file = json.loads(tk.to_str())
    vocab = file["model"]["vocab"]
    scores = {t: -float(i // 2) for t, i in sorted(vocab.items(), key=lambda e: e[1]) if i >= 259}
    file["model"]["merges"] = generate_merges(vocab, scores)
    return Tokenizer.from_str(json.dumps(file))


def lines(name, values):
    data = "\n".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, separators=(",", ":")) for v in values) + "\n"
    with open(OUT / name, "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
        z.write(data.encode())


def goldens(name, tk, texts):
    file = tk.to_str()
    tk.no_truncation()
    tk.no_padding()
    prefix = tk.encode("a", add_special_tokens=True).ids[: -len(tk.encode("a", add_special_tokens=False).ids)]
    out = [file, prefix]
    for _, text in texts:
        tk.encode_special_tokens = True
        plain = tk.encode(text, add_special_tokens=False).ids
        tk.encode_special_tokens = False
        special = tk.encode(text, add_special_tokens=False).ids
        back = tk.decode(plain, skip_special_tokens=False)
        out.append([plain, None if special == plain else special, None if back == text else back])
    local = random.Random(7)
    known = [i for i in range(tk.get_vocab_size()) if tk.id_to_token(i) is not None]
    for _ in range(400):
        ids = [local.choice(known if local.random() < 0.7 else known[:300]) for _ in range(local.randint(1, 12))]
        out.append([ids, tk.decode(ids, skip_special_tokens=False), tk.decode(ids, skip_special_tokens=True)])
    lines(name + ".family.gz", out)
    print(name, tk.get_vocab_size(), "tokens")


def classes():
    """The classes of all characters: what the expressions take for letters, numbers and white space, and Digits for numbers."""
    tests = {"L": pre_tokenizers.Split(Regex(r"\p{L}"), "removed"), "N": pre_tokenizers.Split(Regex(r"\p{N}"), "removed"), "S": pre_tokenizers.Split(Regex(r"\s"), "removed")}
    numeric = pre_tokenizers.Digits(individual_digits=True)
    runs, last = [], None
    for c in range(0x110000):
        if 0xD800 <= c <= 0xDFFF:
            continue
        kind = "".join(k for k, t in tests.items() if not t.pre_tokenize_str(chr(c)))
        kind += "D" if len(numeric.pre_tokenize_str("a" + chr(c))) > 1 else ""
        if kind != last:
            runs.append(f"{c:x} {kind}")
            last = kind
    lines("classes.gz", runs)


def forms():
    """Normalization forms of strings with many kinds of marks."""
    of = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD()}
    out = []
    for category in ["accents", "marks", "many marks", "scripts", "anything"]:
        for _ in range(120):
            text = CATEGORIES[category]()
            out.append([text] + [n.normalize_str(text) for n in of.values()])
    lines("forms.gz", out)


texts = strings()
lines("families.strings.gz", texts)
print(len(texts), "strings")
if len(sys.argv) > 2:
    for name, path in (a.split("=") for a in sys.argv[2:]):
        goldens(name, Tokenizer.from_file(path), texts)
else:
    forms()
    for name, tk in families():
        goldens(name, tk, texts)
    classes()
